// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"blackout/harness/topology"
	"blackout/internal/programtest"
)

// allowed is what Truncate lets through in these tests, in bytes.
const allowed = 30_000

// turns are those of Flapping in these tests: some to be seen on any machine.
var turns = func() (at []time.Duration) {
	for i := range 40 {
		at = append(at, time.Duration(i)*600*time.Millisecond+time.Millisecond)
	}
	return at
}()

// linkCase is a fault of a link, with what its life is seen to be.
type linkCase struct {
	spec  Spec
	fails bool   // whether a page cannot come through it
	idle  string // what its witness says of an edge that nothing was done to
	live  ending // how a question ends on a connection that stood before
	after ending // and once it is healed
}

var linkCases = []linkCase{
	{Spec{Kind: Exit}, true, "still works", probeHungUp, probeHungUp},
	{Spec{Kind: Reset}, true, "still works", probeHungUp, probeHungUp},
	{Spec{Kind: Truncate, Bytes: allowed}, true, "still works", probeHungUp, probeHungUp},
	{Spec{Kind: Blackhole}, true, "still works", probeUnanswered, probeHungUp},
	{Spec{Kind: HalfOpen}, false, "stood before works", probeUnanswered, probeHungUp},
	{Spec{Kind: Drop}, true, "still answered", probeHungUp, probeHungUp},
	{Spec{Kind: Latency, Delay: 200 * time.Millisecond}, false, "nothing stands between", probeWorks, probeWorks},
	{Spec{Kind: Latency, Delay: 300 * time.Millisecond, Direction: Downstream}, false, "nothing stands between", probeWorks, probeWorks},
	{Spec{Kind: Jitter, Delay: 300 * time.Millisecond, Jitter: 200 * time.Millisecond, Seed: 7}, false, "nothing stands between", probeWorks, probeWorks},
	{Spec{Kind: Bandwidth, Rate: 100_000}, false, "nothing stands between", probeWorks, probeWorks},
	{Spec{Kind: Slicing, Bytes: 300}, false, "pieces of 0", probeWorks, probeWorks},
	{Spec{Kind: Asymmetric, Direction: Upstream}, true, "still works", probeUnanswered, probeHungUp},
	{Spec{Kind: Asymmetric, Direction: Downstream}, true, "still works", probeUnanswered, probeHungUp},
	{Spec{Kind: Flapping, Times: turns}, false, "still works", probeHungUp, probeHungUp},
}

// eachLink runs a test for every kind of a link's fault, on a bench of its own.
func eachLink(t *testing.T, test func(b *bench, c linkCase)) {
	t.Helper()
	for _, c := range linkCases {
		t.Run(strings.TrimSuffix(c.spec.String(), " on "), func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			c.spec.Edge = b.edge
			test(b, c)
		})
	}
}

// TestLinksAreWitnessed, their healing too, twice over, on an edge that was used
// before and on one that was not.
func TestLinksAreWitnessed(t *testing.T) {
	t.Parallel()
	for name, used := range map[string]bool{"used": true, "unused": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachLink(t, func(b *bench, c linkCase) {
				if used {
					b.works()
				}
				for range 2 {
					f := b.stage(c.spec)
					b.inject(f)
					if seen, err := b.witness(f, patience); err != nil || seen == "" {
						b.t.Fatalf("not witnessed: %q, %v", seen, err)
					}
					if c.fails {
						b.fails()
					}
					b.healed(f)
				}
			})
		})
	}
}

// TestLapse: a fault that ends before anybody healed it is noticed, where a probe
// can tell, and none is while it is held.
func TestLapse(t *testing.T) {
	t.Parallel()
	tells := []Kind{Reset, Blackhole, Asymmetric}
	eachLink(t, func(b *bench, c linkCase) {
		f := b.stage(c.spec)
		b.inject(f)
		if _, lapsed := f.Lapsed(b.t.Context()); lapsed {
			b.t.Error("one that nobody has witnessed yet has lapsed")
		}
		if seen, err := b.witness(f, patience); err != nil {
			b.t.Fatalf("not witnessed: %q, %v", seen, err)
		}
		if seen, lapsed := f.Lapsed(b.t.Context()); lapsed {
			b.t.Errorf("it lapsed while it is held: %s", seen)
		}
		p, err := b.links.find(b.edge)
		if err != nil {
			b.t.Fatal(err)
		}
		if err := b.links.server.mend(b.t.Context(), p); err != nil {
			b.t.Fatal(err)
		}
		wants := slices.Contains(tells, c.spec.Kind)
		ctx, cancel := context.WithTimeout(b.t.Context(), patience)
		defer cancel()
		for seen, lapsed := f.Lapsed(ctx); lapsed != wants; seen, lapsed = f.Lapsed(ctx) { // a busy machine may be late with a probe
			if lapsed || ctx.Err() != nil {
				b.t.Fatalf("it lapsed: %t, and should: %t; seen: %s", lapsed, wants, seen)
			}
		}
		b.healed(f)
	})
}

// healed heals a fault, sees that it is and cleans up.
func (b *bench) healed(f *Fault) {
	b.t.Helper()
	if err := f.Heal(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
	if seen, err := b.witnessHealed(f, patience); err != nil || seen == "" {
		b.t.Fatalf("healing not witnessed: %q, %v", seen, err)
	}
	b.works()
	if err := f.Clean(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
	b.works()
	if _, err := b.links.find(b.edge); err != nil {
		b.t.Error(err)
	}
	b.untouched()
}

// untouched fails the test unless the edge has its meters and nothing else.
func (b *bench) untouched() {
	b.t.Helper()
	there, err := b.links.server.toxins(b.t.Context(), b.links.proxyName(b.edge))
	if err != nil || len(there) != 2 || !isMeter(there[0]) || !isMeter(there[1]) {
		b.t.Errorf("toxics %+v are left, error %v", there, err)
	}
}

// down waits until the edge refuses connections.
func (b *bench) down() {
	b.t.Helper()
	seen, err := until(b.t.Context(), func(ctx context.Context) (string, bool) {
		err := b.probes().Dial(ctx)
		return fmt.Sprint(err), err != nil
	})
	if err != nil {
		b.t.Fatal(seen, err)
	}
}

// TestControlIsNeverWitnessed: the witness of what was not done says so.
func TestControlIsNeverWitnessed(t *testing.T) {
	t.Parallel()
	eachLink(t, func(b *bench, c linkCase) {
		c.spec.Control = true
		f := b.stage(c.spec)
		b.inject(f)
		for range 2 {
			if seen := b.unseen(f); !strings.Contains(seen, c.idle) {
				b.t.Errorf("seen %q, want %q in it", seen, c.idle)
			}
		}
		if seen, err := b.witness(f, impatience); !errors.Is(err, ErrNotWitnessed) {
			b.t.Errorf("seen %q, error %v", seen, err)
		}
		b.works()
		b.healed(f)
	})
}

// TestUntouchedEdgeThatFails: a witness believes nothing then.
func TestUntouchedEdgeThatFails(t *testing.T) {
	t.Parallel()
	eachLink(t, func(b *bench, c linkCase) {
		probes := b.probes()
		probes.Control = func(context.Context) error { return errors.New("broken") }
		f := New(c.spec, NewLink(b.links, c.spec, probes), b.ledger())
		b.inject(f)
		if c.spec.Kind == Flapping {
			b.down()
		}
		if seen := b.unseen(f); !strings.Contains(seen, "untouched edge fails too") {
			b.t.Errorf("seen %q", seen)
		}
		b.healed(f)
	})
}

// TestLiveConnections: what becomes of those that stood before the fault, as the
// catalogue says it.
func TestLiveConnections(t *testing.T) {
	t.Parallel()
	eachLink(t, func(b *bench, c linkCase) {
		f := b.stage(c.spec)
		if err := f.Prepare(b.t.Context()); err != nil {
			b.t.Fatal(err)
		}
		live, err := hold(b.t.Context(), b.at)
		if err != nil {
			b.t.Fatal(err)
		}
		defer live.Close()
		if err := f.Inject(b.t.Context()); err != nil {
			b.t.Fatal(err)
		}
		if _, err := b.witness(f, patience); err != nil {
			b.t.Fatal(err)
		}
		ask := func(want ending) {
			b.t.Helper()
			limit := patience
			if want == probeUnanswered {
				limit = impatience
			}
			ctx, cancel := context.WithTimeout(b.t.Context(), limit)
			defer cancel()
			how := endingOf(live.Ask(ctx))
			if how == probeReset {
				how = probeHungUp // a question after the end is met by a reset
			}
			if how != want {
				b.t.Errorf("the connection %s, want that it %s", how, want)
			}
		}
		ask(c.live)
		b.healed(f)
		ask(c.after)
	})
}

func TestWrongOrderIsRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	f := b.fault(Exit, 0)
	refused := func(what string, err error) {
		t.Helper()
		if err == nil || errors.Is(err, ErrNotWitnessed) || !strings.Contains(err.Error(), b.edge.String()) {
			t.Errorf("%s: error %v, want a refusal that names the edge", what, err)
		}
	}
	witness := func() error { _, err := b.witness(f, patience); return err }
	witnessHealed := func() error { _, err := b.witnessHealed(f, patience); return err }
	refused("inject before prepare", f.Inject(t.Context()))
	refused("witness before inject", witness())
	refused("witness healing before inject", witnessHealed())
	b.inject(f)
	refused("inject twice", f.Inject(t.Context()))
	refused("prepare when injected", f.Prepare(t.Context()))
	refused("witness healing before heal", witnessHealed())
	if err := witness(); err != nil {
		t.Fatal(err)
	}
	refused("witness twice", witness())
	refused("inject in force", f.Inject(t.Context()))
	if err := f.Heal(t.Context()); err != nil {
		t.Fatal(err)
	}
	refused("inject before the healing is witnessed", f.Inject(t.Context()))
	refused("witness when healed", witness())
}

// TestEdgesThatCannotBeCut are refused before anything is disturbed.
func TestEdgesThatCannotBeCut(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	dead := topology.Edge{From: fmt.Sprintf("dead-%d", benches.Add(1)), To: "cp"}
	at := b.open(dead, programtest.FreeAddress(t))
	through := func(address string) Probes {
		probes := b.probes()
		probes.Cut = func(ctx context.Context) error { _, err := get(ctx, address); return err }
		return probes
	}
	upstream, err := b.links.Upstream(t.Context(), b.edge)
	if err != nil {
		t.Fatal(err)
	}
	whole := topology.Edge{From: fmt.Sprintf("whole-%d", benches.Add(1)), To: "cp"}
	wholeAt := b.open(whole, upstream)
	b.inject(b.fault(Latency, 0)) // by no time at all: the edge still works
	for name, c := range map[string]struct {
		spec   Spec
		probes Probes
		is     error
		says   string
	}{
		"never opened":      {Spec{Kind: Exit, Edge: topology.Edge{From: "never-opened", To: "cp"}}, b.probes(), nil, "never-opened>cp"},
		"never worked":      {Spec{Kind: Reset, Edge: dead}, through(at), ErrNotWitnessed, "before the fault"},
		"never used":        {Spec{Kind: Exit, Edge: dead}, b.probes(), ErrNotWitnessed, "no byte had moved"},
		"ill already":       {Spec{Kind: Exit, Edge: b.edge}, b.probes(), ErrNotWitnessed, "a fault already, latency-upstream"},
		"no such kind":      {Spec{Kind: DNSFailure, Edge: b.edge}, b.probes(), ErrCannotStage, "dns-failure"},
		"nobody dials":      {Spec{Kind: Drop, Edge: dead}, Probes{}, ErrCannotStage, dead.String()},
		"nobody holds":      {Spec{Kind: HalfOpen, Edge: dead}, Probes{}, ErrCannotStage, dead.String()},
		"never comes back":  {Spec{Kind: Flapping, Edge: dead, Times: []time.Duration{1}}, b.probes(), nil, "two times"},
		"in pieces already": {Spec{Kind: Slicing, Edge: whole, Bytes: pageSize}, through(wholeAt), ErrNotWitnessed, "pieces"},
	} {
		f := New(c.spec, NewLink(b.links, c.spec, c.probes), b.ledger())
		err := f.Prepare(t.Context())
		if err == nil || c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: error %v, want one that says %q", name, err, c.says)
		}
		if err := f.Inject(t.Context()); err == nil || errors.Is(err, ErrNotWitnessed) {
			t.Errorf("%s: inject: error %v, want a refusal", name, err)
		}
	}
	b.works()
}
