// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package match

import (
	"fmt"
	"slices"
	"strings"

	"github.com/onsi/gomega/types"

	"blackout/harness/oracle"
)

// Hold matches a run in which promises ("G3") and clauses ("G3.1") are HELD;
// without any named, all those that it was asked for.
func Hold(ids ...string) types.GomegaMatcher {
	return haveStatus("to hold "+listed(ids, "every promise"), oracle.Held, ids)
}

// HaveStatus matches a run in which promises and clauses have a status; without
// any named, all those that it was asked for. It matches a promise's verdict too.
func HaveStatus(status oracle.Status, ids ...string) types.GomegaMatcher {
	want := "to be " + string(status)
	if len(ids) > 0 {
		want += " in " + listed(ids, "")
	}
	return haveStatus(want, status, ids)
}

// Violate matches a run that found promises or clauses VIOLATED, with an event to
// show for it.
func Violate(ids ...string) types.GomegaMatcher {
	return haveStatus("to violate "+listed(ids, "every promise"), oracle.Violated, ids)
}

// ViolateOnly matches a run that found one promise VIOLATED, by a certain clause
// with an event to show for it, and no other, unless a clause of it is among those
// that fall with the first.
func ViolateOnly(promise, clause string, also ...string) types.GomegaMatcher {
	allowed := []string{promise}
	for _, id := range also {
		of, _, _ := strings.Cut(id, ".")
		allowed = append(allowed, of)
	}
	return onRun(fmt.Sprintf("to violate %s alone, by clause %s", promise, clause), func(s subject) (sighting, error) {
		rulings, err := s.rulings([]string{clause})
		if err != nil {
			return sighting{}, err
		}
		var violated []string
		for _, v := range s.verdicts {
			if v.Status == oracle.Violated {
				violated = append(violated, v.Promise)
			}
		}
		beyond := slices.DeleteFunc(slices.Clone(violated), func(id string) bool { return slices.Contains(allowed, id) })
		return sighting{
			ok:  slices.Contains(violated, promise) && len(beyond) == 0 && rulings[0].is(oracle.Violated),
			saw: func() string { return "it violates " + listed(violated, "no promise") + ", and " + rulings[0].String() },
		}, nil
	})
}

func haveStatus(want string, status oracle.Status, ids []string) types.GomegaMatcher {
	return onRun(want, func(s subject) (sighting, error) {
		rulings, err := s.rulings(ids)
		if err != nil {
			return sighting{}, err
		}
		if status == oracle.Held && s.invalid != "" {
			return sighting{saw: func() string { return s.invalid }}, nil
		}
		others := slices.DeleteFunc(slices.Clone(rulings), func(r ruling) bool { return r.is(status) })
		if len(others) == 0 {
			return sighting{ok: true, saw: func() string { return tell(rulings) }}, nil
		}
		return sighting{saw: func() string { return tell(others) }}, nil
	})
}

// ruling is what was made of a promise or a clause.
type ruling struct {
	id       string
	status   oracle.Status
	reason   string
	evidence []oracle.Evidence
}

// is says whether the ruling has a status. VIOLATED without an event to show for
// it is none.
func (r ruling) is(status oracle.Status) bool {
	return r.status == status && (status != oracle.Violated || len(r.evidence) > 0)
}

// String is a clause of a sentence, with the evidence below it.
func (r ruling) String() string {
	text := fmt.Sprintf("%s is %s", r.id, r.status)
	if r.reason != "" {
		text += ": " + r.reason
	}
	if r.status != oracle.Violated {
		return text
	}
	if len(r.evidence) == 0 {
		return text + ", without an event to show for it"
	}
	lines := make([]string, len(r.evidence))
	for i, e := range r.evidence {
		lines[i] = fmt.Sprintf("at %.3f s: %s", e.At.Seconds(), e.Text)
	}
	return text + evidence(lines)
}

// rulings are those on promises and clauses; without any named, on every promise.
func (s subject) rulings(ids []string) ([]ruling, error) {
	if len(s.verdicts) == 0 {
		return nil, errNoVerdicts
	}
	all := make(map[string]ruling)
	var promises []string
	for _, v := range s.verdicts {
		promises = append(promises, v.Promise)
		all[v.Promise] = ofPromise(v)
		for _, c := range v.Clauses {
			all[c.ID] = ruling{c.ID, c.Status, c.Reason, c.Evidence}
		}
	}
	if len(ids) == 0 {
		ids = promises
	}
	out := make([]ruling, len(ids))
	for i, id := range ids {
		r, judged := all[id]
		if !judged {
			return nil, fmt.Errorf("nobody judged %s: judged were %s and their clauses", id, listed(promises, ""))
		}
		out[i] = r
	}
	return out, nil
}

// ofPromise is the ruling on a promise, with the reasons of the clauses that it is
// as bad as.
func ofPromise(v oracle.Verdict) ruling {
	r := ruling{id: v.Promise, status: v.Status}
	var reasons []string
	for _, c := range v.Clauses {
		if c.Status == v.Status && v.Status != oracle.Held {
			reasons = append(reasons, c.ID+", "+c.Reason)
			r.evidence = append(r.evidence, c.Evidence...)
		}
	}
	r.reason = strings.Join(reasons, "; ")
	return r
}

func tell(rulings []ruling) string {
	all := make([]string, len(rulings))
	for i, r := range rulings {
		all[i] = r.String()
	}
	return strings.Join(all, "\nand ")
}

// listed is "G1, G3 and G4", or what stands for none.
func listed(ids []string, none string) string {
	switch last := len(ids) - 1; last {
	case -1:
		return none
	case 0:
		return ids[0]
	default:
		return strings.Join(ids[:last], ", ") + " and " + ids[last]
	}
}
