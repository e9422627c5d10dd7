// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"blackout/harness/history"
	"blackout/harness/topology"
)

// The synthetic run: what the scenario cp-outage-scale-out records with a
// gateway that keeps every promise. The requests are ten times sparser than a
// real run's, so that it can be judged hundreds of times.
const (
	old, good, newest, planted = 1, 2, 3, 500

	trafficAt    = 6.0  // dp-1 and dp-2
	cutAt        = 8.0  // the first
	lateTraffic  = 12.0 // dp-3
	plantedAt    = 16.0
	changedAt    = 19.0
	healAt       = 25.0 // the first
	trafficEndAt = 30.0
)

// judged are the promises of the scenario, exercised the clauses that it has an
// opportunity to break.
var (
	judged    = []string{"G1", "G2", "G3", "G4", "G10", "G13"}
	exercised = []string{
		"G1.1", "G1.2", "G1.3", "G2.1", "G2.2", "G2.3", "G2.4", "G3.1", "G3.2", "G3.6", "G4.1", "G4.2", "G4.3", "G4.5", "G4.6",
		"G10.1", "G10.2", "G10.3", "G10.4", "G10.5", "G10.6", "G13.1", "G13.2", "G13.3",
	}
)

func sec(s float64) history.Time { return moments(s) }

// goodRun is the recording of a run in which every exercised clause is held.
func goodRun() *history.Recording {
	s := tell()
	s.rec.Header.Run, s.rec.Header.Scenario = "synthetic", "cp-outage-scale-out"
	s.plane("backup", exporting)
	for _, n := range []string{"dp-1", "dp-2", "dp-3", "dp-5"} {
		s.plane(n, importing)
	}
	s.plane("dp-4")
	s.bringUp()
	for i, node := range []string{"backup", "dp-1", "dp-2"} {
		s.breaks(cutAt+0.2*float64(i), node+">cp", "exit")
	}
	s.importer()
	s.bystander()
	s.truncated()
	s.plants(plantedAt, planted)
	s.changes(changedAt, newest)
	s.recovery()
	s.goodRequests("dp-1", trafficAt)
	s.goodRequests("dp-2", trafficAt)
	s.goodRequests("dp-3", lateTraffic)
	return s.recording()
}

func (s *story) bringUp() {
	s.event(0.1, history.Event{Kind: history.PhaseBegin, Text: "bring-up"})
	s.event(0.1, history.Event{Kind: history.StepBegin, Step: 1, Text: "start"})
	for at := 0.5; at < trafficEndAt; at++ {
		s.event(at, history.Event{Kind: history.ClockSample, Wall: 1_700_000_000_000_000_000 + int64(moments(at))})
		s.event(at, history.Event{Kind: history.Metric, Node: "harness", Text: "cpu_throttled_seconds", Value: 2})
		s.event(at, history.Event{Kind: history.Metric, Node: "upstream", Text: history.ControlRequests, Value: 10 * at})
	}
	s.starts(1.0, "cp")
	s.changes(2.0, old)
	for _, n := range []string{"backup", "dp-1", "dp-2"} {
		s.starts(1.5, n)
		s.dials(n, n+">cp", 1.6)
		s.event(1.6, history.Event{Kind: history.EdgeBytes, Node: n, Edge: n + ">cp", Offered: 4000})
		s.ready(1.7, n, 503, "no configuration available")
		s.serves(1.7, n, 404, 0)
		s.live(2.4, n, old)
		s.serves(3.4, n, 200, good)
	}
	s.changes(3.0, good)
	s.writes(4.0, "backup")
	s.asks(4.4, topology.Witness, "GET "+storyObject, 200)
	s.holds(4.5, good)
	s.event(5.0, history.Event{Kind: history.StepEnd, Step: 1, Text: "start", OK: true})
}

// breaksSeen is a fault whose witness dialled the edge.
func (s *story) breaksSeen(at float64, edge, kind string) {
	s.breaks(at, edge, kind)
	s.dials(topology.Witness, edge, at+0.02)
}

// newcomer is the start of a data plane behind a cut, up to its first dials.
func (s *story) newcomer(at float64, node string) {
	s.breaksSeen(at, node+">cp", "reset")
	s.starts(at+0.5, node)
	s.ready(at+0.6, node, 0, "")
	s.serves(at+0.6, node, 0, 0)
	s.ready(at+0.65, node, 503, "no configuration available: control plane unreachable")
	s.keepsDialling(node, node+">cp", at+0.7, healAt)
}

func (s *story) importer() {
	s.newcomer(9.0, "dp-3")
	s.reads(9.75, "dp-3")
	s.live(9.9, "dp-3", good)
}

func (s *story) bystander() { s.newcomer(10.0, "dp-4") }

func (s *story) truncated() {
	s.breaksSeen(10.9, "dp-5>store", "truncate")
	s.newcomer(11.0, "dp-5")
	s.readsInVain(11.75, "dp-5", 200)
}

// recovery is the healing, the take-over and the end.
func (s *story) recovery() {
	for i, edge := range []string{"backup>cp", "dp-1>cp", "dp-2>cp", "dp-3>cp", "dp-4>cp", "dp-5>store", "dp-5>cp"} {
		s.heals(healAt+0.01*float64(i), edge)
	}
	for _, n := range []string{"backup", "dp-1", "dp-2", "dp-3"} {
		s.dials(n, n+">cp", 25.8)
		s.serves(26.0, n, 200, newest)
	}
	s.live(26.2, "dp-4", newest)
	s.live(26.3, "dp-5", newest)
	s.writes(27.5, "backup")
	s.holds(28.0, newest)
	s.ends(30.1)
	for _, n := range []string{"backup", "dp-1", "dp-2", "dp-3", "dp-4", "dp-5"} {
		s.event(30.2, history.Event{Kind: history.WatchEnd, Node: n, Looks: 500})
	}
}

// goodRequests are two streams to a node, of which every request that is due was
// well answered.
func (s *story) goodRequests(node string, from float64) {
	for _, late := range []float64{0, 0.05} {
		s.probes(node, from+late, trafficEndAt, good)
	}
	s.answers(node, 26.01, 31, show(newest))
}

// mutation changes one thing of a recording.
type mutation func(*history.Recording)

// add records more events of a kind that is not there yet at that time.
func add(more func(*story)) mutation {
	return func(rec *history.Recording) {
		s := &story{rec: *rec, used: make(map[history.Time]bool), faults: make(map[string]int), rules: make(map[string]string), over: true}
		for _, e := range rec.Events {
			s.used[e.At] = true
			if e.Kind == history.FaultInject {
				s.faults[e.Edge+e.Node], s.last = e.Fault, max(s.last, e.Fault)
			}
		}
		more(s)
		*rec = *s.recording()
	}
}

// match selects events: those with every set field of the pattern, from and to in
// seconds.
type match struct {
	kind     history.Kind
	node     string
	edge     string
	from, to float64 // to 0 is the end
}

func (m match) ok(e history.Event) bool {
	return (m.kind == "" || e.Kind == m.kind) && (m.node == "" || e.Node == m.node) && (m.edge == "" || e.Edge == m.edge) &&
		e.At >= sec(m.from) && (m.to == 0 || e.At < sec(m.to))
}

func drop(m match) mutation {
	return func(rec *history.Recording) { rec.Events = slices.DeleteFunc(rec.Events, m.ok) }
}

func edit(m match, change func(*history.Event)) mutation {
	return func(rec *history.Recording) {
		for i := range rec.Events {
			if m.ok(rec.Events[i]) {
				change(&rec.Events[i])
			}
		}
	}
}

// request changes the first request of a node that is due from a moment on.
func request(node string, at float64, change func(*history.Request)) mutation {
	return func(rec *history.Recording) {
		for i := range rec.Requests {
			q := &rec.Requests[i]
			if rec.Header.Streams[q.Stream].Node == node && q.Intended >= sec(at) {
				change(q)
				return
			}
		}
	}
}

func dropRequests(drop func(i int, node string, q history.Request) bool) mutation {
	return func(rec *history.Recording) {
		kept := rec.Requests[:0]
		for i, q := range rec.Requests {
			if !drop(i, rec.Header.Streams[q.Stream].Node, q) {
				kept = append(kept, q)
			}
		}
		rec.Requests = kept
	}
}

// until cuts a recording off, as if the harness had been killed.
func until(at history.Time) mutation {
	return func(rec *history.Recording) {
		rec.Events = slices.DeleteFunc(rec.Events, func(e history.Event) bool { return max(e.At, e.Until) > at })
		rec.Requests = slices.DeleteFunc(rec.Requests, func(q history.Request) bool { return q.Done > at })
	}
}

func all(ms ...mutation) mutation {
	return func(rec *history.Recording) {
		for _, m := range ms {
			m(rec)
		}
	}
}

// statuses judges the good run after a mutation and returns the clauses by id.
func statuses(t *testing.T, m mutation) map[string]Clause {
	t.Helper()
	rec := goodRun()
	if m != nil {
		m(rec)
		if reflect.DeepEqual(rec, goodRun()) {
			t.Fatal("the mutation changes nothing")
		}
	}
	result, err := Judge(rec, judged)
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[string]Clause)
	for _, v := range result.Verdicts {
		for _, c := range v.Clauses {
			out[c.ID] = c
		}
	}
	return out
}

// with returns the ids of the clauses with a status, in the contract's order.
func with(clauses map[string]Clause, status Status) []string {
	var ids []string
	for _, id := range exercised {
		if clauses[id].Status == status {
			ids = append(ids, id)
		}
	}
	return ids
}

// explain lists the reasons of clauses that are not held, for failing tests.
func explain(clauses map[string]Clause) string {
	var lines []string
	for _, id := range exercised {
		if c := clauses[id]; c.Status != Held {
			lines = append(lines, id+" "+string(c.Status)+": "+c.Reason)
		}
	}
	return strings.Join(lines, "\n")
}
