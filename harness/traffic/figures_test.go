// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package traffic

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"blackout/harness/history"
)

func TestLagBuckets(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for range 10_000 {
		d := time.Duration(random.Uint64() >> (1 + random.UintN(63)))
		i := lagBucket(d)
		if i < 0 || i >= lagBuckets {
			t.Fatalf("%d: bucket %d of %d", d, i, lagBuckets)
		}
		if longest := lagOf(i); longest < d || longest-d > d/16 {
			t.Fatalf("%d: bucket %d holds up to %d", d, i, longest)
		}
		if i > 0 && lagOf(i-1) >= d {
			t.Fatalf("%d: bucket %d, but the one before holds up to %d", d, i, lagOf(i-1))
		}
	}
	if i := lagBucket(math.MaxInt64); i != lagBuckets-1 || lagOf(i) != math.MaxInt64 {
		t.Errorf("the longest duration is in bucket %d of %d, which holds up to %d", i, lagBuckets, lagOf(i))
	}
}

func TestLagQuantiles(t *testing.T) {
	t.Parallel()
	var f figures
	if got := f.lag(0.5); got != 0 {
		t.Errorf("median of nothing: %s", got)
	}
	s := history.Stream{Interval: time.Second}
	one, other := &stream{spec: s}, &stream{spec: s}
	for i := range 1000 { // 1 ms to 1 s, on two streams
		[]*stream{one, other}[i%2].lag.add(time.Duration(i+1) * time.Millisecond)
	}
	one.lag.add(-time.Second) // as much as 0
	f.add(one, 0)
	f.add(other, 0)
	for quantile, want := range map[float64]time.Duration{0.5: 500 * time.Millisecond, 0.99: 990 * time.Millisecond, 1: time.Second} {
		if got := f.lag(quantile); !within(got, want, 1.0/16) {
			t.Errorf("quantile %g: %s, want %s", quantile, got, want)
		}
	}
	if f.maxLag != time.Second || f.lag(1) != time.Second {
		t.Errorf("longest %s, want 1s exactly", f.maxLag)
	}
}

// metrics are the values of metrics of a node's stream, by name, the last of each.
func metrics(rec *history.Recording, node string, stream int) map[string]float64 {
	out := make(map[string]float64)
	for _, e := range rec.Events {
		if e.Kind == history.Metric && e.Node == node && e.Stream == stream && e.Error == "" {
			out[e.Text] = e.Value
		}
	}
	return out
}

// TestFiguresAtTheEnd: each stream says how well its schedule was kept, and that
// is what its requests say.
func TestFiguresAtTheEnd(t *testing.T) {
	t.Parallel()
	to := serveApart(t)
	streams := both(5*time.Millisecond, patience)
	for i := range streams {
		streams[i].Node = "dp-1"
	}
	rec := newRecording(t, streams...)
	p := start(t, rec, to, streams)
	await(t, "requests", func() bool { return p.streams[1].sent.Load() >= 50 })
	p.Stop()
	loaded := rec.load(t)
	for i := range streams {
		requests := of(loaded, uint16(i))
		var lags []time.Duration
		for _, r := range requests {
			lags = append(lags, r.Sent.Sub(r.Intended))
		}
		slices.Sort(lags)
		got := metrics(loaded, "dp-1", i)
		if n := float64(len(requests)); got[history.SlotsDue] != n || got[history.SlotsSent] != n || got[history.SlotsSaturated] != 0 {
			t.Errorf("stream %d: %v for %d requests", i, got, len(requests))
		}
		longest := lags[len(lags)-1]
		if got[history.LagMax] != longest.Seconds() {
			t.Errorf("stream %d: longest lag %g s, want %s", i, got[history.LagMax], longest)
		}
		for name, want := range map[string]time.Duration{history.LagP50: rank(lags, 50), history.LagP99: rank(lags, 99)} {
			if d := time.Duration(got[name] * float64(time.Second)); !within(d, want, 1.0/15) {
				t.Errorf("stream %d: %s %s, want %s", i, name, d, want)
			}
		}
	}
}
