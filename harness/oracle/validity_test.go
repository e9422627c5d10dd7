// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"slices"
	"testing"
	"time"

	"blackout/harness/history"
	"blackout/harness/topology"
)

func unwitnessed(kind history.Kind, edge string) mutation {
	return edit(match{kind: kind, edge: edge}, func(e *history.Event) { e.OK = false })
}

// interrupt ends the run early, as an interrupted harness does: what was cut is
// healed on the way out, and nobody looks at the nodes any more.
func interrupt(at float64) mutation {
	return all(until(sec(at)), add(func(s *story) {
		s.event(at, history.Event{Kind: history.Interrupted, Text: "interrupt"})
		s.event(at, history.Event{Kind: history.RunEnd})
		for _, e := range s.rec.Events {
			if e.Kind == history.FaultActive {
				s.event(at+0.1, history.Event{Kind: history.FaultHeal, Edge: e.Edge})
				s.event(at+0.2, history.Event{Kind: history.FaultHealed, Edge: e.Edge})
				s.event(at+0.3, history.Event{Kind: history.HealWitness, Edge: e.Edge, OK: true})
			}
		}
	}))
}

// stalls lets the upstream keep the harness waiting.
func stalls(from, to float64) mutation {
	return add(func(s *story) {
		s.event(from, history.Event{Kind: history.UpstreamSlow, Node: "upstream", Until: moments(to), Code: 200})
	})
}

// denies keeps a node from running.
func denies(node string, from, to float64) mutation {
	return add(func(s *story) {
		s.event(from, history.Event{Kind: history.NodeDenied, Node: node, Until: moments(to)})
	})
}

func TestBadMeasurementsAreInvalid(t *testing.T) {
	t.Parallel()
	lost := request("dp-1", 14, lose(history.Timeout))
	hung := request("dp-1", 14, func(q *history.Request) {
		lose(history.Timeout)(q)
		q.Done = q.Sent + sec(1)
	})
	hungLong := request("dp-1", 14, func(q *history.Request) {
		lose(history.Timeout)(q)
		q.Done = q.Sent + sec(2)
	})
	none := func(int, string, history.Request) bool { return true }
	half := func(node string) mutation {
		return dropRequests(func(i int, n string, _ history.Request) bool { return n == node && i%4 < 2 })
	}
	unready := func(until float64) mutation {
		return add(func(s *story) {
			s.event(14, history.Event{Kind: history.ReadyChange, Node: "dp-1", Until: moments(15)})
			s.event(until, history.Event{Kind: history.ReadyChange, Node: "dp-1", Until: moments(until + 0.01), Code: 200})
		})
	}
	notOK := edit(match{kind: history.RunEnd}, func(e *history.Event) { e.OK = false })
	failure := add(func(s *story) { s.event(20, history.Event{Kind: history.HarnessError, Error: "read meters"}) })
	for name, c := range map[string]struct {
		do       mutation
		invalid  []string
		violated []string
		check    string // of validity, that fails
	}{
		"dp-1's cut is not witnessed":     {do: unwitnessed(history.FaultWitness, "dp-1>cp"), invalid: []string{"G10.1", "G10.2", "G10.4"}, check: "faults witnessed"},
		"nobody looked at dp-1's cut":     {do: drop(match{kind: history.FaultWitness, edge: "dp-1>cp"}), invalid: []string{"G10.1", "G10.2", "G10.4"}, check: "faults witnessed"},
		"nor does a lost request count":   {do: all(unwitnessed(history.FaultWitness, "dp-1>cp"), lost), invalid: []string{"G10.1", "G10.2", "G10.4"}, check: "faults witnessed"},
		"dp-3's cut is not witnessed":     {do: unwitnessed(history.FaultWitness, "dp-3>cp"), invalid: []string{"G1.1", "G1.3", "G2.1", "G3.1", "G4.1", "G4.2", "G4.6"}, check: "faults witnessed"},
		"dp-4's cut is not witnessed":     {do: unwitnessed(history.FaultWitness, "dp-4>cp"), invalid: []string{"G4.1", "G4.2", "G4.6", "G13.1"}, check: "faults witnessed"},
		"the truncation is not":           {do: unwitnessed(history.FaultWitness, "dp-5>store"), invalid: []string{"G2.2", "G3.2"}, check: "faults witnessed"},
		"dp-2's healing is not":           {do: unwitnessed(history.HealWitness, "dp-2>cp"), invalid: []string{"G4.3", "G10.1"}},
		"but a lost request stands":       {do: all(unwitnessed(history.HealWitness, "dp-2>cp"), lost), invalid: []string{"G4.3"}, violated: []string{"G10.1"}},
		"nobody looked at dp-4's edge":    {do: drop(match{kind: history.HealWitness, edge: "dp-4>cp"}), invalid: []string{"G4.3"}},
		"no request was sent":             {do: dropRequests(none), invalid: exercised, check: "requests sent"},
		"no fault was injected":           {do: drop(match{kind: history.FaultInject}), invalid: exercised, check: "faults witnessed"},
		"nothing was recorded":            {do: drop(match{}), invalid: exercised, check: "plan carried out"},
		"the plan was not carried out":    {do: notOK, invalid: exercised, check: "plan carried out"},
		"the run has no end":              {do: drop(match{kind: history.RunEnd}), invalid: exercised, check: "plan carried out"},
		"but what it saw stands":          {do: all(notOK, lost), invalid: without(exercised, "G10.1"), violated: []string{"G10.1"}, check: "plan carried out"},
		"the harness failed":              {do: failure, invalid: exercised, check: "harness without errors"},
		"and what it saw before stands":   {do: all(failure, lost), invalid: without(exercised, "G10.1"), violated: []string{"G10.1"}, check: "harness without errors"},
		"steady state was not reached":    {do: all(lost, add(func(s *story) { s.event(5, history.Event{Kind: history.Unsteady, Text: "dp-1 serves"}) })), invalid: exercised, check: "plan carried out"},
		"requests failed before a fault":  {do: request("dp-1", 6.5, lose(history.Timeout)), invalid: []string{"G10.1"}, check: "quiet before the fault"},
		"failures masked before a fault":  {do: request("dp-2", 6.5, func(q *history.Request) { q.Flags = history.Masked }), invalid: []string{"G10.1"}, check: "quiet before the fault"},
		"half of dp-1's requests":         {do: half("dp-1"), invalid: []string{"G2.4", "G3.6", "G10.1", "G10.2", "G10.6"}, check: "schedule kept"},
		"half of dp-3's requests":         {do: half("dp-3"), invalid: []string{"G2.4", "G3.1", "G3.6", "G10.5", "G10.6"}, check: "schedule kept"},
		"lost while the machine stalled":  {do: all(hung, stalls(13.9, 15)), invalid: []string{"G10.1"}, check: "machine answered"},
		"lost before it stalled":          {do: all(hung, stalls(17, 18)), violated: []string{"G10.1"}, check: "machine answered"},
		"refused while it stalled":        {do: all(hung, request("dp-1", 14, lose(history.Refused)), stalls(13.9, 15)), violated: []string{"G10.1"}, check: "machine answered"},
		"lost at the end of a stall":      {do: all(hung, stalls(13, 14.3)), violated: []string{"G10.1"}, check: "machine answered"},
		"lost in a short wait":            {do: all(hung, stalls(13.9, 14.3)), violated: []string{"G10.1"}},
		"one lost in it and one not":      {do: all(hung, request("dp-1", 18, lose(history.Timeout)), stalls(13.9, 15)), violated: []string{"G10.1"}, check: "machine answered"},
		"unready while it stalled":        {do: all(unready(15.1), stalls(13.9, 15)), invalid: []string{"G10.4"}, check: "machine answered"},
		"and long after":                  {do: all(unready(19), stalls(13.9, 15)), violated: []string{"G10.4"}, check: "machine answered"},
		"lost while it got no processor":  {do: all(hung, denies("dp-1", 13.9, 15)), invalid: []string{"G10.1"}},
		"lost while another got none":     {do: all(hung, denies("dp-2", 13.9, 15)), violated: []string{"G10.1"}},
		"lost while it waited at times":   {do: all(hung, denies("dp-1", 13.9, 14.4)), violated: []string{"G10.1"}},
		"lost before it got none":         {do: all(hung, denies("dp-1", 14.6, 16)), violated: []string{"G10.1"}},
		"lost after it waited for a half": {do: all(hungLong, denies("dp-1", 14, 14.9)), violated: []string{"G10.1"}},
		"refused while it got none":       {do: all(hung, request("dp-1", 14, lose(history.Refused)), denies("dp-1", 13.9, 15)), violated: []string{"G10.1"}},
		"unready while it got none":       {do: all(unready(15.1), denies("dp-1", 13.9, 15)), invalid: []string{"G10.4"}},
		"and long after it got some":      {do: all(unready(19), denies("dp-1", 13.9, 15)), violated: []string{"G10.4"}},
		"lost while it got none twice":    {do: all(hungLong, denies("dp-1", 15.4, 16.4), denies("dp-1", 13.9, 14.5)), invalid: []string{"G10.1"}},
		"none of dp-2's requests":         {do: dropRequests(func(_ int, n string, _ history.Request) bool { return n == "dp-2" }), invalid: []string{"G2.4", "G3.6", "G10.1", "G10.2", "G10.6"}, check: "schedule kept"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clauses := statuses(t, c.do)
			if got := with(clauses, Invalid); !slices.Equal(got, c.invalid) {
				t.Errorf("invalid %v, want %v\n%s", got, c.invalid, explain(clauses))
			}
			if got := with(clauses, Violated); !slices.Equal(got, c.violated) {
				t.Errorf("violated %v, want %v", got, c.violated)
			}
			for _, id := range c.invalid {
				if clauses[id].Reason == "" {
					t.Errorf("%s is invalid without a reason", id)
				}
			}
			if ok, found := passes(c.do, c.check); c.check != "" && (ok || !found) {
				t.Errorf("check %q does not fail", c.check)
			}
		})
	}
}

func without(ids []string, id string) []string {
	return slices.DeleteFunc(slices.Clone(ids), func(s string) bool { return s == id })
}

// passes says whether a check of validity passes after a mutation.
func passes(m mutation, name string) (ok, found bool) {
	rec := goodRun()
	m(rec)
	result, err := Judge(rec, nil)
	if err != nil {
		return false, false
	}
	for _, c := range result.Validity {
		if c.Name == name {
			return c.OK, true
		}
	}
	return false, false
}

func TestLateProberInvalidatesNoPromise(t *testing.T) {
	t.Parallel()
	late := func(rec *history.Recording) {
		for i := range rec.Requests {
			rec.Requests[i].Sent = rec.Requests[i].Intended + history.Time(MaxLag) + 1
			rec.Requests[i].Done += history.Time(MaxLag)
		}
	}
	if ok, found := passes(late, "prober on time"); ok || !found {
		t.Error("a prober that is always late passes for one on time")
	}
	if clauses := statuses(t, late); !slices.Equal(with(clauses, Held), exercised) {
		t.Errorf("availability does not rest on latency:\n%s", explain(clauses))
	}
}

func TestWhatWasNotExercisedIsNotMeasured(t *testing.T) {
	t.Parallel()
	importers := []string{"G1.1", "G1.3", "G2.1", "G2.2", "G3.1", "G3.2"}
	gone := func(node string) mutation {
		return all(drop(match{node: node}), drop(match{edge: node + ">cp"}), drop(match{edge: node + ">store"}),
			dropRequests(func(_ int, n string, _ history.Request) bool { return n == node }))
	}
	unplugged := func(node string) mutation {
		return all(drop(match{kind: history.TrafficBegin, node: node}), dropRequests(func(_ int, n string, _ history.Request) bool { return n == node }))
	}
	refused := edit(match{kind: history.FaultInject, from: 8.9}, func(e *history.Event) { e.Text = "exit" })
	unreached := drop(match{kind: history.EdgeConnect, from: 8.9, to: healAt})
	unheard := edit(match{kind: history.ChangeAcked, from: changedAt}, func(e *history.Event) { e.Kind, e.Error = history.ChangeUnknown, "no answer" })
	for name, c := range map[string]struct {
		do   mutation
		want []string
	}{
		"nothing was planted":          {drop(match{kind: history.Planted}), []string{"G2.4"}},
		"an acknowledgement was lost":  {unheard, []string{"G4.3"}},
		"and the change is in force":   {all(unheard, drop(match{kind: history.ServeChange, node: "dp-2", from: 25})), []string{"G4.3"}},
		"no change was acknowledged":   {drop(match{kind: history.ChangeAcked}), []string{"G4.3", "G4.5", "G10.3"}},
		"nobody read the bucket":       {drop(match{kind: history.StoreObject}), []string{"G3.1"}},
		"nobody was started late":      {all(gone("dp-3"), gone("dp-4"), gone("dp-5")), append(slices.Clone(importers), "G4.1", "G4.2", "G4.6", "G10.3", "G10.5", "G13.1")},
		"no new importer":              {all(gone("dp-3"), gone("dp-5")), append(slices.Clone(importers), "G4.6", "G10.5")},
		"no new data plane without":    {gone("dp-4"), []string{"G13.1"}},
		"no truncation":                {gone("dp-5"), []string{"G2.2", "G3.2"}},
		"no whole snapshot to read":    {gone("dp-3"), []string{"G2.1", "G3.1", "G10.5"}},
		"newcomers met a refusal":      {all(refused, unreached), []string{"G1.1", "G1.3", "G3.2", "G4.1", "G4.2", "G4.6"}},
		"no traffic to who ran before": {all(unplugged("dp-1"), unplugged("dp-2")), []string{"G10.1", "G10.2"}},
		"nobody looked at readiness":   {all(drop(match{kind: history.ReadyChange}), drop(match{kind: history.ReadyCheck})), []string{"G3.1", "G4.3", "G10.3", "G10.4", "G13.1", "G13.2"}},
		"nothing was healed":           {all(drop(match{kind: history.FaultHeal}), drop(match{kind: history.FaultHealed}), until(sec(24.9)), add(func(s *story) { s.event(24.9, history.Event{Kind: history.RunEnd, OK: true}) })), []string{"G4.3", "G10.5", "G10.6"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clauses := statuses(t, c.do)
			got := with(clauses, NotMeasured)
			want := slices.DeleteFunc(slices.Clone(exercised), func(id string) bool { return !slices.Contains(c.want, id) })
			if !slices.Equal(got, want) {
				t.Errorf("not measured %v, want %v\n%s", got, want, explain(clauses))
			}
			if held := with(clauses, Held); len(held)+len(got) != len(exercised) {
				t.Errorf("the rest is not held\n%s", explain(clauses))
			}
		})
	}
}

// TestEarlyEndIsNobodysFault cuts the good run off at every moment, by a kill and
// by an interrupt: a gateway is not to blame for what it had no time to do, and
// nothing can be called held.
func TestEarlyEndIsNobodysFault(t *testing.T) {
	t.Parallel()
	for tenths := 1; tenths < 10*30; tenths += 3 {
		at := float64(tenths) / 10
		for name, m := range map[string]mutation{"killed": until(sec(at)), "interrupted": interrupt(at)} {
			clauses := statuses(t, m)
			if bad := append(with(clauses, Violated), with(clauses, Held)...); len(bad) > 0 {
				t.Fatalf("%s at %.1f s: violated or held %v\n%s", name, at, bad, explain(clauses))
			}
		}
	}
}

// TestAnswerAcrossTheHealing: a request that was due before the healing and was
// answered after it may show either configuration.
func TestAnswerAcrossTheHealing(t *testing.T) {
	t.Parallel()
	across := func(node string) mutation {
		return request(node, healAt-0.1, func(q *history.Request) { q.Done, q.Generation = sec(healAt+0.5), newest })
	}
	for _, node := range []string{"dp-1", "dp-3"} {
		if clauses := statuses(t, across(node)); !slices.Equal(with(clauses, Held), exercised) {
			t.Errorf("%s:\n%s", node, explain(clauses))
		}
	}
}

func TestNoGoodAnswerBeforeTheCut(t *testing.T) {
	t.Parallel()
	clauses := statuses(t, func(rec *history.Recording) {
		for i := range rec.Requests {
			if q := &rec.Requests[i]; q.Done < sec(cutAt+1) {
				lose(history.Timeout)(q)
			}
		}
	})
	if got := clauses["G10.2"]; got.Status != NotMeasured {
		t.Errorf("G10.2 %s (%s): it is not known what the data planes had", got.Status, got.Reason)
	}
	if got := clauses["G10.1"]; got.Status != Invalid {
		t.Errorf("G10.1 %s, want INVALID", got.Status)
	}
}

// TestNobodyDialsBeforeItsStart: a connection that was made before a node's process
// was there is the harness's, whoever it was attributed to.
func TestNobodyDialsBeforeItsStart(t *testing.T) {
	t.Parallel()
	clauses := statuses(t, edit(match{kind: history.EdgeConnect, node: topology.Witness, edge: "dp-5>store"}, func(e *history.Event) { e.Node = "dp-5" }))
	if !slices.Equal(with(clauses, Held), exercised) {
		t.Error(explain(clauses))
	}
}

// TestReadyWithoutAConfiguration: a fresh control plane's empty configuration is
// live as well, and has no route to answer.
func TestReadyWithoutAConfiguration(t *testing.T) {
	t.Parallel()
	clauses := statuses(t, add(func(s *story) {
		s.ready(1.9, "dp-1", 200, "")
		s.event(1.91, history.Event{Kind: history.ReadyCheck, Node: "dp-1", Code: 404})
	}))
	if !slices.Equal(with(clauses, Held), exercised) {
		t.Error(explain(clauses))
	}
}

func TestEnough(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		due, sent int
		want      bool
	}{
		{0, 0, false}, {100, 0, false}, {100, 100, true}, {100, 96, true}, {100, 95, false},
		{100_000, 99_900, true}, {100_000, 99_800, false}, {100, 101, true},
	} {
		if got := enough(c.due, c.sent); got != c.want {
			t.Errorf("enough(%d due, %d sent) = %v", c.due, c.sent, got)
		}
	}
}

func TestStreamWithoutAnInterval(t *testing.T) {
	t.Parallel()
	rec := goodRun()
	for i := range rec.Header.Streams {
		rec.Header.Streams[i].Interval = time.Duration(0)
	}
	result, err := Judge(rec, judged)
	if err != nil {
		t.Fatal(err)
	}
	if len(result.Verdicts) != len(judged) {
		t.Errorf("%d verdicts", len(result.Verdicts))
	}
}
