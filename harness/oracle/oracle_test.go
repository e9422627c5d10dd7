// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"slices"
	"strings"
	"testing"

	"blackout/harness/history"
)

func TestGoodRunIsHeld(t *testing.T) {
	t.Parallel()
	rec := goodRun()
	result, err := Judge(rec, judged)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range result.Validity {
		if !c.OK {
			t.Errorf("check %q failed: %s", c.Name, c.Text)
		}
	}
	clauses := statuses(t, nil)
	if got := with(clauses, Held); !slices.Equal(got, exercised) {
		t.Errorf("held %v, want every exercised clause\n%s", got, explain(clauses))
	}
	for id, c := range clauses {
		if c.Status == Held && c.Opportunities == 0 {
			t.Errorf("%s is held without an opportunity to fail", id)
		}
		if c.Status != Held && (c.Status != NotMeasured || c.Reason == "") {
			t.Errorf("%s: status %s, reason %q; want NOT MEASURED with a reason", id, c.Status, c.Reason)
		}
	}
	for _, v := range result.Verdicts {
		if v.Status != Held {
			t.Errorf("promise %s: %s", v.Promise, v.Status)
		}
	}
}

// TestNobodyAskedForIt: a counterexample counts against a promise that nobody asked
// for, and the good run has no such verdict.
func TestNobodyAskedForIt(t *testing.T) {
	t.Parallel()
	rec := goodRun()
	if result, err := Judge(rec, []string{"G1"}); err != nil || len(result.Verdicts) != 1 {
		t.Errorf("of G1 in a good run: %+v, %v", result.Verdicts, err)
	}
	request("dp-1", 14, lose(history.Timeout))(rec)
	result, err := Judge(rec, []string{"G1"})
	if err != nil || len(result.Verdicts) != 2 || result.Verdicts[1].Promise != "G10" || result.Verdicts[1].Status != Violated {
		t.Errorf("a request was lost: %+v, %v", result.Verdicts, err)
	}
}

func TestOpportunitiesAreCounted(t *testing.T) {
	t.Parallel()
	clauses := statuses(t, nil)
	for id, want := range map[string]int{
		"G1.1":  2, // dp-3, dp-5
		"G1.2":  2, // dp-1, dp-2
		"G2.1":  1, // dp-3
		"G2.2":  1, // dp-5
		"G4.3":  6,
		"G13.1": 1,
		"G13.3": 7,
	} {
		if got := clauses[id].Opportunities; got != want {
			t.Errorf("%s had %d opportunities, want %d", id, got, want)
		}
	}
	fewer := statuses(t, request("dp-1", 14, func(q *history.Request) { q.Done = sec(7) })) // as if done before the cut
	if got, want := fewer["G10.1"].Opportunities, clauses["G10.1"].Opportunities-1; got != want {
		t.Errorf("G10.1 had %d opportunities after one was taken away, want %d", got, want)
	}
}

// TestOneWrongThing is the proof that each clause can fail: one thing is made
// wrong, and the clauses that it breaks, and no others, are violated.
func TestOneWrongThing(t *testing.T) {
	t.Parallel()
	for name, c := range wrongThings() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clauses := statuses(t, c.do)
			if got := with(clauses, Violated); !slices.Equal(got, c.breaks) {
				t.Fatalf("violated %v, want %v\n%s", got, c.breaks, explain(clauses))
			}
			if invalid := with(clauses, Invalid); len(invalid) > 0 {
				t.Errorf("invalid %v, want none", invalid)
			}
			for _, id := range c.breaks {
				v := clauses[id]
				if v.Reason == "" || len(v.Evidence) == 0 || len(v.Evidence) > MaxEvidence || v.Evidence[0].Text != v.Reason {
					t.Errorf("%s: reason %q, evidence %v; want the first counterexample", id, v.Reason, v.Evidence)
				}
			}
		})
	}
}

type wrong struct {
	do     mutation
	breaks []string
}

func wrongThings() map[string]wrong {
	out := wrongRequests()
	for _, more := range []map[string]wrong{wrongReads(), wrongDials(), wrongAnswers()} {
		for name, c := range more {
			out[name] = c
		}
	}
	return out
}

func wrongRequests() map[string]wrong {
	return map[string]wrong{
		"dp-1 loses a request in the outage":   {request("dp-1", 14, lose(history.Timeout)), []string{"G10.1"}},
		"dp-1 answers 503 in the outage":       {request("dp-1", 14, func(q *history.Request) { q.Class, q.Status, q.Generation = history.WrongStatus, 503, 0 }), []string{"G10.1"}},
		"dp-2 loses a request in the recovery": {request("dp-2", 28, lose(history.Reset)), []string{"G10.1"}},
		"a request in flight at the cut is lost": {request("dp-1", 7.9, func(q *history.Request) {
			lose(history.EOF)(q)
			q.Done = sec(8.25)
		}), []string{"G10.1"}},
		"a failure is masked":                    {request("dp-2", 14, func(q *history.Request) { q.Flags = history.Masked }), []string{"G10.1"}},
		"dp-1 falls back to an old generation":   {request("dp-1", 14, show(old)), []string{"G10.2", "G10.6"}},
		"dp-1 takes the new generation too soon": {request("dp-1", 20, show(newest)), []string{"G10.2", "G10.6"}},
		"dp-3 loses a request in the outage":     {request("dp-3", 14, lose(history.Refused)), []string{"G3.1"}},
		"dp-3 hides a failure in the outage":     {request("dp-3", 14, func(q *history.Request) { q.Flags = history.Masked }), []string{"G3.1"}},
		"dp-3 serves another generation":         {request("dp-3", 14, show(old)), []string{"G3.1"}},
		"dp-3 hangs at the healing": {request("dp-3", 24.5, func(q *history.Request) {
			lose(history.Timeout)(q)
			q.Done = sec(26.5)
		}), []string{"G3.1"}},
		"dp-3 loses a request at the return":     {request("dp-3", 26, lose(history.WrongStatus)), []string{"G10.5"}},
		"dp-1 answers in the planted generation": {request("dp-1", 17, show(planted)), []string{"G2.4"}},
		"dp-3 answers in the planted generation": {request("dp-3", 17, show(planted)), []string{"G2.4"}},
		"dp-5 serves the planted generation after the healing": {add(func(s *story) {
			s.serves(26.35, "dp-5", 200, planted)
			s.serves(26.5, "dp-5", 200, newest)
		}), []string{"G2.4"}},
	}
}

func wrongReads() map[string]wrong {
	return map[string]wrong{
		"dp-3 reads twice":                  {add(func(s *story) { s.reads(9.82, "dp-3") }), []string{"G2.1"}},
		"dp-5 repeats its failed read":      {add(func(s *story) { s.readsInVain(12.5, "dp-5", 200) }), []string{"G2.2"}},
		"dp-1 reads although it was served": {add(func(s *story) { s.reads(1.8, "dp-1") }), []string{"G1.2"}},
		"dp-1 polls in the outage":          {add(func(s *story) { s.reads(15, "dp-1") }), []string{"G2.3"}},
		"dp-3 polls":                        {add(func(s *story) { s.reads(15, "dp-3") }), []string{"G2.1", "G2.3"}},
		"dp-3 only looks whether the object changed": {add(func(s *story) {
			s.event(15, history.Event{Kind: history.StoreRequest, Node: "dp-3", Text: "HEAD " + storyObject, Code: 200})
		}), []string{"G2.1", "G2.3"}},
		"dp-3 dials the store first": {add(func(s *story) {
			s.event(9.55, history.Event{Kind: history.EdgeConnect, Node: "dp-3", Edge: "dp-3>store"})
		}), []string{"G1.1"}},
		"dp-5 does not read": {drop(match{kind: history.StoreRequest, node: "dp-5"}), []string{"G1.3"}},
		"dp-3 does not import": {all(
			drop(match{kind: history.StoreRequest, node: "dp-3"}),
			drop(match{node: "dp-3", from: 9.85, to: 10, kind: history.ServeChange}),
			drop(match{node: "dp-3", from: 9.85, to: 10, kind: history.ReadyChange}),
			dropRequests(func(_ int, node string, _ history.Request) bool { return node == "dp-3" }),
			drop(match{kind: history.TrafficBegin, node: "dp-3"}),
		), []string{"G1.3", "G3.1", "G4.3"}},
	}
}

func wrongDials() map[string]wrong {
	attempts := func(node string) match { return match{kind: history.EdgeConnect, edge: node + ">cp", node: node} }
	evenly := func(node string, from, every float64) mutation {
		return all(drop(attempts(node)), add(func(s *story) {
			for at := from; at < healAt; at += every {
				s.event(at, history.Event{Kind: history.EdgeConnect, Edge: node + ">cp", Node: node})
			}
		}))
	}
	stops := func(node string, after float64) mutation {
		m := attempts(node)
		m.from, m.to = after, healAt
		return drop(m)
	}
	return map[string]wrong{
		"dp-4 gives up after three attempts": {stops("dp-4", 12.7), []string{"G4.1"}},
		"dp-3 stops once it has imported":    {stops("dp-3", 9.85), []string{"G4.1"}},
		"dp-5 stops late":                    {stops("dp-5", 21), []string{"G4.1"}},
		"dp-4 never dials":                   {drop(attempts("dp-4")), []string{"G4.1"}},
		"dp-3 never dials":                   {drop(attempts("dp-3")), []string{"G1.1", "G4.1"}},
		"dp-4 pauses too long":               {drop(match{kind: history.EdgeConnect, node: "dp-4", from: 15, to: 19}), []string{"G4.1"}},
		"dp-4 dials again at once": {add(func(s *story) {
			s.event(10.75, history.Event{Kind: history.EdgeConnect, Edge: "dp-4>cp", Node: "dp-4"})
		}), []string{"G4.2"}},
		"dp-4 dials in a storm":     {evenly("dp-4", 10.7, 0.05), []string{"G4.2"}},
		"dp-3 dials without jitter": {evenly("dp-3", 9.7, 0.75), []string{"G4.2"}},
		"dp-4 dials with a millisecond of noise": {all(evenly("dp-4", 10.7, 0.75), func(rec *history.Recording) {
			i := 0
			edit(attempts("dp-4"), func(e *history.Event) { e.At += sec(0.001) * history.Time(i%2); i++ })(rec)
		}), []string{"G4.2"}},
	}
}

func wrongAnswers() map[string]wrong {
	refuse := func(e *history.Event) { e.OK, e.Code = false, 404 }
	return map[string]wrong{
		"dp-5 says it is ready":      {add(func(s *story) { s.ready(13, "dp-5", 200, "") }), []string{"G3.2"}},
		"dp-5 serves":                {add(func(s *story) { s.serves(13, "dp-5", 200, good) }), []string{"G3.2"}},
		"dp-4 says it is ready":      {add(func(s *story) { s.ready(13, "dp-4", 200, "") }), []string{"G13.1"}},
		"dp-4 serves":                {add(func(s *story) { s.serves(13, "dp-4", 200, good) }), []string{"G13.1"}},
		"dp-1 loses its readiness":   {add(func(s *story) { s.ready(13, "dp-1", 503, "control plane gone"); s.ready(14, "dp-1", 200, "") }), []string{"G10.4"}},
		"the backup loses readiness": {add(func(s *story) { s.ready(13, "backup", 503, "control plane gone") }), []string{"G4.3", "G10.4"}},
		"dp-2's readiness is silent": {add(func(s *story) { s.ready(13, "dp-2", 0, ""); s.ready(14, "dp-2", 200, "") }), []string{"G10.4"}},
		"dp-3 is ready before live":  {edit(match{kind: history.ReadyCheck, node: "dp-3"}, refuse), []string{"G10.3"}},
		"dp-5 is ready before live":  {edit(match{kind: history.ReadyCheck, node: "dp-5"}, refuse), []string{"G10.3"}},
		"dp-1 is ready again before live": {add(func(s *story) {
			s.ready(3.5, "dp-1", 503, "swapping")
			s.ready(3.6, "dp-1", 200, "")
			s.checks(3.61, "dp-1", 404)
		}), []string{"G10.3"}},
		"dp-4 does not say why":     {edit(match{kind: history.ReadyChange, node: "dp-4", to: 11}, func(e *history.Event) { e.Text = "" }), []string{"G13.2"}},
		"dp-2 keeps its generation": {drop(match{kind: history.ServeChange, node: "dp-2", from: 25}), []string{"G4.3"}},
		"the backup keeps its own":  {drop(match{kind: history.ServeChange, node: "backup", from: 25}), []string{"G4.3"}},
		"dp-4 never recovers":       {drop(match{kind: history.ServeChange, node: "dp-4", from: 25}), []string{"G4.3"}},
		"dp-5 never answers":        {drop(match{kind: history.ServeChange, node: "dp-5"}), []string{"G4.3"}},
		"dp-3 goes back in the end": {add(func(s *story) { s.serves(29, "dp-3", 200, good) }), []string{"G4.3"}},
		"dp-1 fails in the end":     {add(func(s *story) { s.serves(29.5, "dp-1", 503, 0) }), []string{"G4.3"}},
		"the control plane dies":    {add(func(s *story) { s.event(30.05, history.Event{Kind: history.NodeExit, Node: "cp", Code: 2}) }), []string{"G13.3"}},
		"a newcomer dies":           {add(func(s *story) { s.event(30.05, history.Event{Kind: history.NodeExit, Node: "dp-5", Code: 1}) }), []string{"G13.3"}},
		"dp-5 says it is ready and is not live": {add(func(s *story) {
			s.ready(13, "dp-5", 200, "")
			s.event(13.01, history.Event{Kind: history.ReadyCheck, Node: "dp-5", Code: 404})
		}), []string{"G3.2"}},
		"dp-3 answers 200 of nothing": {edit(match{kind: history.ServeChange, node: "dp-3", from: 9.85, to: 10}, func(e *history.Event) { e.Generation = 0 }), []string{"G3.1"}},
		"dp-3 serves after the healing only": {all(
			drop(match{node: "dp-3", from: 9.85, to: 10, kind: history.ServeChange}),
			drop(match{node: "dp-3", from: 9.85, to: 10, kind: history.ReadyChange}),
		), []string{"G3.1", "G4.3"}},
	}
}

func TestUnknownPromise(t *testing.T) {
	t.Parallel()
	_, err := Judge(goodRun(), []string{"G1", "G99"})
	if err == nil || !strings.Contains(err.Error(), "G99") || !strings.Contains(err.Error(), "G13") {
		t.Errorf("error %v does not name the unknown promise and the known ones", err)
	}
}

func TestPromiseIsAsBadAsItsWorstClause(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		statuses []Status
		want     Status
	}{
		{nil, NotMeasured},
		{[]Status{NotMeasured, NotMeasured}, NotMeasured},
		{[]Status{NotMeasured, Held}, Held},
		{[]Status{Held, Invalid, Held}, Invalid},
		{[]Status{Violated, Invalid, Held}, Violated},
		{[]Status{Invalid, NotMeasured, Violated}, Violated},
	} {
		got := NotMeasured
		for _, s := range c.statuses {
			got = worse(got, s)
		}
		if got != c.want {
			t.Errorf("%v: %s, want %s", c.statuses, got, c.want)
		}
	}
}
