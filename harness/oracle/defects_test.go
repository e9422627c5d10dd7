// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"blackout/harness/history"
)

// onRequests are the exercised clauses of which something rests on requests.
var onRequests = []string{"G2.4", "G3.1", "G3.6", "G10.1", "G10.2", "G10.5", "G10.6"}

// TestHarnessDefects plants what can be wrong with a harness into the good run's
// recording. What rests on it is INVALID; nothing of it is held.
func TestHarnessDefects(t *testing.T) {
	t.Parallel()
	everything := exercised
	for name, c := range map[string]struct {
		defect  mutation
		invalid []string
		says    string
	}{
		"every cut is a no-op":       {edit(match{kind: history.FaultWitness}, func(e *history.Event) { e.OK = false }), nil, "not witnessed"},
		"every heal is a no-op":      {edit(match{kind: history.HealWitness}, func(e *history.Event) { e.OK = false }), []string{"G4.3", "G10.1", "G10.5"}, "healing"},
		"no traffic":                 {dropRequests(func(int, string, history.Request) bool { return true }), everything, "no request was sent"},
		"closed-loop generator":      {closedLoop, onRequests, "not open-loop"},
		"one that claims to be open": {closedLoopOnGrid, onRequests, "were sent"},
		"too few workers":            {workers(3), onRequests, "workers"},
		"workers that were all busy": {saturated, onRequests, "busy"},
		"clock stepped back 2 s":     {clockStep(15, -2), everything, "clock"},
		"while nobody is looking":    {clockStep(10.05, -2), everything, "clock"},
		"without any sample of it":   {all(drop(match{kind: history.ClockSample}), clockStep(15, -2)), everything, "clock"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clauses := statuses(t, c.defect)
			for _, id := range c.invalid {
				if got := clauses[id]; got.Status != Invalid || !strings.Contains(got.Reason, c.says) {
					t.Errorf("%s is %s (%s), want INVALID for %q", id, got.Status, got.Reason, c.says)
				}
			}
			if violated := with(clauses, Violated); len(violated) > 0 {
				t.Errorf("%v violated: a gateway is not to blame\n%s", violated, explain(clauses))
			}
			if c.invalid == nil {
				for _, id := range with(clauses, Held) {
					if !slices.Contains(restsOnNoFault, id) {
						t.Errorf("%s is held without a fault in force", id)
					}
				}
			}
		})
	}
}

// closedLoop is what a generator records that waits for each answer before it
// sends again, and calls that its intention.
func closedLoop(rec *history.Recording) {
	draw := rand.New(rand.NewPCG(1, 2))
	for i := range rec.Requests {
		r := &rec.Requests[i]
		late := history.Time(draw.Int64N(int64(30 * time.Millisecond)))
		r.Intended, r.Sent, r.Done = r.Intended+late, r.Sent+late, r.Done+late
	}
}

// closedLoopOnGrid skips the slots that it could not send.
func closedLoopOnGrid(rec *history.Recording) {
	dropRequests(func(i int, _ string, _ history.Request) bool { return i%7 == 3 })(rec)
}

func workers(n int) mutation {
	return func(rec *history.Recording) {
		for i := range rec.Header.Streams {
			rec.Header.Streams[i].Workers = n
		}
	}
}

func saturated(rec *history.Recording) {
	add(func(s *story) {
		for i, stream := range rec.Header.Streams {
			s.event(trafficEndAt, history.Event{Kind: history.Metric, Node: stream.Node, Stream: i, Text: "slots_saturated", Value: 12})
		}
	})(rec)
}

// clockStep has the run's clock stepped at a moment: whatever is stamped after it
// has other times, in the order of writing; what a schedule intends does not.
func clockStep(at, by float64) mutation {
	return func(rec *history.Recording) {
		for i := range rec.Events {
			if e := &rec.Events[i]; e.At >= sec(at) && e.Kind != history.TrafficBegin {
				e.At += sec(by)
				if e.Until != 0 {
					e.Until += sec(by)
				}
			}
		}
		for i := range rec.Requests {
			if r := &rec.Requests[i]; r.Sent >= sec(at) {
				r.Sent, r.Done = r.Sent+sec(by), r.Done+sec(by)
			}
		}
	}
}

// TestClock: what is stamped may not go backwards; what was seen by another clock
// may come late; and a wall clock that is set is noted.
func TestClock(t *testing.T) {
	t.Parallel()
	at := func(s float64, kind history.Kind) history.Event { return history.Event{At: sec(s), Kind: kind} }
	sample := func(s, wall float64) history.Event {
		return history.Event{At: sec(s), Kind: history.ClockSample, Wall: int64(sec(1e6 + wall))}
	}
	for name, c := range map[string]struct {
		events []history.Event
		early  int
		wrong  string
		jump   time.Duration
	}{
		"in order":               {events: []history.Event{at(1, history.StepBegin), at(2, history.StepEnd)}},
		"a hair backwards":       {events: []history.Event{at(1.05, history.StepBegin), at(1, history.StepEnd)}},
		"backwards":              {events: []history.Event{at(3, history.StepBegin), at(1, history.StepEnd)}, wrong: "2.00 s from step.begin to step.end"},
		"known late":             {events: []history.Event{at(3, history.StepBegin), at(1, history.EdgeConnect), at(4, history.StepEnd)}},
		"requests before due":    {early: 2, wrong: "2 requests"},
		"the wall clock runs on": {events: []history.Event{sample(1, 1), sample(2, 2.01), sample(3, 3)}},
		"the wall clock is set":  {events: []history.Event{sample(1, 1), sample(2, 62), sample(3, 63)}, jump: time.Minute},
	} {
		var k clock
		for _, e := range c.events {
			k.take(e)
		}
		if got := k.wrong(c.early); (got == "") != (c.wrong == "") || !strings.Contains(got, c.wrong) {
			t.Errorf("%s: %q, want %q", name, got, c.wrong)
		}
		if k.jump != c.jump {
			t.Errorf("%s: the wall clock jumped by %s, want %s", name, k.jump, c.jump)
		}
	}
}

// TestThrottling is no good news where it was not measured.
func TestThrottling(t *testing.T) {
	t.Parallel()
	value := func(s, v float64) history.Event {
		return history.Event{At: sec(s), Kind: history.Metric, Node: "harness", Text: "cpu_throttled_seconds", Value: v}
	}
	unknown := value(1, 0)
	unknown.Error = "no cpu.stat here"
	for name, c := range map[string]struct {
		events         []history.Event
		ok, unmeasured bool
		says           string
	}{
		"never":           {[]history.Event{value(1, 7), value(11, 7)}, true, false, "0.0%"},
		"a little":        {[]history.Event{value(1, 7), value(11, 7.05)}, true, false, "0.5%"},
		"much":            {[]history.Event{value(1, 7), value(11, 8)}, false, false, "10.0%"},
		"nobody looked":   {nil, false, true, "nobody"},
		"looked once":     {[]history.Event{value(1, 7)}, false, true, "nobody"},
		"cannot be known": {[]history.Event{unknown}, false, true, "no cpu.stat here"},
	} {
		v := &view{}
		for _, e := range c.events {
			v.takeMetric(e)
		}
		got := v.notThrottled()
		if got.OK != c.ok || got.Unmeasured != c.unmeasured || !strings.Contains(got.Text, c.says) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// TestP99 of lags, rounded up to a tenth of a millisecond.
func TestP99(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		fast, slow int
		want       time.Duration
	}{
		{100, 0, 300 * time.Microsecond}, {100, 1, 300 * time.Microsecond}, {98, 2, 20100 * time.Microsecond}, {0, 1, 20100 * time.Microsecond},
	} {
		var l lags
		for range c.fast {
			l.add(250 * time.Microsecond)
		}
		for range c.slow {
			l.add(20 * time.Millisecond)
		}
		if got := l.p99(); got != c.want {
			t.Errorf("%d fast, %d slow: p99 %s, want %s", c.fast, c.slow, got, c.want)
		}
	}
}
