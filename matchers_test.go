// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package blackout_test

import (
	"fmt"
	"strings"

	"github.com/onsi/gomega/gcustom"
	"github.com/onsi/gomega/types"

	"blackout/harness/build"
	"blackout/harness/oracle"
	"blackout/harness/run"
)

func buildRequest(root string) build.Request { return build.Request{Root: root} }

// HaveStatus matches a promise's verdict; its failure names the clauses and what
// was seen.
func HaveStatus(want oracle.Status) types.GomegaMatcher {
	return gcustom.MakeMatcher(func(v oracle.Verdict) (bool, error) { return v.Status == want, nil }).
		WithMessage(fmt.Sprintf("be %s", want))
}

// ViolateOnly matches a run that found one promise violated, by a certain clause,
// with an event to show for it.
func ViolateOnly(promise, clause string) types.GomegaMatcher {
	return gcustom.MakeMatcher(func(r run.Result) (bool, error) {
		var violated []string
		shown := false
		for _, v := range r.Oracle.Verdicts {
			if v.Status != oracle.Violated {
				continue
			}
			violated = append(violated, v.Promise)
			for _, c := range v.Clauses {
				shown = shown || c.ID == clause && c.Status == oracle.Violated && len(c.Evidence) > 0
			}
		}
		if len(violated) != 1 || violated[0] != promise || !shown {
			return false, fmt.Errorf("violated %s, clause %s shown with evidence: %t; see %s", strings.Join(violated, ", "), clause, shown, r.Dir)
		}
		return true, nil
	}).WithMessage(fmt.Sprintf("violate %s alone, by clause %s", promise, clause))
}
