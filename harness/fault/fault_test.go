// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"blackout/harness/topology"
)

// allowed is what Truncate lets through in these tests, in bytes.
const allowed = 30_000

// TestRealCutsAreWitnessed, their healing too, twice over, on an edge that was
// used before and on one that was not.
func TestRealCutsAreWitnessed(t *testing.T) {
	t.Parallel()
	for _, mode := range []Mode{Exit, Reset, Truncate} {
		for name, used := range map[string]bool{"used": true, "unused": false} {
			t.Run(string(mode)+" "+name, func(t *testing.T) {
				t.Parallel()
				b := newBench(t)
				if used {
					b.works()
				}
				f := b.fault(mode, allowed)
				for range 2 {
					b.inject(f)
					if seen, err := b.witness(f, patience); err != nil || seen == "" {
						t.Fatalf("not witnessed: %q, %v", seen, err)
					}
					if _, err := get(t.Context(), b.at); err == nil {
						t.Error("a page came through the cut edge")
					}
					if err := f.Heal(t.Context()); err != nil {
						t.Fatal(err)
					}
					if _, err := b.witnessHealed(f, patience); err != nil {
						t.Fatal(err)
					}
					b.works()
				}
			})
		}
	}
}

func TestNoOpIsNeverWitnessed(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	f := b.fault(NoOp, 0)
	b.inject(f)
	seen, err := b.witness(f, impatience)
	if !errors.Is(err, ErrNotWitnessed) || !strings.Contains(seen, "still works") {
		t.Errorf("seen %q, error %v", seen, err)
	}
	b.works()
	if err := f.Heal(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := b.witnessHealed(f, patience); err != nil {
		t.Error(err)
	}
}

// TestBrokenProbesWitnessNothing: what fails must be the cut edge, and nothing but
// the cut edge, and not the probe.
func TestBrokenProbesWitnessNothing(t *testing.T) {
	t.Parallel()
	broken := func(context.Context) error { return errors.New("broken") }
	works := func(context.Context) error { return nil }
	for name, c := range map[string]struct {
		mode   Mode
		probes func(Probes) Probes
		seen   string
	}{
		"the untouched edge fails too":        {Reset, func(p Probes) Probes { return Probes{p.Cut, broken} }, "untouched edge fails too"},
		"the untouched edge fails under exit": {Exit, func(p Probes) Probes { return Probes{p.Cut, broken} }, "untouched edge fails too"},
		"the probe does not use the edge":     {Exit, func(p Probes) Probes { return Probes{works, p.Control} }, "no byte had moved"},
		"the probe stays away from a no-op":   {NoOp, func(p Probes) Probes { return Probes{onceThen(p.Cut, broken), p.Control} }, "0 of 0 bytes"},
		"the probe stays away from a reset":   {Reset, func(p Probes) Probes { return Probes{onceThen(p.Cut, broken), p.Control} }, "0 of 0 bytes"},
		"the probe misreads a working edge": {NoOp, func(p Probes) Probes {
			return Probes{onceThen(p.Cut, func(ctx context.Context) error { return errors.Join(p.Cut(ctx), broken(ctx)) }), p.Control}
		}, "bytes passed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			f := New(b.links, Cut{Edge: b.edge, Mode: c.mode}, c.probes(b.probes()))
			b.inject(f)
			if seen, err := b.witness(f, impatience); !errors.Is(err, ErrNotWitnessed) || !strings.Contains(seen, c.seen) {
				t.Errorf("seen %q, error %v", seen, err)
			}
		})
	}
}

// onceThen is a probe that changes after its first use, the one before the cut.
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

// TestTrafficThroughTheCutIsSeen: a cut that lets a node through is none, even if
// the probe fails.
func TestTrafficThroughTheCutIsSeen(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		cut        Cut
		start, end Reading
		ok         bool
	}{
		"reset, nothing passed":             {Cut{Mode: Reset}, Reading{3, 900, 0}, Reading{4, 1400, 0}, true},
		"reset, something passed":           {Cut{Mode: Reset}, Reading{3, 900, 0}, Reading{4, 1400, 1}, false},
		"reset, and nobody came":            {Cut{Mode: Reset}, Reading{3, 900, 0}, Reading{3, 900, 0}, false},
		"no-op, and somebody came":          {Cut{Mode: NoOp}, Reading{3, 900, 0}, Reading{4, 1400, 0}, false},
		"no-op, and nobody came":            {Cut{Mode: NoOp}, Reading{3, 900, 0}, Reading{3, 900, 0}, false},
		"exit, nothing moved":               {Cut{Mode: Exit}, Reading{3, 900, 0}, Reading{3, 900, 0}, true},
		"exit, something moved":             {Cut{Mode: Exit}, Reading{3, 900, 0}, Reading{3, 901, 0}, false},
		"truncated":                         {Cut{Mode: Truncate, Bytes: 100}, Reading{3, 900, 50}, Reading{4, 1400, 150}, true},
		"truncated, and more passed":        {Cut{Mode: Truncate, Bytes: 100}, Reading{3, 900, 50}, Reading{4, 1400, 151}, false},
		"truncated, two connections":        {Cut{Mode: Truncate, Bytes: 100}, Reading{3, 900, 50}, Reading{5, 1400, 250}, true},
		"truncated beyond what was offered": {Cut{Mode: Truncate, Bytes: 1000}, Reading{3, 900, 50}, Reading{4, 1400, 550}, false},
	} {
		if text, ok := c.cut.passed(c.start, c.end); ok != c.ok || text == "" {
			t.Errorf("%s: %q, %v", name, text, ok)
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
		if passed := b.reading().Passed - before.Passed; passed > allowed {
			t.Errorf("%d bytes passed, want at most %d", passed, allowed)
		}
	}
}

// TestHealFromEveryState, twice: clean-up always may call it.
func TestHealFromEveryState(t *testing.T) {
	t.Parallel()
	for name, reach := range map[string]func(*bench, *Fault){
		"ready":    func(*bench, *Fault) {},
		"injected": func(b *bench, f *Fault) { b.inject(f) },
		"in force": func(b *bench, f *Fault) {
			b.inject(f)
			if _, err := b.witness(f, patience); err != nil {
				b.t.Fatal(err)
			}
		},
		"not witnessed": func(b *bench, f *Fault) {
			b.inject(f)
			ctx, giveUp := context.WithCancel(b.t.Context())
			defer giveUp()
			f.probes.Control = func(context.Context) error { giveUp(); return errors.New("broken") }
			if _, err := f.Witness(ctx); !errors.Is(err, ErrNotWitnessed) {
				b.t.Fatalf("error %v with a broken control", err)
			}
		},
	} {
		for _, mode := range []Mode{Exit, Reset, Truncate, NoOp} {
			if mode == NoOp && (name == "in force" || name == "not witnessed") {
				continue // it is never the one, and always the other
			}
			t.Run(name+" "+string(mode), func(t *testing.T) {
				t.Parallel()
				b := newBench(t)
				f := b.fault(mode, allowed)
				reach(b, f)
				for range 2 {
					if err := f.Heal(t.Context()); err != nil {
						t.Fatal(err)
					}
					b.works()
				}
			})
		}
	}
}

// TestHalfMadeCutIsHealed: an injection that fails after it disabled the proxy
// leaves a cut to be healed.
func TestHalfMadeCutIsHealed(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	f := b.fault("no such mode", 0)
	if err := f.Inject(t.Context()); err == nil || !strings.Contains(err.Error(), "no such mode") {
		t.Fatalf("error %v does not name the mode", err)
	}
	if err := f.Heal(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.works()
}

func TestHealHonoursItsContext(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	f := b.fault(Exit, 0)
	b.inject(f)
	ended, end := context.WithCancel(t.Context())
	end()
	if err := f.Heal(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if err := f.Heal(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.works()
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
	refused("witness before inject", witness())
	refused("witness healing before inject", witnessHealed())
	b.inject(f)
	refused("inject twice", f.Inject(t.Context()))
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

func TestUnopenedEdge(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	edge := topology.Edge{From: "never-opened", To: "cp"}
	f := New(b.links, Cut{Edge: edge, Mode: Exit}, b.probes())
	if err := f.Inject(t.Context()); err == nil || !strings.Contains(err.Error(), edge.String()) {
		t.Errorf("error %v does not name the edge", err)
	}
}

// TestEdgeThatNeverWorkedIsNotCut: its silence would prove nothing.
func TestEdgeThatNeverWorkedIsNotCut(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	dead := topology.Edge{From: fmt.Sprintf("dead-%d", benches.Add(1)), To: "cp"}
	at := b.open(dead, freeAddress(t))
	probes := Probes{Cut: func(ctx context.Context) error { _, err := get(ctx, at); return err }, Control: b.probes().Control}
	if err := New(b.links, Cut{Edge: dead, Mode: Reset}, probes).Inject(t.Context()); err == nil || !strings.Contains(err.Error(), "before the cut") {
		t.Errorf("error %v", err)
	}
}

// TestHealingThatDidNotHelp is not witnessed.
func TestHealingThatDidNotHelp(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	f := b.fault(Exit, 0)
	b.inject(f)
	if err := f.Heal(t.Context()); err != nil {
		t.Fatal(err)
	}
	again := b.fault(Exit, 0)
	b.inject(again)
	if seen, err := b.witnessHealed(f, impatience); !errors.Is(err, ErrNotWitnessed) || !strings.Contains(seen, "still fails") {
		t.Errorf("seen %q, error %v", seen, err)
	}
}
