// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package run

import (
	"fmt"
	"slices"
	"strings"

	"blackout/harness/history"
	"blackout/harness/oracle"
	"blackout/harness/plan"
)

// checkPromises says why a plan's promises and the clauses that it is there to
// exercise cannot be judged. What there is to judge is asked of the oracle, with an
// empty recording: a misspelt clause would otherwise be found after the run.
func checkPromises(p plan.Plan) error {
	if len(p.Promises) == 0 && len(p.Exercises) == 0 {
		return nil
	}
	known, err := oracle.Judge(&history.Recording{}, oracle.Promises())
	if err != nil {
		return err
	}
	for _, id := range p.Promises {
		if !slices.Contains(oracle.Promises(), id) {
			return fmt.Errorf("unknown promise %q: the promises are %s", id, strings.Join(oracle.Promises(), ", "))
		}
	}
	for _, id := range p.Exercises {
		switch promise := promiseOf(known, id); {
		case promise == "":
			return fmt.Errorf("exercises: unknown clause %q", id)
		case !slices.Contains(p.Promises, promise):
			return fmt.Errorf("exercises: clause %s is of %s, which is not asked for: the promises are %s", id, promise, strings.Join(p.Promises, ", "))
		}
	}
	return nil
}

// promiseOf is the promise that a clause is of, or empty.
func promiseOf(known oracle.Result, clause string) string {
	for _, v := range known.Verdicts {
		if slices.ContainsFunc(v.Clauses, func(c oracle.Clause) bool { return c.ID == clause }) {
			return v.Promise
		}
	}
	return ""
}
