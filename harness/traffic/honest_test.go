// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package traffic

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"blackout/harness/history"
	"blackout/reports"
)

// These tests measure time, so they run by themselves, and count only if the
// harness could do its part: they consult the same figures that oracles do.

// attempts is how often a measurement is made until the machine leaves it alone.
const attempts = 12

// The limits of a measurement that counts. The lag is a fraction of what would
// show in any figure judged here.
const (
	minSent      = 0.999
	tolerableLag = 20 * time.Millisecond // at the 99th percentile
)

// measured is a measurement that counts.
func measured(t *testing.T, measure func(t *testing.T) *history.Recording) *history.Recording {
	t.Helper()
	for n := range attempts {
		rec := measure(t)
		why := disturbed(rec)
		if why == "" {
			return rec
		}
		t.Logf("attempt %d of %d does not count: %s", n+1, attempts, why)
	}
	t.Fatalf("no measurement counts: the machine was too busy %d times", attempts)
	return nil
}

// disturbed says why a measurement does not count, by the metrics in it; nothing
// if it does.
func disturbed(rec *history.Recording) string {
	var due, sent, saturated float64
	var lag time.Duration
	for _, e := range rec.Events {
		if e.Kind != history.Metric || e.Node == history.Harness {
			continue
		}
		switch e.Text {
		case history.SlotsDue:
			due += e.Value
		case history.SlotsSent:
			sent += e.Value
		case history.SlotsSaturated:
			saturated += e.Value
		case history.LagP99:
			lag = max(lag, time.Duration(e.Value*float64(time.Second)))
		}
	}
	switch {
	case due == 0:
		return "it has no metrics"
	case sent < minSent*due:
		return fmt.Sprintf("%.0f of %.0f requests were sent", sent, due)
	case saturated > 0:
		return fmt.Sprintf("%.0f slots fell due with every worker busy", saturated)
	case lag > tolerableLag:
		return fmt.Sprintf("requests left up to %s late", lag)
	}
	return ""
}

// report is what a report says of a recording's traffic.
func report(rec *history.Recording) reports.Traffic {
	return reports.Build(reports.Input{Recording: rec}).Traffic[0]
}

// within reports whether a duration is within a share of what it should be.
func within(got, want time.Duration, share float64) bool {
	return math.Abs(float64(got-want)) <= share*float64(want)
}

// stalling is a server that answers nothing for a while and then what it owes,
// oldest first and no faster than a busy client can take it. The path says which
// slot a request is of, so that it knows when each was answered.
type stalling struct {
	owes time.Duration // between two answers of what it owes

	mu       sync.Mutex
	stalled  bool
	queue    []chan struct{}
	answered map[int]time.Time // by slot
}

func (s *stalling) serve(conn net.Conn) {
	in := bufio.NewReader(conn)
	for {
		path, err := request(in)
		if err != nil {
			return
		}
		turn := make(chan struct{})
		s.mu.Lock()
		if s.stalled {
			s.queue = append(s.queue, turn)
		} else {
			close(turn)
		}
		s.mu.Unlock()
		<-turn
		answer(conn)
		slot, _ := strconv.Atoi(strings.TrimPrefix(path, "/slot/"))
		s.mu.Lock()
		s.answered[slot] = time.Now()
		s.mu.Unlock()
	}
}

func (s *stalling) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.answered)
}

func (s *stalling) stall() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stalled = true
}

// recover answers what is owed, at its rate however late the machine is.
func (s *stalling) recover() {
	s.mu.Lock()
	queue := s.queue
	s.queue, s.stalled = nil, false
	s.mu.Unlock()
	begun := time.Now()
	for i, turn := range queue {
		<-time.After(time.Until(begun.Add(time.Duration(i+1) * s.owes)))
		close(turn)
	}
}

// The stall that is staged, at 1 000 requests a second.
const (
	stallRate     = 1000
	stallInterval = time.Second / stallRate
	stallFor      = 2 * time.Second
	stallSlots    = 3500
)

// throughStall probes a server that stalls for 2 s and returns the recording
// and, by arithmetic, the latencies of the slots that the schedule had.
func throughStall(t *testing.T, closedLoop bool) (*history.Recording, []time.Duration) {
	t.Helper()
	server := &stalling{owes: stallInterval / 2, answered: make(map[int]time.Time)}
	to := Target{Endpoint: serveRaw(t, server.serve).Endpoint}
	for slot := range 2 * stallSlots {
		to.Paths = append(to.Paths, fmt.Sprintf("/slot/%d", slot))
	}
	s := history.Stream{Name: "stalled", Node: "dp-1", Interval: stallInterval, Timeout: 2 * stallFor}
	rec := newRecording(t, s)
	p, err := Start(t.Context(), rec.Writer, Load{Target: to, Streams: map[uint16]history.Stream{0: s}, ClosedLoop: closedLoop})
	if err != nil {
		t.Fatal(err)
	}
	begin := rec.Wall(p.streams[0].begin)
	await(t, "traffic", func() bool { return server.count() >= stallRate/2 })
	server.stall()
	stalled := time.Now()
	await(t, "the stall", func() bool { return time.Since(stalled) >= stallFor })
	recovered := time.Now()
	server.recover()
	await(t, "all slots", func() bool { return time.Since(begin) >= stallSlots*stallInterval })
	p.Stop()

	server.mu.Lock()
	defer server.mu.Unlock()
	var latencies []time.Duration
	for slot := range p.streams[0].due(history.Time(p.streams[0].stop.Load())) {
		due := begin.Add(time.Duration(slot) * stallInterval)
		at, answered := server.answered[int(slot)]
		if closedLoop || !answered { // what was not asked could have been answered after the stall
			at = due
			if due.After(stalled) && due.Before(recovered) {
				at = recovered
			}
		}
		latencies = append(latencies, at.Sub(due))
	}
	slices.Sort(latencies)
	return rec.load(t), latencies
}

// rank is the nearest-rank percentile of sorted latencies.
func rank(sorted []time.Duration, percent int) time.Duration {
	return sorted[(len(sorted)*percent+99)/100-1]
}

// TestStalledServer: the latencies that are reported are those that arithmetic
// gives for the schedule, though the server stood still for 2 s.
func TestStalledServer(t *testing.T) {
	var want []time.Duration
	rec := measured(t, func(t *testing.T) (rec *history.Recording) {
		rec, want = throughStall(t, false)
		return rec
	})
	reported := report(rec).Latency
	var latencies []time.Duration
	for _, r := range rec.Requests {
		latencies = append(latencies, r.Done.Sub(r.Intended))
	}
	slices.Sort(latencies)
	for _, c := range []struct {
		name      string
		got, want time.Duration
	}{
		{"p50", *reported.P50, rank(want, 50)},
		{"p90", rank(latencies, 90), rank(want, 90)},
		{"p99", *reported.P99, rank(want, 99)},
	} {
		t.Logf("%s: %s reported, %s by arithmetic", c.name, c.got, c.want)
		if !within(c.got, c.want, 0.05) {
			t.Errorf("%s: %s reported, %s by arithmetic", c.name, c.got, c.want)
		}
	}
	if p50 := rank(want, 50); p50 < stallFor/4 {
		t.Errorf("half of the requests were answered within %s: there was no stall", p50)
	}
}

// TestClosedLoopHidesAStall: the known-bad generator reports next to nothing of
// the same stall, and its own metrics show nothing of it. Its requests do: they
// are not where a schedule would have them.
func TestClosedLoopHidesAStall(t *testing.T) {
	rec, want := throughStall(t, true)
	if got := *report(rec).Latency.P99; got > rank(want, 99)/10 {
		t.Errorf("p99: %s reported, %s by arithmetic: this loop is not closed", got, rank(want, 99))
	}
	if sent := len(rec.Requests); sent > len(want)*2/3 {
		t.Errorf("%d requests sent of %d in a schedule: this loop is not closed", sent, len(want))
	}
	begin, off := history.Time(0), 0
	for _, e := range rec.Events {
		if e.Kind == history.TrafficBegin {
			begin = e.At
		}
	}
	for _, r := range rec.Requests {
		if r.Intended.Sub(begin)%stallInterval != 0 {
			off++
		}
		if r.Intended != r.Sent {
			t.Fatalf("request %+v admits that it is late", r)
		}
	}
	if off < len(rec.Requests)*9/10 {
		t.Errorf("%d of %d requests are off the schedule: an oracle could not tell", off, len(rec.Requests))
	}
}

// hole is a server that can be told to accept and read but never to answer.
type hole struct{ black atomic.Bool }

func (h *hole) serve(conn net.Conn) {
	in := bufio.NewReader(conn)
	for {
		if _, err := request(in); err != nil {
			return
		}
		if h.black.Load() {
			_, _ = io.Copy(io.Discard, in)
			return
		}
		answer(conn)
	}
}

// The black hole that is staged: 400 of 900 requests.
const (
	holeInterval = 5 * time.Millisecond
	holeTimeout  = 500 * time.Millisecond
	holeFrom     = time.Second
	holeTo       = 3 * time.Second
	holeEnd      = 4500 * time.Millisecond
)

// throughHole probes a server that is a black hole for a while, and returns the
// true availability: the share of slots that fell due outside of the hole.
func throughHole(t *testing.T, workers int) (rec *history.Recording, truth float64) {
	t.Helper()
	h := new(hole)
	s := history.Stream{Name: "black-holed", Node: "dp-1", Interval: holeInterval, Timeout: holeTimeout, Workers: workers}
	recording := newRecording(t, s)
	p := start(t, recording, serveRaw(t, h.serve), []history.Stream{s})
	begin := recording.Wall(p.streams[0].begin)
	at := func(offset time.Duration) time.Time {
		await(t, "the next phase", func() bool { return time.Since(begin) >= offset })
		return time.Now()
	}
	from := at(holeFrom)
	h.black.Store(true)
	to := at(holeTo)
	h.black.Store(false)
	at(holeEnd)
	p.Stop()
	due := p.streams[0].due(history.Time(p.streams[0].stop.Load()))
	return recording.load(t), 1 - float64(to.Sub(from)/holeInterval)/float64(due)
}

// TestBlackHoledServer: a server that never answers costs what it costs, no less
// because the prober is waiting for it.
func TestBlackHoledServer(t *testing.T) {
	var truth float64
	rec := measured(t, func(t *testing.T) (rec *history.Recording) {
		rec, truth = throughHole(t, 0)
		return rec
	})
	got := *report(rec).Availability
	t.Logf("availability %.2f %% reported, %.2f %% in truth", 100*got, 100*truth)
	if math.Abs(got-truth) > 0.01 {
		t.Errorf("availability %.2f %% reported, %.2f %% in truth", 100*got, 100*truth)
	}
}

// TestTooFewWorkersAreSeen: with fewer workers than requests can be outstanding
// the same black hole looks like a good server, and the metrics say why.
func TestTooFewWorkersAreSeen(t *testing.T) {
	rec, truth := throughHole(t, 16)
	got := *report(rec).Availability
	t.Logf("availability %.2f %% reported, %.2f %% in truth", 100*got, 100*truth)
	if got < truth+0.1 {
		t.Errorf("availability %.2f %% reported, %.2f %% in truth: there were workers enough", 100*got, 100*truth)
	}
	if why := disturbed(rec); !strings.Contains(why, "every worker busy") {
		t.Errorf("the metrics do not show it: %q", why)
	}
}

// TestEveryDroppedAnswerIsCounted: 999 connections are dropped instead of
// answered, and the HTTP client hides all of them by sending again.
func TestEveryDroppedAnswerIsCounted(t *testing.T) {
	const drops = 999
	var dropped, answered atomic.Int64
	to := serveRaw(t, func(conn net.Conn) {
		in := bufio.NewReader(conn)
		for n := 0; ; n++ {
			if _, err := request(in); err != nil {
				return
			}
			if n == 1 && dropped.Load() < drops {
				dropped.Add(1)
				return
			}
			answered.Add(1)
			answer(conn)
		}
	})
	// One worker keeps one connection, so that no request is dropped twice.
	s := history.Stream{Name: "keep-alive", Node: "dp-1", Interval: time.Millisecond, Timeout: patience, Workers: 1}
	rec := newRecording(t, s)
	p := start(t, rec, to, []history.Stream{s})
	await(t, "the last drop", func() bool { return dropped.Load() == drops })
	until := answered.Load() + 10
	await(t, "answers", func() bool { return answered.Load() >= until })
	p.Stop()
	loaded := rec.load(t)
	masked := 0
	for _, r := range loaded.Requests {
		if r.Class != history.Good {
			t.Errorf("request %+v: %s; the client did not hide it", r, r.Class)
		}
		if r.Flags&history.Masked != 0 {
			masked++
		}
	}
	if reported := report(loaded).Masked; masked != drops || reported != drops {
		t.Errorf("%d masked failures recorded and %d reported of %d", masked, reported, drops)
	}
}
