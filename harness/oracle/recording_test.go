// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"slices"
	"strings"
	"testing"
	"time"

	"blackout/harness/history"
	"blackout/harness/topology"
)

// The synthetic run: what the scenario cp-outage-scale-out records with a
// gateway that keeps every promise. The requests are ten times sparser than a
// real run's, so that it can be judged hundreds of times.
const (
	old, good, newest, planted = 1, 2, 3, 500

	object       = "blackout/backup/3.9.1/config.json"
	interval     = 100 * time.Millisecond
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
		"G1.1", "G1.2", "G1.3", "G2.1", "G2.2", "G2.3", "G2.4", "G3.1", "G3.2", "G4.1", "G4.2", "G4.3",
		"G10.1", "G10.2", "G10.3", "G10.4", "G10.5", "G13.1", "G13.2", "G13.3",
	}
)

func sec(s float64) history.Time { return history.Time(s * 1e9) }

// recorder builds a recording. Every event gets a time of its own, as the
// nanoseconds of a real run give it.
type recorder struct {
	rec  history.Recording
	used map[history.Time]bool
}

func (r *recorder) event(at float64, e history.Event) {
	e.At = sec(at)
	for r.used[e.At] {
		e.At++
	}
	r.used[e.At] = true
	r.rec.Events = append(r.rec.Events, e)
}

// goodRun is the recording of a run in which every exercised clause is held.
func goodRun() *history.Recording {
	r := &recorder{used: make(map[history.Time]bool)}
	r.rec.Header = header()
	r.bringUp()
	for i, node := range []string{"backup", "dp-1", "dp-2"} {
		r.cut(cutAt+0.2*float64(i), node+">cp", "exit")
	}
	r.importer()
	r.bystander()
	r.truncated()
	r.event(plantedAt, history.Event{Kind: history.Planted, Generation: planted, Text: object})
	r.change(changedAt, newest)
	r.recovery()
	r.requests(0, "dp-1", trafficAt)
	r.requests(2, "dp-2", trafficAt)
	r.requests(4, "dp-3", lateTraffic)
	return &r.rec
}

func header() history.Header {
	h := history.Header{Schema: history.Schema, Run: "synthetic", Scenario: "cp-outage-scale-out", Engine: "local", Profile: topology.Profiles["fast"]}
	h.Nodes = []history.Node{{Name: "cp", Role: "control_plane"}, {Name: "backup", Role: "data_plane", Export: true}}
	for _, n := range []string{"dp-1", "dp-2", "dp-3", "dp-4", "dp-5"} {
		h.Nodes = append(h.Nodes, history.Node{Name: n, Role: "data_plane", Import: n != "dp-4"})
	}
	for _, n := range []string{"dp-1", "dp-2", "dp-3"} {
		s := history.Stream{Name: n + " keep-alive", Node: n, Interval: interval, Timeout: 2 * time.Second}
		h.Streams = append(h.Streams, s)
		s.Name, s.Fresh = n+" fresh", true
		h.Streams = append(h.Streams, s)
	}
	return h
}

func (r *recorder) bringUp() {
	r.event(0.1, history.Event{Kind: history.PhaseBegin, Text: "bring-up"})
	r.event(0.1, history.Event{Kind: history.StepBegin, Step: 1, Text: "start"})
	r.event(1.0, history.Event{Kind: history.NodeStart, Node: "cp"})
	r.change(2.0, old)
	for _, n := range []string{"backup", "dp-1", "dp-2"} {
		r.event(1.5, history.Event{Kind: history.NodeStart, Node: n})
		r.event(1.6, history.Event{Kind: history.EdgeConnect, Node: n, Edge: n + ">cp"})
		r.event(1.6, history.Event{Kind: history.EdgeBytes, Node: n, Edge: n + ">cp", Offered: 4000})
		r.ready(1.7, n, 503, "no configuration available")
		r.serves(1.7, n, 404, 0)
		r.live(2.4, n, old)
		r.serves(3.4, n, 200, good)
	}
	r.change(3.0, good)
	r.event(4.0, history.Event{Kind: history.StoreRequest, Node: "backup", Text: "PUT " + object, Code: 200, OK: true})
	r.event(4.4, history.Event{Kind: history.StoreRequest, Node: topology.Witness, Text: "GET " + object, Code: 200, OK: true})
	r.event(4.5, history.Event{Kind: history.StoreObject, Text: object, Generation: good})
	r.event(5.0, history.Event{Kind: history.StepEnd, Step: 1, Text: "start", OK: true})
}

func (r *recorder) change(at float64, generation int) {
	r.event(at, history.Event{Kind: history.ChangeSent, Generation: generation})
	r.event(at+0.1, history.Event{Kind: history.ChangeAcked, Generation: generation})
}

func (r *recorder) ready(at float64, node string, code int, text string) {
	r.event(at, history.Event{Kind: history.ReadyChange, Node: node, Code: code, Text: text, Until: sec(at + 0.002)})
}

func (r *recorder) serves(at float64, node string, code, generation int) {
	r.event(at, history.Event{Kind: history.ServeChange, Node: node, Code: code, Generation: generation, Until: sec(at + 0.004)})
}

// live is a node's becoming ready, seen to serve.
func (r *recorder) live(at float64, node string, generation int) {
	r.ready(at, node, 200, "")
	r.event(at, history.Event{Kind: history.ReadyCheck, Node: node, Code: 200, OK: true, Until: sec(at + 0.004)})
	r.serves(at, node, 200, generation)
}

func (r *recorder) cut(at float64, edge, mode string) {
	r.event(at, history.Event{Kind: history.FaultInject, Edge: edge, Text: mode})
	r.event(at+0.01, history.Event{Kind: history.FaultActive, Edge: edge, Text: mode})
	if mode != "exit" {
		r.event(at+0.02, history.Event{Kind: history.EdgeConnect, Edge: edge, Node: topology.Witness})
	}
	r.event(at+0.05, history.Event{Kind: history.FaultWitness, Edge: edge, Text: "a probe fails", OK: true})
}

// newcomer is the start of a data plane behind a cut, up to its first dials.
func (r *recorder) newcomer(at float64, node string) {
	r.cut(at, node+">cp", "reset")
	r.event(at+0.5, history.Event{Kind: history.NodeStart, Node: node})
	r.ready(at+0.6, node, 0, "")
	r.serves(at+0.6, node, 0, 0)
	r.ready(at+0.65, node, 503, "no configuration available: control plane unreachable")
	r.dials(at+0.7, node)
}

// dials are a newcomer's attempts until the healing, in the profile's distances.
func (r *recorder) dials(from float64, node string) {
	for i, at := 0, from; at < healAt; i++ {
		r.event(at, history.Event{Kind: history.EdgeConnect, Edge: node + ">cp", Node: node})
		at += []float64{0.83, 0.55, 0.97, 0.71, 0.62}[i%5]
	}
}

func (r *recorder) read(at float64, node string, whole bool) {
	r.event(at, history.Event{Kind: history.EdgeConnect, Edge: node + ">store", Node: node})
	r.event(at+0.01, history.Event{Kind: history.StoreRequest, Node: node, Text: "GET " + object, Code: 200, Bytes: 50_000, OK: whole, Until: sec(at + 0.02)})
}

func (r *recorder) importer() {
	r.newcomer(9.0, "dp-3")
	r.read(9.75, "dp-3", true)
	r.live(9.9, "dp-3", good)
}

func (r *recorder) bystander() { r.newcomer(10.0, "dp-4") }

func (r *recorder) truncated() {
	r.cut(10.9, "dp-5>store", "truncate")
	r.newcomer(11.0, "dp-5")
	r.read(11.75, "dp-5", false)
}

// recovery is the healing, the take-over and the end.
func (r *recorder) recovery() {
	edges := []string{"backup>cp", "dp-1>cp", "dp-2>cp", "dp-3>cp", "dp-4>cp", "dp-5>store", "dp-5>cp"}
	for i, edge := range edges {
		at := healAt + 0.01*float64(i)
		r.event(at, history.Event{Kind: history.FaultHeal, Edge: edge})
		r.event(at+0.005, history.Event{Kind: history.FaultHealed, Edge: edge})
		r.event(at+0.2, history.Event{Kind: history.HealWitness, Edge: edge, Text: "a probe works", OK: true})
	}
	for _, n := range []string{"backup", "dp-1", "dp-2", "dp-3"} {
		r.event(25.8, history.Event{Kind: history.EdgeConnect, Node: n, Edge: n + ">cp"})
		r.serves(26.0, n, 200, newest)
	}
	r.live(26.2, "dp-4", newest)
	r.live(26.3, "dp-5", newest)
	r.event(27.5, history.Event{Kind: history.StoreRequest, Node: "backup", Text: "PUT " + object, Code: 200, OK: true})
	r.event(28.0, history.Event{Kind: history.StoreObject, Text: object, Generation: newest})
	for _, n := range []string{"dp-1", "dp-2", "dp-3"} {
		r.event(trafficEndAt, history.Event{Kind: history.TrafficEnd, Node: n})
	}
	r.event(30.1, history.Event{Kind: history.RunEnd, OK: true})
	for _, n := range []string{"backup", "dp-1", "dp-2", "dp-3", "dp-4", "dp-5"} {
		r.event(30.2, history.Event{Kind: history.WatchEnd, Node: n, Looks: 500})
	}
}

// requests are all due requests of a node's two streams, well answered.
func (r *recorder) requests(stream uint16, node string, from float64) {
	r.event(from, history.Event{Kind: history.TrafficBegin, Node: node})
	for at := sec(from); at <= sec(trafficEndAt); at += history.Time(interval) {
		for k := range uint16(2) {
			due := at + history.Time(k)*history.Time(interval)/2
			q := history.Request{Intended: due, Sent: due + 2e5, Done: due + 3e6, Generation: good, Stream: stream + k, Status: 200}
			if due > sec(26.0) {
				q.Generation = newest
			}
			r.rec.Requests = append(r.rec.Requests, q)
		}
	}
}

// mutation changes one thing of a recording.
type mutation func(*history.Recording)

// add records more events of a kind that is not there yet at that time.
func add(build func(*recorder)) mutation {
	return func(rec *history.Recording) {
		r := &recorder{rec: *rec, used: make(map[history.Time]bool)}
		for _, e := range rec.Events {
			r.used[e.At] = true
		}
		build(r)
		*rec = r.rec
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
		before, requests := slices.Clone(rec.Events), slices.Clone(rec.Requests)
		m(rec)
		if slices.Equal(before, rec.Events) && slices.Equal(requests, rec.Requests) {
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
