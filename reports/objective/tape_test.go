// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package objective

import (
	"slices"
	"time"

	"blackout/harness/history"
	"blackout/harness/oracle"
	"blackout/reports/slo"
)

// tape is a recording that tests change. Moments are seconds.
type tape struct{ rec history.Recording }

func at(seconds float64) history.Time { return history.Time(seconds * 1e9) }

const object = "blackout/backup/3.9.1/config.json"

// outageFrom and outageTo are when the control plane is gone.
const outageFrom, outageTo = 10.0, 20.0

// newTape is a run in which all is well: dp-1 and a backup node run, the control plane
// is gone from 10 to 20 s for all of them, dp-2 is started at 12 s and imports. Changes
// are made at 0.5, 5 and, while it is gone for the others, 15 s.
func newTape() *tape {
	t := &tape{}
	t.rec.Header = history.Header{
		Schema: history.Schema, Run: "tape", Seed: 1, Engine: "local", Storage: "blackout/backup",
		Profile: history.Profile{Name: "fast", ReconnectMin: 500 * time.Millisecond, ReconnectMax: time.Second, PingInterval: time.Second,
			Silence: 3 * time.Second, DialTimeout: time.Second, NoConfiguration: time.Second, ExportDelay: time.Second},
		Nodes: []history.Node{
			{Name: "cp", Role: "control_plane", Version: "3.9.1"}, {Name: "backup", Role: "data_plane", Export: true, Version: "3.9.1"},
			{Name: "dp-1", Role: "data_plane", Import: true, Version: "3.9.1"}, {Name: "dp-2", Role: "data_plane", Import: true, Version: "3.9.1"},
		},
	}
	for _, n := range []string{"cp", "backup", "dp-1"} {
		t.add(0.1, history.Event{Kind: history.NodeStart, Node: n})
	}
	t.change(0.5, 1)
	t.upload(0.6, 1)
	t.live(0.8, "backup", 1)
	t.live(0.9, "dp-1", 1)
	t.change(5, 2)
	t.live(5.5, "backup", 2)
	t.live(5.5, "dp-1", 2)
	t.upload(6.2, 2)
	for i, n := range []string{"backup", "dp-1", "dp-2"} {
		t.cut(i+1, n+">cp", "reset", outageFrom, outageTo)
	}
	t.add(12, history.Event{Kind: history.NodeStart, Node: "dp-2"})
	t.add(12.1, history.Event{Kind: history.ReadyChange, Node: "dp-2", Code: 503, Text: "no configuration", Until: at(12.11)})
	t.add(12.2, history.Event{Kind: history.EdgeConnect, Node: "dp-2", Edge: "dp-2>cp"})
	t.add(12.3, history.Event{Kind: history.EdgeConnect, Node: "dp-2", Edge: "dp-2>store"})
	t.add(12.31, history.Event{Kind: history.StoreRequest, Node: "dp-2", Text: "GET " + object, Code: 200, OK: true, Until: at(12.4)})
	t.live(12.5, "dp-2", 2)
	t.change(15, 3)
	t.live(21, "dp-1", 3)
	t.live(22, "dp-2", 3)
	t.live(21, "backup", 3)
	t.upload(22, 3)
	t.stream("dp-1", 1, 38, func(due float64) uint32 {
		switch {
		case due < 5.5:
			return 1
		case due < 21:
			return 2
		}
		return 3
	})
	t.stream("dp-2", 13, 38, func(due float64) uint32 {
		if due < 22 {
			return 2
		}
		return 3
	})
	t.add(40, history.Event{Kind: history.RunEnd, OK: true})
	return t
}

func (t *tape) add(seconds float64, e history.Event) {
	e.At = at(seconds)
	t.rec.Events = append(t.rec.Events, e)
}

func (t *tape) change(seconds float64, generation int) {
	t.add(seconds-0.1, history.Event{Kind: history.ChangeSent, Generation: generation})
	t.add(seconds, history.Event{Kind: history.ChangeAcked, Generation: generation})
}

// upload tells of a snapshot that the backup node writes within 0.1 s and that a reader
// finds 0.1 s later.
func (t *tape) upload(seconds float64, generation int) {
	t.add(seconds, history.Event{Kind: history.StoreRequest, Node: "backup", Text: "PUT " + object, Code: 200, OK: true, Until: at(seconds + 0.1)})
	t.add(seconds+0.2, history.Event{Kind: history.StoreObject, Node: "store", Text: object, Generation: generation, Digest: "d", Until: at(seconds + 0.21)})
}

func (t *tape) live(seconds float64, node string, generation int) {
	t.add(seconds, history.Event{Kind: history.ReadyChange, Node: node, Code: 200, Until: at(seconds + 0.01)})
	t.add(seconds+0.02, history.Event{Kind: history.ServeChange, Node: node, Code: 200, Generation: generation, Until: at(seconds + 0.03)})
}

func (t *tape) cut(number int, edge, kind string, from, to float64) {
	f := func(seconds float64, e history.Event) {
		e.Fault, e.Edge = number, edge
		t.add(seconds, e)
	}
	f(from, history.Event{Kind: history.FaultInject, Text: kind})
	f(from+0.01, history.Event{Kind: history.FaultActive, Text: kind})
	f(from+0.02, history.Event{Kind: history.FaultWitness, Text: "a probe fails", OK: true})
	f(to, history.Event{Kind: history.FaultHeal})
	f(to+0.01, history.Event{Kind: history.FaultHealed})
	f(to+0.02, history.Event{Kind: history.HealWitness, Text: "a probe works", OK: true})
}

// interval is between the requests of a stream.
const interval = 10 * time.Millisecond

// stream tells of requests that are all answered well.
func (t *tape) stream(node string, from, to float64, generation func(due float64) uint32) {
	index := len(t.rec.Header.Streams)
	t.rec.Header.Streams = append(t.rec.Header.Streams, history.Stream{Name: node, Node: node, Interval: interval, Timeout: time.Second})
	t.add(from, history.Event{Kind: history.TrafficBegin, Node: node, Stream: index})
	t.add(to, history.Event{Kind: history.TrafficEnd, Node: node, Stream: index})
	for due := at(from); due < at(to); due += history.Time(interval) {
		t.rec.Requests = append(t.rec.Requests, history.Request{
			Intended: due, Sent: due + 1e5, Done: due + 2e6 + history.Time(len(t.rec.Requests)%7)*1e5, Status: 200, Generation: generation(due.Seconds()), Stream: uint16(index),
		})
	}
}

// requests changes those to a node that are due in a time.
func (t *tape) requests(node string, from, to float64, change func(*history.Request)) {
	for i := range t.rec.Requests {
		q := &t.rec.Requests[i]
		if t.rec.Header.Streams[q.Stream].Node == node && q.Intended >= at(from) && q.Intended < at(to) {
			change(q)
		}
	}
}

// without takes events out.
func (t *tape) without(lost func(history.Event) bool) {
	t.rec.Events = slices.DeleteFunc(t.rec.Events, lost)
}

// run is the tape as SLIs see it, with the oracles' checks. A tape is nobody's harness:
// what only a harness records passes.
func (t *tape) run() (Run, error) {
	slices.SortStableFunc(t.rec.Events, func(a, b history.Event) int { return int(min(max(a.At-b.At, -1), 1)) })
	result, err := oracle.Judge(&t.rec, []string{"G1"})
	for i, c := range result.Validity {
		if (c.Name == oracle.CheckThrottled || c.Name == oracle.CheckMachine) && c.Unmeasured {
			result.Validity[i].OK, result.Validity[i].Unmeasured = true, false
		}
	}
	return NewRun(&t.rec, result), err
}

// goal is an objective about an SLI.
type goal func(*slo.Objective)

func target(share float64) goal { return func(o *slo.Objective) { o.Target = share } }
func limit(value float64) goal  { return func(o *slo.Objective) { o.Limit = &value } }
func never(limit float64) goal  { return func(o *slo.Objective) { o.Limit, o.Invariant = &limit, true } }
func least(samples int) goal    { return func(o *slo.Objective) { o.MinSamples = samples } }
func in(phase string) goal      { return func(o *slo.Objective) { o.Phase = phase } }
func with(name, parameter string) goal {
	return func(o *slo.Objective) {
		if o.Parameters == nil {
			o.Parameters = make(map[string]string)
		}
		o.Parameters[name] = parameter
	}
}

func about(sli string, goals ...goal) slo.Objective {
	o := slo.Objective{Name: sli, Title: sli, Indicator: sli, Confidence: 0.95}
	for _, g := range goals {
		g(&o)
	}
	return o
}
