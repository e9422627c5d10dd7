// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"slices"
	"strings"
	"testing"

	"blackout/harness/history"
)

func find(t *testing.T, id string) clause {
	t.Helper()
	all := allClauses()
	i := slices.IndexFunc(all, func(c clause) bool { return c.id == id })
	if i < 0 {
		t.Fatalf("there is no clause %s", id)
	}
	return all[i]
}

// judgement is a finer point: what counts as an opportunity, what excuses, and what
// does not.
type judgement struct {
	clause, name string
	want         Status
	story        func(*story)
}

func TestJudgements(t *testing.T) {
	t.Parallel()
	for _, c := range slices.Concat(bootJudgements, outageJudgements, takeoverJudgements, exportJudgements, databaseJudgements, unfitJudgements) {
		t.Run(c.clause+" "+c.name, func(t *testing.T) {
			t.Parallel()
			s := tell()
			c.story(s)
			if got := find(t, c.clause).on(s); got.Status != c.want {
				t.Errorf("%s (%s), want %s", got.Status, got.Reason, c.want)
			}
		})
	}
}

// TestUnstagedFaultsAreNamed where a clause had no opportunity, also when nothing
// else was in force.
func TestUnstagedFaultsAreNamed(t *testing.T) {
	t.Parallel()
	unstaged := func(s *story) {
		s.event(1, history.Event{Kind: history.FaultUnstaged, Edge: "dp-1>cp", Text: "drop", Error: "no packet filter here"})
	}
	s := tell()
	unstaged(s)
	s.breaks(2, "other>cp", "exit")
	got := find(t, "G1.5").on(s)
	if got.Status != NotMeasured || !strings.Contains(got.Reason, "drop on dp-1>cp (no packet filter here)") {
		t.Errorf("%s (%s), want NOT MEASURED for the fault that could not be staged", got.Status, got.Reason)
	}
	alone := tell()
	unstaged(alone)
	alone.probes("dp-1", 0, 2, 1)
	for _, id := range []string{"G1.5", "G3.6"} {
		if got := find(t, id).on(alone); got.Status != NotMeasured || !strings.Contains(got.Reason, "no packet filter here") {
			t.Errorf("%s is %s (%s), want NOT MEASURED for want of any fault", id, got.Status, got.Reason)
		}
	}
}

// TestEvidenceNamesTheEvent: the first counterexample says when, at which node and
// edge, and what sort of event it was.
func TestEvidenceNamesTheEvent(t *testing.T) {
	t.Parallel()
	s := tell()
	find(t, "G2.3").canary(s)
	got := find(t, "G2.3").on(s).Evidence[0]
	want := Evidence{At: moments(5), Node: "dp-1", Edge: "dp-1>store", Kind: history.EdgeConnect, Text: "dp-1 dialled the store 3.00 s after it began to serve"}
	if got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}
