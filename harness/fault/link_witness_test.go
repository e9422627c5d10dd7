// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"blackout/harness/topology"
	"blackout/internal/programtest"
)

// TestBrokenProbesWitnessNothing: what fails must be the cut edge, and nothing but
// the cut edge, and not the probe.
func TestBrokenProbesWitnessNothing(t *testing.T) {
	t.Parallel()
	broken := func(context.Context) error { return errors.New("broken") }
	silent := func(context.Context) error { return context.DeadlineExceeded }
	reset := func(context.Context) error { return syscall.ECONNRESET }
	for name, c := range map[string]struct {
		spec Spec
		cut  func(Probes) func(context.Context) error // the probe once the edge was seen to work
		seen string
	}{
		"the probe stays away from a no-op": {
			Spec{Kind: Reset, Control: true}, func(Probes) func(context.Context) error { return reset }, "0 of 0 bytes",
		},
		"the probe stays away from a reset": {
			Spec{Kind: Reset}, func(Probes) func(context.Context) error { return reset }, "0 of 0 bytes",
		},
		"the probe stays away from a blackhole": {
			Spec{Kind: Blackhole}, func(Probes) func(context.Context) error { return silent }, "0 of 0 bytes",
		},
		"the probe misreads a working edge": {
			Spec{Kind: Reset, Control: true},
			func(p Probes) func(context.Context) error {
				return func(ctx context.Context) error { return errors.Join(p.Cut(ctx), reset(ctx)) }
			}, "bytes passed",
		},
		"a working edge is slow": {
			Spec{Kind: Blackhole, Control: true},
			func(p Probes) func(context.Context) error {
				return func(ctx context.Context) error { return errors.Join(p.Cut(ctx), silent(ctx)) }
			}, "bytes passed",
		},
		"the probe fails in another way": {
			Spec{Kind: Exit}, func(Probes) func(context.Context) error { return broken }, "under exit it is refused",
		},
		"an exit is no blackhole": {
			Spec{Kind: Exit}, func(Probes) func(context.Context) error { return silent }, "is not answered",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			spec, probes := c.spec, b.probes()
			spec.Edge = b.edge
			probes.Cut = onceThen(probes.Cut, c.cut(probes))
			f := New(spec, NewLink(b.links, spec, probes), b.ledger())
			b.inject(f)
			if seen := b.unseen(f); !strings.Contains(seen, c.seen) {
				t.Errorf("seen %q, want %q in it", seen, c.seen)
			}
		})
	}
}

// onceThen is a probe that changes after its first use, the one before the fault.
func onceThen(first, then func(context.Context) error) func(context.Context) error {
	used := false
	return func(ctx context.Context) error {
		if used {
			return then(ctx)
		}
		used = true
		return first(ctx)
	}
}

// up is a reading of the direction in which a client sends.
func up(connections, behind int, offered, passed int64) Reading {
	return Reading{Connections: connections, Up: Flow{Tally{offered, 1}, Tally{passed, 1}, behind}}
}

func down(connections, behind int, offered, passed int64) Reading {
	r := up(connections, behind, offered, passed)
	return Reading{Connections: connections, Down: r.Up}
}

// TestVerdicts: what a look amounts to, for every kind that is seen by its bytes
// and times. Above all, a fault that lets a node through is none, even if the probe
// fails.
func TestVerdicts(t *testing.T) {
	t.Parallel()
	const ms = time.Millisecond
	slow := func(ms ...time.Duration) []time.Duration { return ms }
	reset, refused, silent := error(syscall.ECONNRESET), error(syscall.ECONNREFUSED), os.ErrDeadlineExceeded
	before := glance{took: slow(10 * ms), moved: down(1, 0, 10_000, 0)}
	pieces := func(bytes, chunks int64) Reading {
		return Reading{Connections: 1, Down: Flow{Tally{10_000, 2}, Tally{bytes, chunks}, 1}}
	}
	for name, c := range map[string]struct {
		spec Spec
		g    glance
		ok   bool
	}{
		"reset, nothing passed":         {Spec{Kind: Reset}, glance{err: reset, moved: up(1, 1, 500, 0)}, true},
		"reset, something passed":       {Spec{Kind: Reset}, glance{err: reset, moved: up(1, 1, 500, 1)}, false},
		"reset, and nobody came":        {Spec{Kind: Reset}, glance{err: reset, moved: up(0, 0, 0, 0)}, false},
		"reset, by nothing in between":  {Spec{Kind: Reset}, glance{err: reset, moved: up(1, 0, 500, 0)}, false},
		"reset, one came past it":       {Spec{Kind: Reset}, glance{err: reset, moved: up(2, 1, 500, 0)}, false},
		"reset, but silent":             {Spec{Kind: Reset}, glance{err: silent, moved: up(1, 1, 500, 0)}, false},
		"reset, but works":              {Spec{Kind: Reset}, glance{moved: up(1, 1, 500, 0)}, false},
		"exit, nothing moved":           {Spec{Kind: Exit}, glance{err: refused}, true},
		"exit, something moved":         {Spec{Kind: Exit}, glance{err: refused, moved: up(0, 0, 1, 0)}, false},
		"exit, an attempt got through":  {Spec{Kind: Exit}, glance{err: refused, moved: up(1, 0, 0, 0)}, false},
		"exit, but reset":               {Spec{Kind: Exit}, glance{err: reset}, false},
		"blackhole":                     {Spec{Kind: Blackhole}, glance{err: silent, moved: up(1, 1, 500, 0)}, true},
		"blackhole that refuses":        {Spec{Kind: Blackhole}, glance{err: refused, moved: up(1, 1, 500, 0)}, false},
		"blackhole of nothing":          {Spec{Kind: Blackhole}, glance{err: silent, moved: up(1, 1, 0, 0)}, false},
		"blackhole, but an answer":      {Spec{Kind: Blackhole}, glance{err: silent, moved: Reading{1, up(1, 1, 500, 0).Up, down(1, 1, 9, 9).Down}}, false},
		"asymmetric upstream":           {Spec{Kind: Asymmetric, Direction: Upstream}, glance{err: silent, moved: up(1, 1, 500, 0)}, true},
		"asymmetric downstream":         {Spec{Kind: Asymmetric, Direction: Downstream}, glance{err: silent, moved: down(1, 1, 500, 0)}, true},
		"asymmetric, not even asked":    {Spec{Kind: Asymmetric, Direction: Downstream}, glance{err: silent, moved: up(1, 1, 500, 0)}, false},
		"truncated":                     {Spec{Kind: Truncate, Bytes: 100}, glance{err: io.ErrUnexpectedEOF, moved: down(1, 1, 500, 100)}, true},
		"truncated, and more passed":    {Spec{Kind: Truncate, Bytes: 100}, glance{err: io.EOF, moved: down(1, 1, 500, 101)}, false},
		"truncated, two connections":    {Spec{Kind: Truncate, Bytes: 100}, glance{err: io.EOF, moved: down(2, 2, 500, 200)}, true},
		"truncated beyond the offer":    {Spec{Kind: Truncate, Bytes: 1000}, glance{err: io.EOF, moved: down(1, 1, 500, 500)}, false},
		"truncated by nothing":          {Spec{Kind: Truncate, Bytes: 1000}, glance{err: io.EOF, moved: down(1, 0, 500, 0)}, false},
		"truncated, but silent":         {Spec{Kind: Truncate, Bytes: 100}, glance{err: silent, moved: down(1, 1, 500, 100)}, false},
		"latency":                       {Spec{Kind: Latency, Delay: 50 * ms}, glance{took: slow(110*ms, 120*ms), moved: down(2, 2, 9, 9)}, true},
		"latency of some probes":        {Spec{Kind: Latency, Delay: 50 * ms}, glance{took: slow(59*ms, 120*ms), moved: down(2, 2, 9, 9)}, false},
		"latency, everything is slow":   {Spec{Kind: Latency, Delay: 50 * ms}, glance{took: slow(110 * ms), control: 100 * ms, moved: down(1, 1, 9, 9)}, false},
		"latency by nothing":            {Spec{Kind: Latency, Delay: 50 * ms}, glance{took: slow(110 * ms), moved: down(1, 0, 9, 0)}, false},
		"latency without an answer":     {Spec{Kind: Latency, Delay: 50 * ms}, glance{err: silent, took: slow(2000 * ms), moved: down(1, 1, 9, 9)}, false},
		"latency one way":               {Spec{Kind: Latency, Delay: 50 * ms, Direction: Downstream}, glance{took: slow(60 * ms), moved: down(1, 1, 9, 9)}, true},
		"jitter":                        {Spec{Kind: Jitter, Delay: 50 * ms, Jitter: 40 * ms}, glance{took: slow(50*ms, 130*ms), moved: down(2, 2, 9, 9)}, true},
		"jitter without a spread":       {Spec{Kind: Jitter, Delay: 50 * ms, Jitter: 40 * ms}, glance{took: slow(110*ms, 120*ms), moved: down(2, 2, 9, 9)}, false},
		"bandwidth":                     {Spec{Kind: Bandwidth, Rate: 10_000}, glance{took: slow(1000 * ms), moved: down(1, 1, 10_000, 10_000)}, true},
		"bandwidth exceeded":            {Spec{Kind: Bandwidth, Rate: 10_000}, glance{took: slow(700 * ms), moved: down(1, 1, 10_000, 10_000)}, false},
		"bandwidth that nobody misses":  {Spec{Kind: Bandwidth, Rate: 1_000_000}, glance{took: slow(10 * ms), moved: down(1, 1, 10_000, 10_000)}, false},
		"bandwidth, everything is slow": {Spec{Kind: Bandwidth, Rate: 10_000}, glance{took: slow(1000 * ms), control: 1000 * ms, moved: down(1, 1, 10_000, 10_000)}, false},
		"bandwidth by nothing":          {Spec{Kind: Bandwidth, Rate: 10_000}, glance{took: slow(1000 * ms), moved: down(1, 0, 10_000, 0)}, false},
		"bandwidth without an answer":   {Spec{Kind: Bandwidth, Rate: 10_000}, glance{err: silent, took: slow(1000 * ms), moved: down(1, 1, 10_000, 10_000)}, false},
		"slices":                        {Spec{Kind: Slicing, Bytes: 100}, glance{moved: pieces(10_000, 100)}, true},
		"slices that are too large":     {Spec{Kind: Slicing, Bytes: 100}, glance{moved: pieces(10_000, 99)}, false},
		"slices of nothing":             {Spec{Kind: Slicing, Bytes: 100}, glance{moved: pieces(0, 0)}, false},
		"slices without an answer":      {Spec{Kind: Slicing, Bytes: 100}, glance{err: silent, moved: pieces(10_000, 100)}, false},
		"slices of what was cut before": {Spec{Kind: Slicing, Bytes: 5000}, glance{moved: pieces(10_000, 2)}, false},
	} {
		c.spec.Edge = topology.Edge{From: "dp-1", To: "cp"}
		l := &link{spec: c.spec, kind: linkKinds[c.spec.Kind], before: before}
		if text, ok := l.kind.inForce(l, c.g); ok != c.ok || text == "" {
			t.Errorf("%s: %q, %v", name, text, ok)
		}
	}
}

// TestEndings: how a probe ends is told apart, also through what wraps its error.
func TestEndings(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	_, refusal := get(t.Context(), programtest.FreeAddress(t))
	ctx, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
	defer cancel()
	_, timeout := get(ctx, b.at)
	_, dialTimeout := dial(ctx, b.at)
	for _, c := range []struct {
		err  error
		want ending
	}{
		{nil, probeWorks},
		{refusal, probeRefused},
		{timeout, probeUnanswered},
		{dialTimeout, probeUnanswered},
		{os.ErrDeadlineExceeded, probeUnanswered},
		{fmt.Errorf("x: %w", syscall.ECONNRESET), probeReset},
		{syscall.EPIPE, probeReset},
		{io.ErrUnexpectedEOF, probeHungUp},
		{io.EOF, probeHungUp},
		{errors.New("x"), probeFailed},
		{context.Canceled, probeFailed},
	} {
		if got := endingOf(c.err); got != c.want {
			t.Errorf("a probe with error %v %s, want that it %s", c.err, got, c.want)
		}
	}
}

// TestRelayHidesHowConnectionsEnd, but not that they do.
func TestRelayHidesHowConnectionsEnd(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		relayed bool
		err     error
		want    ending
		ok      bool
	}{
		{false, io.EOF, probeRefused, false},
		{true, io.EOF, probeRefused, true},
		{true, syscall.ECONNRESET, probeReset, true},
		{true, os.ErrDeadlineExceeded, probeRefused, false},
		{true, io.EOF, probeUnanswered, false},
		{true, nil, probeRefused, false},
	} {
		if got := (Probes{Relayed: c.relayed}).ended(c.err, c.want); got != c.ok {
			t.Errorf("relayed %v, error %v: %v for %q", c.relayed, c.err, got, c.want)
		}
	}
}

func TestTruncationPassesNoMore(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	f := b.fault(Truncate, allowed)
	b.inject(f)
	if _, err := b.witness(f, patience); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		before := b.reading()
		read, err := get(t.Context(), b.at)
		if err == nil || read > allowed || read < allowed/2 {
			t.Errorf("%d bytes of the body came through, error %v; want close to %d with the header", read, err, allowed)
		}
		if passed := b.reading().Passed() - before.Passed(); passed > allowed {
			t.Errorf("%d bytes passed, want at most %d", passed, allowed)
		}
	}
}

// TestTimedLooksTakeTurns: looks that are compared by their times are never side by
// side, others may be, and none waits beyond its end.
func TestTimedLooksTakeTurns(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	var looking, most atomic.Int64
	look := func(ctx context.Context) func() (glance, error) {
		return func() (glance, error) {
			most.Store(max(most.Load(), looking.Add(1)))
			defer looking.Add(-1)
			_, err := b.links.Read(ctx, b.edge) // takes a while
			return glance{}, err
		}
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			l := newLink(b.links, Spec{Kind: Latency, Edge: b.edge}, b.probes())
			if _, err := l.metered(t.Context(), look(t.Context())); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if most.Load() != 1 {
		t.Errorf("%d looks were side by side", most.Load())
	}
	ctx, cancel := context.WithCancel(t.Context())
	_, err := newLink(b.links, Spec{Kind: Bandwidth, Edge: b.edge}, b.probes()).metered(t.Context(), func() (glance, error) {
		if _, err := newLink(b.links, Spec{Kind: Exit, Edge: b.edge}, b.probes()).metered(t.Context(), look(t.Context())); err != nil {
			t.Errorf("a look that is not timed: %v", err)
		}
		cancel()
		_, err := newLink(b.links, Spec{Kind: Jitter, Edge: b.edge}, b.probes()).metered(ctx, look(ctx))
		return glance{}, err
	})
	if !errors.Is(err, errCutShort) {
		t.Errorf("error %v of a look whose turn did not come", err)
	}
}
