// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"blackout/harness/history"
	"blackout/harness/topology"
	"blackout/internal/meter"
	"blackout/internal/programtest"
)

// polled lets a poller run while f does something, and returns what it recorded.
func (b *bench) polled(f func()) []history.Event {
	b.t.Helper()
	ctx, stop := context.WithCancel(b.t.Context())
	var polling sync.WaitGroup
	polling.Go(func() { b.links.Poll(ctx) })
	f()
	stop()
	polling.Wait()
	if err := b.rec.Close(); err != nil {
		b.t.Fatal(err)
	}
	rec, err := history.Load(b.dir)
	if err != nil {
		b.t.Fatal(err)
	}
	return rec.Events
}

// awaitAttempts waits until the poller has counted n attempts of the edge's node.
func (b *bench) awaitAttempts(n int) {
	b.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(patience)
	for b.links.Attempts(b.edge) < n {
		select {
		case <-tick.C:
		case <-limit:
			b.t.Fatalf("%d attempts counted, want %d", b.links.Attempts(b.edge), n)
		}
	}
}

// TestAttemptsAreTheNodesOwn: those of the harness's probes count for the witness.
func TestAttemptsAreTheNodesOwn(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	f := b.fault(Reset, 0)
	const own = 4
	var from, to history.Time
	events := b.polled(func() {
		b.inject(f)
		if _, err := b.witness(f, patience); err != nil {
			t.Fatal(err)
		}
		// The node dials once the harness's probes are long enough ago, also by
		// a clock that is not well known yet.
		quiet := time.NewTimer(2 * pollInterval)
		<-quiet.C
		from = b.rec.Now()
		for range own {
			if _, err := get(t.Context(), b.at); err == nil {
				t.Error("a page came through the cut edge")
			}
		}
		to = b.rec.Now()
		b.awaitAttempts(own)
	})
	authors := make(map[string]int)
	for _, e := range events {
		if e.Kind != history.EdgeConnect || e.Edge != b.edge.String() {
			continue
		}
		authors[e.Node]++
		if e.Node == b.edge.From && (e.At < from-history.Time(pollInterval) || e.At > to+history.Time(pollInterval)) {
			t.Errorf("an attempt is recorded at %d, but they were made from %d to %d", e.At, from, to)
		}
	}
	if authors[b.edge.From] != own || authors[topology.Witness] < 2 || len(authors) != 2 {
		t.Errorf("attempts by %v, want %d of %s and the rest of the witness", authors, own, b.edge.From)
	}
	if n := b.links.Attempts(b.edge); n != own {
		t.Errorf("%d attempts counted, want %d", n, own)
	}
}

// TestHeldConnectionsAreTheHarnesss, as are those of probes side by side; what the
// node dials meanwhile is not.
func TestHeldConnectionsAreTheHarnesss(t *testing.T) {
	t.Parallel()
	for _, spec := range []Spec{{Kind: HalfOpen}, {Kind: Jitter, Delay: 50 * time.Millisecond, Jitter: 50 * time.Millisecond}} {
		t.Run(string(spec.Kind), func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			spec.Edge = b.edge
			f := b.stage(spec)
			b.polled(func() {
				b.inject(f)
				if _, err := b.witness(f, patience); err != nil {
					t.Fatal(err)
				}
				if held, ok := f.means.(*halfOpen); ok { // asks on, without a new connection
					if how, err := held.ask(t.Context()); err != nil || how != probeUnanswered {
						t.Errorf("the held connection %s, error %v", how, err)
					}
				}
				quiet := time.NewTimer(2 * pollInterval) // see TestAttemptsAreTheNodesOwn
				<-quiet.C
				if n := b.links.Attempts(b.edge); n != 0 {
					t.Errorf("%d attempts counted of a node that made none", n)
				}
				b.works()
				b.awaitAttempts(1)
			})
		})
	}
}

// TestBytesAreRecordedAtChanges only, and cumulative.
func TestBytesAreRecordedAtChanges(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	events := b.polled(func() {
		b.works()
		b.awaitAttempts(1)
		b.works()
		b.awaitAttempts(2)
	})
	var last history.Event
	for _, e := range events {
		if e.Kind == history.HarnessError {
			t.Errorf("harness error: %s", e.Error)
		}
		if e.Kind != history.EdgeBytes || e.Edge != b.edge.String() {
			continue
		}
		if e.Offered <= last.Offered || e.Passed != 0 {
			t.Errorf("bytes %+v after %+v", e, last)
		}
		last = e
	}
	if last.Offered < pageSize {
		t.Errorf("%d bytes recorded of a page of %d", last.Offered, pageSize)
	}
}

// TestMeterThatDoesNotAnswer is the harness's failure, and is recorded as one.
func TestMeterThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]http.HandlerFunc{
		"an error": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
		"not JSON": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			asked := make(chan struct{}, 1)
			api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				answer(w, r)
				select {
				case asked <- struct{}{}:
				default:
				}
			}))
			defer api.Close()
			b.links.server.address = api.Listener.Addr().String()
			if _, err := b.links.Read(t.Context(), b.edge); err == nil || !strings.Contains(err.Error(), "read meters") {
				t.Errorf("error %v", err)
			}
			<-asked
			events := b.polled(func() {
				<-asked
				<-asked // the first answer has been dealt with
			})
			if len(events) == 0 || events[0].Kind != history.HarnessError || events[0].Node != topology.Toxiproxy {
				t.Errorf("events %+v, want a harness error of Toxiproxy", events)
			}
		})
	}
}

// TestForgottenAttemptsAreAnError: the meter remembers only so many times.
func TestForgottenAttemptsAreAnError(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	p := poller{links: b.links, bytes: make(map[topology.Edge]Reading)}
	id := meterID(b.edge, offered, "upstream")
	p.record(b.edge, meter.Snapshot{Meters: map[string]meter.Reading{id: {Connections: 2, Opened: []int64{1, 2}}}})
	p.record(b.edge, meter.Snapshot{Meters: map[string]meter.Reading{id: {Connections: 5, Opened: []int64{5}}}})
	errs := 0
	for _, e := range b.polled(func() {}) {
		if e.Kind == history.HarnessError {
			errs++
		}
	}
	if errs != 1 {
		t.Errorf("%d harness errors, want one for the two attempts without a time", errs)
	}
}

// TestClockMapping: what a slow poll says of the meters' clock must not move the
// attempts of one node before those of another.
func TestClockMapping(t *testing.T) {
	t.Parallel()
	const ms = history.Time(time.Millisecond)
	var c clock
	for _, step := range []struct {
		name           string
		sent, received history.Time
		now            int64 // of the meters
		zero, margin   history.Time
	}{
		{"the first poll: the middle of the call", 100 * ms, 104 * ms, int64(1102 * ms), -1000 * ms, 2 * ms},
		{"a slow answer moves nothing", 200 * ms, 290 * ms, int64(1202 * ms), -1000 * ms, 2 * ms},
		{"nor does a slow call", 300 * ms, 390 * ms, int64(1388 * ms), -1000 * ms, 2 * ms},
		{"a quick poll narrows it down", 400 * ms, 402 * ms, int64(1400 * ms), -999 * ms, ms},
		{"clocks that drifted are mapped anew", 500 * ms, 502 * ms, int64(1511 * ms), -1010 * ms, ms},
	} {
		c.adjust(step.sent, step.received, step.now)
		if zero, margin := c.onRun(0), c.margin(); zero != step.zero || margin != step.margin {
			t.Errorf("%s: the meters' zero is at %d ± %d, want %d ± %d", step.name, zero, margin, step.zero, step.margin)
		}
	}
}

// TestAttribution: of the attempts during a probe, as many are the harness's as it
// dialled, from when it did.
func TestAttribution(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	const margin, far = 3 * clockSlack, 100 * clockSlack
	dial := func(ctx context.Context) history.Time {
		at := b.rec.Now()
		httptrace.ContextClientTrace(ctx).ConnectStart("tcp", "127.0.0.1:1")
		return at
	}
	var first, second history.Time
	_ = b.links.Probe(t.Context(), b.edge, func(ctx context.Context) error { first = dial(ctx); return nil })
	to := b.rec.Now()
	_ = b.links.Probe(t.Context(), b.edge, func(ctx context.Context) error { second = dial(ctx); return nil })
	_ = b.links.Probe(t.Context(), b.edge, func(ctx context.Context) error {
		dial(ctx)
		httptrace.ContextClientTrace(ctx).ConnectDone("tcp", "127.0.0.1:1", syscall.ECONNREFUSED)
		return nil
	})
	own := 0
	for _, c := range []struct {
		name       string
		at, margin history.Time
		who        string
	}{
		{"before anything was dialled", first - far, 0, b.edge.From},
		{"after all of it", second + far, 0, b.edge.From},
		{"a little before the first", first - clockSlack/2, 0, topology.Witness},
		{"on a clock that is known badly", to + 2*clockSlack, margin, topology.Witness},
		{"another beside them", second, 0, b.edge.From},
	} {
		if got := b.links.attribute(b.edge, c.at, c.margin); got != c.who {
			t.Errorf("%s, %s after the first dial: %s's, want %s's", c.name, c.at.Sub(first), got, c.who)
		}
		if c.who == b.edge.From {
			own++
		}
	}
	if got := b.links.Attempts(b.edge); got != own {
		t.Errorf("%d attempts counted, want %d", got, own)
	}
}

// TestAttributionSideBySide: what comes of two probes is theirs, whichever of their
// connections is accepted first.
func TestAttributionSideBySide(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.links.probes[b.edge] = []*probing{
		{dials: []history.Time{100}},
		{to: history.Time(10 * time.Second), dials: []history.Time{200}},
		{to: history.Time(20 * time.Second), dials: []history.Time{150}},
	}
	for _, at := range []time.Duration{9 * time.Second, 19 * time.Second, 29 * time.Second} {
		if got := b.links.attribute(b.edge, history.Time(at), 0); got != topology.Witness {
			t.Errorf("the attempt at %s is %s's", at, got)
		}
	}
	if got := b.links.attribute(b.edge, history.Time(30*time.Second), 0); got != b.edge.From {
		t.Errorf("one more attempt is %s's", got)
	}
}

func TestOpenRefusesATakenAddress(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	edge := topology.Edge{From: "late", To: "cp"}
	if err := b.links.Open(t.Context(), edge, b.at, programtest.FreeAddress(t)); err == nil || !strings.Contains(err.Error(), edge.String()) {
		t.Errorf("error %v does not name the edge", err)
	}
}
