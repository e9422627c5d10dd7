// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"strings"
	"testing"
	"time"

	"blackout/harness/history"
	"blackout/harness/oracle"
)

// model builds the model of events alone.
func model(events ...history.Event) Model {
	return Build(Input{Recording: &history.Recording{Header: header("test"), Events: events}})
}

func TestFaults(t *testing.T) {
	t.Parallel()
	const edge = "dp-1>cp"
	event := func(at float64, kind history.Kind, text string, ok bool) history.Event {
		return history.Event{At: sec(at), Kind: kind, Edge: edge, Text: text, OK: ok}
	}
	inject, active := event(1, history.FaultInject, "exit", false), event(2, history.FaultActive, "exit", false)
	good, bad := event(3, history.FaultWitness, "cut", true), event(4, history.FaultWitness, "works", false)
	heal, healed := event(5, history.FaultHeal, "", false), event(6, history.FaultHealed, "", false)
	other := history.Event{At: sec(3), Kind: history.FaultWitness, Edge: "dp-2>cp", Text: "cut", OK: true}
	last := history.Event{At: sec(9), Kind: history.PhaseBegin}
	for _, c := range []struct {
		name      string
		events    []history.Event
		active    bool
		witnessed bool
		end       Interval // zero: not healed
	}{
		{"whole", []history.Event{inject, active, good, heal, healed}, true, true, Interval{sec(5), sec(6)}},
		{"never healed", []history.Event{inject, active, good}, true, true, Interval{}},
		{"healing never returned", []history.Event{inject, active, good, heal}, true, true, Interval{sec(5), sec(9)}},
		{"never active", []history.Event{inject}, false, false, Interval{}},
		{"nobody looked", []history.Event{inject, active, heal, healed}, true, false, Interval{sec(5), sec(6)}},
		{"a witness saw the contrary", []history.Event{inject, active, good, bad}, true, false, Interval{}},
		{"and outweighs a later one", []history.Event{inject, active, bad, event(4.5, history.FaultWitness, "cut", true)}, true, false, Interval{}},
		{"another edge's witness", []history.Event{inject, active, other}, true, false, Interval{}},
	} {
		faults := model(append(c.events, last)...).Faults
		if len(faults) != 1 {
			t.Fatalf("%s: %d faults", c.name, len(faults))
		}
		f := faults[0]
		var end Interval
		if f.End != nil {
			end = *f.End
		}
		if f.Active != c.active || f.Witnessed != c.witnessed || end != c.end || f.Start.From != sec(1) {
			t.Errorf("%s: %+v, end %v", c.name, f, end)
		}
	}
}

// TestNumberedFaults: several faults of one target, one after another and at once,
// and faults of nodes.
func TestNumberedFaults(t *testing.T) {
	t.Parallel()
	at := func(s float64, kind history.Kind, number int, edge, node, mode string) history.Event {
		return history.Event{At: sec(s), Kind: kind, Fault: number, Edge: edge, Node: node, Text: mode, OK: true}
	}
	faults := Build(Input{Recording: &history.Recording{Header: header("test"), Events: []history.Event{
		at(1, history.FaultInject, 1, "dp-1>cp", "", "exit"),
		at(2, history.FaultInject, 2, "dp-1>cp", "", "latency"),
		at(3, history.FaultWitness, 2, "dp-1>cp", "", "late"),
		at(4, history.FaultHeal, 1, "dp-1>cp", "", ""),
		at(4.5, history.FaultHealed, 1, "dp-1>cp", "", ""),
		at(5, history.FaultInject, 3, "", "dp-1", "pause"),
		at(6, history.FaultHeal, 3, "", "dp-1", ""),
		at(6.5, history.FaultHealed, 3, "", "dp-1", ""),
		at(7, history.HealWitness, 3, "", "dp-1", "runs"),
		at(9, history.RunEnd, 0, "", "", ""),
	}}}).Faults
	if len(faults) != 3 {
		t.Fatalf("%d faults: %+v", len(faults), faults)
	}
	exit, latency, pause := faults[0], faults[1], faults[2]
	if exit.Witnessed || exit.End == nil || exit.End.To != sec(4.5) {
		t.Errorf("exit: %+v", exit)
	}
	if !latency.Witnessed || latency.End != nil {
		t.Errorf("latency: %+v", latency)
	}
	if pause.Target() != "dp-1" || pause.HealWitness != "runs" || pause.End == nil || pause.End.From != sec(6) {
		t.Errorf("pause: %+v", pause)
	}
}

func TestStarts(t *testing.T) {
	t.Parallel()
	in := Input{Recording: &history.Recording{Header: header("test"), Events: []history.Event{
		{At: sec(0.5), Kind: history.NodeStart, Node: "cp"},
		{At: sec(1), Kind: history.NodeStart, Node: "dp-2"},
		{At: sec(1.2), Kind: history.EdgeConnect, Node: "dp-2", Edge: "dp-2>store"},
		{At: sec(1.3), Until: sec(1.35), Kind: history.StoreRequest, Node: "dp-2", Text: "HEAD backup/3.9.0.0/config.json", Code: 200},
		{At: sec(1.4), Kind: history.EdgeConnect, Node: "dp-2", Edge: "dp-2>cp"},
		{At: sec(2), Until: sec(2.5), Kind: history.ReadyChange, Node: "dp-2", Code: 200},
		{At: sec(2.1), Kind: history.ServeChange, Node: "dp-2", Code: 200}, // 200 of no generation is not a good answer
		{At: sec(5), Kind: history.NodeStart, Node: "dp-2"},
		{At: sec(5.1), Kind: history.StoreRequest, Node: "dp-2", Text: "PUT backup/3.9.0.0/election/dp-2", Code: 403},
		{At: sec(5.5), Until: sec(5.8), Kind: history.StoreRequest, Node: "dp-2", Text: "GET backup/3.9.0.0/config.json", Code: 200},
		{At: sec(8), Until: sec(8.2), Kind: history.ServeChange, Node: "dp-2", Code: 200, Generation: 7},
	}}}
	in.Recording.Requests = probes(2, 2, 6, 4, func(at float64) history.Class {
		if at < 3 || at >= 4 {
			return history.Refused
		}
		return history.Good
	})
	starts := Build(in).Starts
	if len(starts) != 2 {
		t.Fatalf("%d starts, want those of dp-2: %+v", len(starts), starts)
	}
	first, second := starts[0], starts[1]
	for _, c := range []struct {
		name string
		got  *time.Duration
		want string
	}{
		{"first dial", first.Dial, "400.0 ms"}, {"first store read, of which there was only a HEAD", first.StoreRead, notMeasured},
		{"its end", first.StoreDone, notMeasured}, {"first ready", first.Ready, "1.500 s"},
		{"first good answer, of a probe", first.FirstGood, "2.002 s"},
		{"second store read, after a PUT", second.StoreRead, "500.0 ms"}, {"and its end", second.StoreDone, "800.0 ms"},
		{"second dial", second.Dial, notMeasured}, {"second ready", second.Ready, notMeasured},
		{"second good answer, of the watcher", second.FirstGood, "3.200 s"},
	} {
		if got := span(c.got); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	if number(first.Generation) != "4" || number(second.Generation) != "7" {
		t.Errorf("generations %s and %s, want 4 and 7", number(first.Generation), number(second.Generation))
	}
}

func TestConnections(t *testing.T) {
	t.Parallel()
	connect := func(edge string, at float64) history.Event {
		return history.Event{At: sec(at), Kind: history.EdgeConnect, Edge: edge}
	}
	cut := func(edge, mode string) []history.Event {
		return []history.Event{{At: sec(2), Kind: history.FaultInject, Edge: edge, Text: mode}, {At: sec(2.1), Kind: history.FaultActive, Edge: edge, Text: mode},
			{At: sec(6), Kind: history.FaultHeal, Edge: edge}, {At: sec(6.1), Kind: history.FaultHealed, Edge: edge}}
	}
	for _, c := range []struct {
		name                      string
		events                    []history.Event
		attempts, faulted, median string
	}{
		{"no meter", cut("e", "reset"), notMeasured, notMeasured, notMeasured},
		{"a meter that saw none", append(cut("e", "reset"), history.Event{Kind: history.EdgeBytes, Edge: "e"}), "0", "0", notMeasured},
		{"attempts under a fault", append(cut("e", "reset"), connect("e", 1), connect("e", 3), connect("e", 4), connect("e", 7)), "4", "2", "2.000 s"},
		{"within the calls is on neither side", append(cut("e", "reset"), connect("e", 2.05), connect("e", 6.05)), "2", "0", "4.000 s"},
		{"a disabled proxy sees none", append(cut("e", "exit"), connect("e", 1), connect("e", 7)), "2", notMeasured, "6.000 s"},
		{"no fault", []history.Event{connect("e", 1)}, "1", notMeasured, notMeasured},
	} {
		rows := model(c.events...).Connections
		if len(rows) != 1 {
			t.Fatalf("%s: %d edges", c.name, len(rows))
		}
		if r := rows[0]; number(r.Attempts) != c.attempts || number(r.Faulted) != c.faulted || span(r.MedianGap) != c.median {
			t.Errorf("%s: attempts %s, under a fault %s, median gap %s", c.name, number(r.Attempts), number(r.Faulted), span(r.MedianGap))
		}
	}
}

// TestBeliedFaults: a fault that the recording contradicts was not witnessed, and
// its row says both what its witness saw and what shows the contrary.
func TestBeliedFaults(t *testing.T) {
	t.Parallel()
	var events []history.Event
	for i := range 2 { // the same edge, one fault after the other
		from := float64(10 * i)
		events = append(events,
			history.Event{At: sec(from + 1), Kind: history.FaultInject, Edge: "e", Text: "exit"},
			history.Event{At: sec(from + 2), Kind: history.FaultWitness, Edge: "e", Text: "refused", OK: true},
			history.Event{At: sec(from + 3), Kind: history.FaultHeal, Edge: "e"})
	}
	m := Build(Input{Recording: &history.Recording{Events: events}, Result: oracle.Result{
		Belied: []oracle.Belied{{Edge: "e", Inject: sec(11), Text: "dp-1 reached the edge at 12.00 s"}},
	}})
	if f := m.Faults[0]; !f.Witnessed || f.Witness != "refused" {
		t.Errorf("the first: %+v", f)
	}
	if f := m.Faults[1]; f.Witnessed || f.Witness != "refused; but dp-1 reached the edge at 12.00 s" {
		t.Errorf("the second: %+v", f)
	}
}

// TestBytesPassed: a count behind a fault is a measurement only where a meter
// stood there.
func TestBytesPassed(t *testing.T) {
	t.Parallel()
	cut := func(edge, mode string, witnessed bool) []history.Event {
		return []history.Event{{At: sec(1), Kind: history.FaultInject, Edge: edge, Text: mode}, {At: sec(2), Kind: history.FaultActive, Edge: edge, Text: mode},
			{At: sec(3), Kind: history.FaultWitness, Edge: edge, Text: "seen", OK: witnessed}}
	}
	for _, c := range []struct {
		name   string
		fault  []history.Event
		passed int64
		want   string
	}{
		{"no fault", nil, 0, notMeasured},
		{"a disabled proxy", cut("e", "exit", true), 0, notMeasured},
		{"a no-op", cut("e", "no-op", false), 0, notMeasured},
		{"a reset that lets nothing pass", cut("e", "reset", true), 0, "0"},
		{"a truncation", cut("e", "truncate", true), 4096, "4096"},
		{"a blackhole", cut("e", "blackhole", true), 0, "0"},
		{"a half-open edge has no second meter", cut("e", "half-open", true), 0, notMeasured},
		{"a reset that nobody saw in force", cut("e", "reset", false), 0, notMeasured},
		{"a reset that leaks", cut("e", "reset", false), 7, "7"},
		{"a call that never returned", cut("e", "reset", true)[:1], 0, notMeasured},
		{"another edge's reset", cut("other", "reset", true), 0, notMeasured},
	} {
		events := append(c.fault, history.Event{At: sec(4), Kind: history.EdgeBytes, Edge: "e", Offered: 9000, Passed: c.passed})
		row := model(events...).Connections[0]
		if row.Edge != "e" || number(row.Offered) != "9000" || number(row.Passed) != c.want {
			t.Errorf("%s: %s offered %s, passed %s, want e, 9000 and %s", c.name, row.Edge, number(row.Offered), number(row.Passed), c.want)
		}
	}
}

// TestErrorsHaveOwners: an error of the environment is not the harness's.
func TestErrorsHaveOwners(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind        history.Kind
		owner, foul string
	}{
		{history.HarnessError, "harness error", "environment error"},
		{history.EnvironmentError, "environment error", "harness error"},
	} {
		m := model(history.Event{At: sec(1), Kind: c.kind, Error: "no space left."})
		if len(m.Incidents) != 1 || m.Incidents[0].Kind != c.owner || m.Incidents[0].Text != "no space left." {
			t.Errorf("%s: incidents %+v", c.kind, m.Incidents)
		}
		if want := " 1 " + c.owner + " was recorded: no space left."; !strings.HasSuffix(m.Outcome.Sentence, want) {
			t.Errorf("%s: outcome %q, want it to end with %q", c.kind, m.Outcome.Sentence, want)
		}
		for name, render := range renderers {
			if name == "junit" {
				continue // it has clauses only
			}
			content, err := render(m)
			if err != nil {
				t.Fatal(err)
			}
			if text := string(content); !strings.Contains(text, c.owner) || strings.Contains(text, c.foul) {
				t.Errorf("%s: %s does not call it a %s, or calls it a %s", c.kind, name, c.owner, c.foul)
			}
		}
	}
	two := model(history.Event{At: sec(1), Kind: history.HarnessError, Error: "a"}, history.Event{At: sec(2), Kind: history.HarnessError, Error: "b"})
	if want := " 2 harness errors were recorded, first: a."; !strings.HasSuffix(two.Outcome.Sentence, want) {
		t.Errorf("outcome %q, want it to end with %q", two.Outcome.Sentence, want)
	}
}

func TestTraffic(t *testing.T) {
	t.Parallel()
	rec := &history.Recording{Header: header("test")}
	for i := range 99 {
		at := sec(float64(i))
		rec.Requests = append(rec.Requests, history.Request{Intended: at, Sent: at + 1e6, Done: at + 3e6, Flags: history.Masked})
	}
	rec.Requests = append(rec.Requests,
		history.Request{Intended: sec(99), Sent: sec(100), Done: sec(100.5), Stream: 1, Flags: history.NewConnection},
		history.Request{Intended: sec(100), Sent: sec(100), Done: sec(101), Class: history.Timeout},
		history.Request{Stream: 9, Done: sec(1)})
	m := Build(Input{Recording: rec})
	got := m.Traffic[0]
	if got.Node != "dp-1" || got.Streams != 2 || got.Requests != 101 || got.Good != 100 || got.Masked != 99 || got.NewConnections != 1 || got.Failures["timeout"] != 1 {
		t.Errorf("counted %+v", got)
	}
	if l := got.Latency.String(); l != "3.0 ms / 3.0 ms / 1.500 s" {
		t.Errorf("latency from the intended time: %s", l)
	}
	if s := got.Service.String(); s != "2.0 ms / 2.0 ms / 500.0 ms" {
		t.Errorf("service from the time of sending: %s", s)
	}
	if idle := m.Traffic[1]; idle.Availability != nil || idle.LowerBound != nil || idle.Latency.P50 != nil || idle.LagP99 != nil {
		t.Errorf("a node without requests has figures: %+v", idle)
	}
	if len(m.Incidents) != 1 || m.Incidents[0].Kind != "recording" {
		t.Errorf("a request of no stream went unnoticed: %+v", m.Incidents)
	}
	total := 0
	for _, b := range m.Timeline {
		total += b.Requests
	}
	if total != 101 {
		t.Errorf("the timeline holds %d requests, want 101", total)
	}
}

// TestP99NeedsAHundred: below, it would be the maximum under another name.
func TestP99NeedsAHundred(t *testing.T) {
	t.Parallel()
	samples := make([]time.Duration, 99)
	if p99(samples) != nil {
		t.Error("99 samples have a p99")
	}
	if p99(append(samples, time.Second)) == nil {
		t.Error("100 samples have none")
	}
}

func TestSpansEndWithTheWatch(t *testing.T) {
	t.Parallel()
	m := model(
		history.Event{At: sec(1), Kind: history.ReadyChange, Node: "dp-1", Code: 503},
		history.Event{At: sec(2), Kind: history.ReadyChange, Node: "dp-1", Code: 200},
		history.Event{At: sec(4), Kind: history.WatchEnd, Node: "dp-1"},
		history.Event{At: sec(9), Kind: history.PhaseBegin})
	if len(m.Nodes) != 1 || len(m.Nodes[0].Ready) != 2 {
		t.Fatalf("nodes %+v", m.Nodes)
	}
	if r := m.Nodes[0].Ready; r[0].To != sec(2) || r[1].To != sec(4) {
		t.Errorf("spans %+v", r)
	}
}
