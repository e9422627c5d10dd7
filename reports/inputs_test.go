// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"time"

	"blackout/harness/history"
	"blackout/harness/oracle"
)

// sec is a moment of a run, in seconds.
func sec(s float64) history.Time { return history.Time(s * 1e9) }

// header describes a control plane, two data planes and their streams.
func header(run string) history.Header {
	return history.Header{
		Schema: history.Schema, Run: run, Scenario: "cp-outage-scale-out", Seed: 18446744073709551615, Engine: "local",
		Started: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC),
		Profile: history.Profile{Name: "fast", ReconnectMin: 500 * time.Millisecond, ReconnectMax: time.Second,
			PingInterval: time.Second, Silence: 3 * time.Second, DialTimeout: time.Second, NoConfiguration: time.Second, ExportDelay: time.Second},
		Nodes: []history.Node{
			{Name: "cp", Role: "control_plane", Export: true},
			{Name: "dp-1", Role: "data_plane", Import: true},
			{Name: "dp-2", Role: "data_plane", Import: true},
			{Name: "store", Role: "store"},
		},
		Streams: []history.Stream{
			{Name: "dp-1/fresh", Node: "dp-1", Fresh: true, Interval: 100 * time.Millisecond, Timeout: time.Second},
			{Name: "dp-1/alive", Node: "dp-1", Interval: 100 * time.Millisecond, Timeout: time.Second},
			{Name: "dp-2/alive", Node: "dp-2", Interval: 100 * time.Millisecond, Timeout: time.Second},
		},
	}
}

// probes sends a stream's requests every 100 ms in [from, to), each failing
// with the class that class gives for its time.
func probes(stream uint16, from, to float64, generation uint32, class func(at float64) history.Class) []history.Request {
	var requests []history.Request
	for i := range int((to - from) * 10) {
		at := from + float64(i)/10
		q := history.Request{Intended: sec(at), Sent: sec(at) + 80_000, Stream: stream, Class: class(at), Status: 200, Generation: generation}
		q.Done = q.Sent + history.Time(1_500_000+i%10*100_000)
		if stream == 0 {
			q.Flags |= history.NewConnection
		}
		if q.Class != history.Good {
			q.Status, q.Generation = 0, 0
		}
		requests = append(requests, q)
	}
	return requests
}

func allGood(float64) history.Class { return history.Good }

// outageEvents are those of a run that cuts the control plane off at 5 s,
// starts dp-2 at 8 s and heals at 15 s.
func outageEvents(witnessed bool) []history.Event {
	const edge = "dp-1>cp"
	return []history.Event{
		{At: sec(0.1), Kind: history.PhaseBegin, Text: "bring-up"},
		{At: sec(0.2), Kind: history.NodeStart, Node: "dp-1"},
		{At: sec(0.5), Kind: history.EdgeConnect, Node: "dp-1", Edge: edge},
		{At: sec(0.8), Kind: history.ReadyChange, Node: "dp-1", Code: 503, Text: "no configuration"},
		{At: sec(1.0), Until: sec(1.002), Kind: history.ReadyChange, Node: "dp-1", Code: 200},
		{At: sec(1.1), Until: sec(1.102), Kind: history.ServeChange, Node: "dp-1", Code: 200, Generation: 1},
		{At: sec(2), Kind: history.PhaseBegin, Text: "steady"},
		{At: sec(5), Kind: history.PhaseBegin, Text: "outage"},
		{At: sec(5.0), Kind: history.StepBegin, Step: 3, Text: "inject reset on dp-1>cp", Planned: sec(5.0)},
		{At: sec(5.0), Kind: history.FaultInject, Edge: edge, Text: "reset"},
		{At: sec(5.1), Kind: history.FaultActive, Edge: edge, Text: "reset"},
		{At: sec(5.6), Kind: history.FaultWitness, Edge: edge, Text: "a probe through dp-1>cp fails", OK: witnessed},
		{At: sec(6.4), Kind: history.EdgeConnect, Node: "dp-1", Edge: edge},
		{At: sec(7.2), Kind: history.EdgeConnect, Node: "dp-1", Edge: edge},
		{At: sec(7.3), Kind: history.EdgeBytes, Edge: edge, Offered: 9000}, // none of them through the cut
		{At: sec(8), Kind: history.NodeStart, Node: "dp-2"},
		{At: sec(8.3), Kind: history.EdgeConnect, Node: "dp-2", Edge: "dp-2>store"},
		{At: sec(8.4), Until: sec(8.5), Kind: history.StoreRequest, Node: "dp-2", Text: "GET backup/3.9.0.0/config.json", Code: 200, Bytes: 2048},
		{At: sec(8.6), Kind: history.EdgeBytes, Edge: "dp-2>store", Offered: 2300},
		{At: sec(9), Kind: history.ReadyChange, Node: "dp-2", Code: 200},
		{At: sec(9.1), Kind: history.ServeChange, Node: "dp-2", Code: 200, Generation: 1},
		{At: sec(15), Kind: history.PhaseBegin, Text: "recovery"},
		{At: sec(15), Kind: history.StepBegin, Step: 4, Text: "heal every fault", Planned: sec(14.75)},
		{At: sec(15), Kind: history.FaultHeal, Edge: edge},
		{At: sec(15.05), Kind: history.FaultHealed, Edge: edge},
		{At: sec(15.5), Kind: history.HealWitness, Edge: edge, Text: "a probe through dp-1>cp works again", OK: true},
		{At: sec(17), Kind: history.ServeChange, Node: "dp-1", Code: 200, Generation: 2},
		{At: sec(20), Kind: history.WatchEnd, Node: "dp-1", Looks: 400},
	}
}

func environment() Environment {
	return Environment{
		Blackout: "v0.1.0", GoVersion: "go1.26.0", OS: "linux", Arch: "amd64", Kernel: "6.1.0", Host: "ci-1", CPUs: 2, MemoryBytes: 8 << 30,
		Images:  map[string]string{"gateway": "sha256:aaaa", "toxiproxy": "sha256:bbbb"},
		Repeat:  "bin/blackout run cp-outage-scale-out --seed 18446744073709551615 --engine local",
		Gateway: "reference", Control: "reference",
	}
}

// held is a run in which everything asked for held, with a clause that was not
// exercised.
func held() Input {
	rec := &history.Recording{Header: header("held-1"), Events: outageEvents(true)}
	rec.Requests = append(rec.Requests, probes(0, 2, 20, 1, allGood)...)
	rec.Requests = append(rec.Requests, probes(1, 2, 20, 1, allGood)...)
	rec.Requests = append(rec.Requests, probes(2, 9.2, 20, 1, allGood)...)
	return Input{Recording: rec, Environment: environment(), Result: oracle.Result{
		Validity: []oracle.Check{
			{Name: "requests sent", OK: true, Text: "468 of 468 due were sent, at least 99.9% wanted"},
			{Name: "lag", OK: true, Text: "p99 80 µs, at most 10 ms wanted"},
		},
		Verdicts: []oracle.Verdict{
			{Promise: "G4", Title: "keeps trying the control plane", Status: oracle.Held, Clauses: []oracle.Clause{
				{ID: "G4.1", Title: "keeps dialling while it is gone", Status: oracle.Held, Opportunities: 2, Unit: "connection attempts"},
				{ID: "G4.2", Title: "takes over its configuration on return", Status: oracle.NotMeasured, Reason: "the control plane had nothing newer"},
			}},
			{Promise: "G10", Title: "running data planes keep serving", Status: oracle.Held, Clauses: []oracle.Clause{
				{ID: "G10.1", Title: "no request fails through the outage", Status: oracle.Held, Opportunities: 468, Unit: "requests"},
			}},
		},
	}}
}

// hostile is text as a broken or malicious node may write it.
const hostile = "panic: <script>alert(1)</script> | `rm -rf` \x1b[31m\nline two \u202egnp.exe & \"quoted\""

// violated is a run with a broken promise, a bad measurement, a promise
// measured only in part, an unexplained outage, an environment that failed and
// hostile text.
func violated() Input {
	rec := &history.Recording{Header: header("broken-1"), Events: outageEvents(true)}
	rec.Events = append(rec.Events,
		history.Event{At: sec(16), Kind: history.FaultInject, Edge: "dp-2>store", Text: "no-op"},
		history.Event{At: sec(16.1), Kind: history.FaultActive, Edge: "dp-2>store", Text: "no-op"},
		history.Event{At: sec(16.4), Kind: history.FaultWitness, Edge: "dp-2>store", Text: "a probe through dp-2>store still works"},
		history.Event{At: sec(12), Kind: history.NodeExit, Node: "dp-2", Code: 2},
		history.Event{At: sec(12.5), Kind: history.ReadyChange, Node: "dp-2"},
		history.Event{At: sec(14), Kind: history.WaitTimeout, Node: "dp-2", Text: "ready within 5 s: last seen " + hostile},
		history.Event{At: sec(14.5), Kind: history.StoreRequest, Text: "PUT backup/3.9.0.0/config.json", Code: 403},
		history.Event{At: sec(18), Kind: history.StepEnd, Step: 7, Text: "scale in", Error: "stop dp-2: " + hostile},
		history.Event{At: sec(19), Kind: history.EnvironmentError, Error: "environment failed: the store is gone: " + hostile},
	)
	rec.Requests = append(rec.Requests, probes(0, 2, 20, 1, func(at float64) history.Class {
		switch {
		case at >= 3 && at < 3.45, at >= 3.55 && at < 3.75:
			return history.Refused
		case at >= 6 && at < 7:
			return history.EOF
		}
		return history.Good
	})...)
	rec.Requests = append(rec.Requests, probes(1, 2, 20, 1, allGood)...)
	rec.Requests = append(rec.Requests, probes(2, 9.2, 20, 1, func(at float64) history.Class {
		if at >= 16.5 {
			return history.Timeout
		}
		return history.Good
	})...)
	return Input{Recording: rec, Environment: Environment{Gateway: "build/bad gateway"},
		Exercises: []string{"G10.1", "G13.2", "G13.3"}, Result: violatedResult()}
}

// violatedResult is what oracles say of the violated run.
func violatedResult() oracle.Result {
	return oracle.Result{
		Validity: []oracle.Check{
			{Name: "requests sent", OK: true, Text: "468 of 468 due were sent, at least 99.9% wanted"},
			{Name: "witnesses", Text: "1 of 2 faults was not witnessed"},
		},
		Verdicts: []oracle.Verdict{
			{Promise: "G2", Title: "the store is read once", Status: oracle.Invalid, Clauses: []oracle.Clause{
				{ID: "G2.1", Title: "a failed read is not repeated", Status: oracle.Invalid, Reason: "no-op on dp-2>store was not witnessed"},
			}},
			{Promise: "G10", Title: "running data planes keep serving", Status: oracle.Violated, Clauses: []oracle.Clause{
				{ID: "G10.1", Title: "no request fails through the outage", Status: oracle.Violated, Opportunities: 468, Unit: "requests",
					Reason: "10 of 100 requests to dp-1 failed while the control plane was gone",
					Evidence: []oracle.Evidence{
						{At: sec(6), Node: "dp-1", Text: "dp-1/fresh: eof, " + hostile},
						{At: sec(6.1), Node: "dp-1", Text: "dp-1/fresh: eof"},
					}},
				{ID: "G10.2", Title: "readiness stays 200", Status: oracle.Held, Opportunities: 1, Unit: "data planes"},
			}},
			{Promise: "G13", Title: "what needs the control plane fails visibly", Status: oracle.NotMeasured, Clauses: []oracle.Clause{
				{ID: "G13.1", Title: "a node that can't start says why", Status: oracle.NotMeasured, Reason: "every node started"},
				{ID: "G13.2", Title: "a node that is not ready says why", Status: oracle.NotMeasured, Unit: "answers", Reason: "no answer was seen"},
				{ID: "G13.3", Title: "no node dies", Status: oracle.Held, Opportunities: 1, Unit: "nodes"},
			}},
		},
	}
}
