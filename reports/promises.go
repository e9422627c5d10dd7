// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"slices"
	"strings"

	"blackout/harness/oracle"
)

// promises adds to each verdict what its one line must say. Exercises are the
// clauses that the scenario is there to exercise, as far as the caller knows.
func promises(result oracle.Result, exercises []string) []Promise {
	rows := make([]Promise, 0, len(result.Verdicts))
	for _, v := range result.Verdicts {
		p := Promise{Verdict: v, NotExercised: []string{}, Missed: []string{}}
		for _, c := range v.Clauses {
			p.Opportunities += c.Opportunities
			if c.Status != oracle.NotMeasured {
				continue
			}
			p.NotExercised = append(p.NotExercised, c.ID)
			if slices.Contains(exercises, c.ID) {
				p.Missed = append(p.Missed, c.ID)
			}
		}
		if inPart(p) && len(p.NotExercised) == 1 {
			p.Missed = slices.Clone(p.NotExercised) // no other clause can be the reason
		}
		rows = append(rows, p)
	}
	return rows
}

// inPart reports whether a promise is NOT MEASURED although clauses of it were
// held: then a clause that the scenario is there to exercise was not measured.
func inPart(p Promise) bool {
	held := func(c oracle.Clause) bool { return c.Status == oracle.Held }
	return p.Status == oracle.NotMeasured && len(p.NotExercised) > 0 && slices.ContainsFunc(p.Clauses, held)
}

// shortfall says which clauses should have been measured and were not; nothing
// if none is known to be missing.
func shortfall(p Promise) string {
	switch {
	case len(p.Missed) == 1:
		return p.Missed[0] + " should have been measured and was not"
	case len(p.Missed) > 1:
		return list(p.Missed) + " should have been measured and were not"
	case inPart(p):
		return "at least one of " + list(p.NotExercised) + " should have been measured and was not"
	}
	return ""
}

// unmeasured says which clauses were not measured, first those that should
// have been.
func unmeasured(p Promise) []string {
	var parts []string
	if lacking := shortfall(p); lacking != "" {
		parts = append(parts, lacking)
		if len(p.Missed) == 0 {
			return parts // they are all named
		}
	}
	missed := func(id string) bool { return slices.Contains(p.Missed, id) }
	if rest := slices.DeleteFunc(slices.Clone(p.NotExercised), missed); len(rest) > 0 {
		parts = append(parts, "not exercised: "+strings.Join(rest, ", "))
	}
	return parts
}
