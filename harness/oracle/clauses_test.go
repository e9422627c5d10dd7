// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"blackout/harness/history"
)

func allClauses() []clause {
	var out []clause
	for _, p := range contract {
		out = append(out, p.clauses...)
	}
	return out
}

func TestEveryVerdictOfEveryClause(t *testing.T) {
	t.Parallel()
	for _, c := range allClauses() {
		t.Run(c.id, func(t *testing.T) {
			t.Parallel()
			keep := keepers[c.id]
			if keep == nil {
				t.Fatal("no history keeps this clause")
			}
			gives(t, c, Held, keep)
			gives(t, c, Violated, c.canary)
			gives(t, c, NotMeasured, func(s *story) { s.breaks(1, "other>cp", "exit") })
			gives(t, c, Invalid, func(s *story) { keep(s); s.rec.Damage = "its files are not as its run wrote them" })
			gives(t, c, Invalid, func(s *story) { keep(s); s.event(0.5, history.Event{Kind: history.HarnessError, Error: "bug"}) })
		})
	}
}

// gives checks what a clause's oracle makes of a story, and that it accounts for
// it.
func gives(t *testing.T, c clause, want Status, told func(*story)) {
	t.Helper()
	s := tell()
	told(s)
	got := c.on(s)
	if got.Status != want {
		t.Errorf("%s: %s (%s), want %s", c.id, got.Status, got.Reason, want)
		return
	}
	switch {
	case want == Held && got.Opportunities == 0:
		t.Errorf("%s is held without an opportunity to fail", c.id)
	case want != Held && got.Reason == "":
		t.Errorf("%s is %s without a reason", c.id, want)
	case want == Violated && (len(got.Evidence) == 0 || got.Evidence[0].Text != got.Reason || got.Opportunities == 0):
		t.Errorf("%s: reason %q, %d opportunities, evidence %v; want the first counterexample", c.id, got.Reason, got.Opportunities, got.Evidence)
	case want == NotMeasured && got.Opportunities != 0:
		t.Errorf("%s is not measured with %d opportunities", c.id, got.Opportunities)
	}
}

// restsOnNoFault are the clauses that judge what a run does with or without a
// fault.
var restsOnNoFault = []string{
	"G1.2", "G2.3", "G2.4", "G3.6", "G4.3", "G4.5", "G4.9", "G4.10", "G4.11", "G5.1", "G5.3", "G6.1", "G6.2", "G6.3", "G6.4", "G6.5", "G6.6", "G7.1", "G8.2", "G9.1",
	"G10.3", "G10.5", "G10.6", "G10.10", "G12.1", "G12.2", "G13.2", "G13.3", "G13.4", "G13.7", "G13.8",
}

// TestVerdictsRestOnWitnesses: a clause whose fault nobody saw in force is INVALID,
// whether it was kept or broken.
func TestVerdictsRestOnWitnesses(t *testing.T) {
	t.Parallel()
	unseen := func(told func(*story)) func(*story) {
		return func(s *story) {
			told(s)
			for i := range s.rec.Events {
				if s.rec.Events[i].Kind == history.FaultWitness {
					s.rec.Events[i].OK = false
				}
			}
		}
	}
	for _, c := range allClauses() {
		if slices.Contains(restsOnNoFault, c.id) {
			gives(t, c, Held, unseen(keepers[c.id]))
			continue
		}
		gives(t, c, Invalid, unseen(keepers[c.id]))
		gives(t, c, Invalid, unseen(c.canary))
	}
	for _, id := range []string{"G4.3", "G4.5", "G10.5"} {
		c := allClauses()[slices.IndexFunc(allClauses(), func(c clause) bool { return c.id == id })]
		gives(t, c, Invalid, func(s *story) {
			keepers[id](s)
			s.without(func(e history.Event) bool { return e.Kind == history.HealWitness })
		})
	}
}

// TestCanariesSing: every clause's oracle finds the violation that is known to be
// one.
func TestCanariesSing(t *testing.T) {
	t.Parallel()
	for _, c := range allClauses() {
		if !c.findsCanary() {
			t.Errorf("%s does not find its canary", c.id)
		}
	}
}

// TestBlindOracleIsNotBelieved plants an oracle that always passes, for each
// clause in turn.
func TestBlindOracleIsNotBelieved(t *testing.T) {
	t.Parallel()
	for i, p := range contract {
		for k := range p.clauses {
			planted := slices.Clone(contract)
			planted[i].clauses = slices.Clone(p.clauses)
			planted[i].clauses[k].judge = func(_ *view, f *finding) { f.opportunities = 1 }
			result, err := court{promises: planted}.judge(goodRun().Source())
			if err != nil {
				t.Fatal(err)
			}
			verdict := result.Verdicts[i]
			if got := verdict.Clauses[k]; got.Status != Invalid || !strings.Contains(got.Reason, "does not find") || verdict.Status == Held {
				t.Errorf("%s: %s (%s) and its promise is %s, though its oracle always passes", got.ID, got.Status, got.Reason, verdict.Status)
			}
		}
	}
}

func TestKeepersKnowTheirClauses(t *testing.T) {
	t.Parallel()
	ids := make(map[string]bool)
	for _, c := range allClauses() {
		if ids[c.id] {
			t.Errorf("%s is there twice", c.id)
		}
		ids[c.id] = true
	}
	for id := range maps.Keys(keepers) {
		if !ids[id] {
			t.Errorf("%s is no clause", id)
		}
	}
}
