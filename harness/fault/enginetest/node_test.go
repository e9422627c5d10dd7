// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package enginetest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"blackout/harness/fault"
)

// diary notes what a recording would hold of a node's lives.
type diary struct {
	mu    sync.Mutex
	lines []string
}

func (d *diary) note(line string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, line)
}

// target is the bench's first node, as faults of its process see it.
func (b *bench) target(d *diary) fault.Target {
	return fault.Target{
		Node: b.a.Node, Answers: b.a.answers, Control: b.b.answers,
		Ending: func(why string) { d.note("ending: " + why) }, Starting: func() { d.note("starting") },
	}
}

func onNode(spec fault.Spec) trial {
	spec.Node = "a"
	return trial{
		spec:  spec,
		means: func(b *bench, spec fault.Spec) fault.Means { return fault.NewNode(b.target(new(diary)), spec) },
		inForce: func(b *bench) error {
			if err := b.a.answers(b.within(patience)); err == nil {
				return errors.New("it answers")
			}
			return nil
		},
	}
}

var nodeTrials = map[fault.Kind]func() trial{
	fault.Kill:      func() trial { return outliving(onNode(fault.Spec{Kind: fault.Kill})) },
	fault.Terminate: func() trial { return outliving(onNode(fault.Spec{Kind: fault.Terminate})) },
	fault.Pause:     func() trial { return onNode(fault.Spec{Kind: fault.Pause}) },
	fault.Restart:   func() trial { return answering(onNode(fault.Spec{Kind: fault.Restart})) },
	fault.CrashLoop: func() trial {
		return answering(onNode(fault.Spec{Kind: fault.CrashLoop, Times: []time.Duration{50 * time.Millisecond, 400 * time.Millisecond}}))
	},
}

// outliving is a trial of a fault that leaves nothing to undo: what was ended
// stays ended.
func outliving(tr trial) trial {
	tr.outlive = true
	return tr
}

// answering is a trial of a fault after which the node answers by itself.
func answering(tr trial) trial {
	tr = outliving(tr)
	tr.inForce = func(*bench) error { return nil }
	return tr
}

func TestFaultsOfNodes(t *testing.T) {
	t.Parallel()
	for name := range engines {
		for kind, tr := range nodeTrials {
			t.Run(name+" "+string(kind), func(t *testing.T) {
				t.Parallel()
				tr().run(t, name)
			})
		}
	}
}

// TestEndsAreTold before they are made, so that a recording can tell them from
// deaths.
func TestEndsAreTold(t *testing.T) {
	t.Parallel()
	b := newBench(t, "local", false)
	for kind, want := range map[fault.Kind][]string{
		fault.Kill:      {"ending: kill", "starting"},
		fault.Terminate: {"ending: terminate", "starting"},
		fault.Pause:     nil,
		fault.Restart:   {"ending: restart", "starting"},
		fault.CrashLoop: {"ending: crash-loop", "starting", "ending: crash-loop", "starting"},
	} {
		told := new(diary)
		spec := nodeTrials[kind]().spec
		means := fault.NewNode(b.target(told), spec)
		must(t, errors.Join(means.Prepare(b.within(patience)), means.Inject(b.within(patience))))
		b.eventually("all crashes were made", func(context.Context) error {
			told.mu.Lock()
			defer told.mu.Unlock()
			if kind == fault.CrashLoop && len(told.lines) < len(want) {
				return errors.New("too few")
			}
			return nil
		})
		must(t, means.Heal(b.within(patience)))
		b.works(means)
		if !slices.Equal(told.lines, want) {
			t.Errorf("%s told %q, want %q", kind, told.lines, want)
		}
	}
}

// TestDeathsAreLeftAlone: a node that ended by itself is neither counted as ended
// by the fault nor started again.
func TestDeathsAreLeftAlone(t *testing.T) {
	t.Parallel()
	for kind, tr := range nodeTrials {
		if kind == fault.Pause {
			continue // has its own test
		}
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			b := newBench(t, "local", false)
			told := new(diary)
			means := fault.NewNode(b.target(told), tr().spec)
			must(t, means.Prepare(b.within(patience)))
			must(t, b.a.Kill(b.within(patience))) // as if by itself
			err := means.Inject(b.within(patience))
			if kind == fault.CrashLoop {
				b.eventually("the loop has failed", func(ctx context.Context) error {
					seen, _ := means.Look(ctx)
					if !strings.Contains(seen, "by itself") {
						return errors.New(seen)
					}
					return nil
				})
			} else if err == nil || !strings.Contains(err.Error(), "by itself") {
				t.Errorf("inject: %v", err)
			}
			must(t, means.Heal(b.within(patience)))
			if seen, ok := means.LookHealed(b.within(patience)); ok || len(told.lines) > 0 {
				t.Errorf("healed: %q, told %q", seen, told.lines)
			}
		})
	}
}

// TestALoopThatGoesOnIsNotHealed, also while the process runs and answers.
func TestALoopThatGoesOnIsNotHealed(t *testing.T) {
	t.Parallel()
	b := newBench(t, "local", false)
	means := fault.NewNode(b.target(new(diary)), fault.Spec{Kind: fault.CrashLoop, Times: []time.Duration{0, time.Hour}})
	must(t, errors.Join(means.Prepare(b.within(patience)), means.Inject(b.within(patience))))
	b.eventually("a life has ended and another answers", func(ctx context.Context) error {
		if seen, ok := means.Look(ctx); !ok {
			return errors.New(seen)
		}
		return b.a.answers(ctx)
	})
	if seen, ok := means.LookHealed(b.within(patience)); ok || !strings.Contains(seen, "crash again") {
		t.Errorf("healed: %q, %v", seen, ok)
	}
	must(t, means.Heal(b.within(patience)))
	b.works(means)
}

// TestAnotherProcessIsNotThePausedOne.
func TestAnotherProcessIsNotThePausedOne(t *testing.T) {
	t.Parallel()
	b := newBench(t, "local", false)
	means := fault.NewNode(b.target(new(diary)), nodeTrials[fault.Pause]().spec)
	must(t, errors.Join(means.Prepare(b.within(patience)), means.Inject(b.within(patience))))
	must(t, errors.Join(b.a.Kill(b.within(patience)), b.a.Restart(b.within(patience))))
	b.eventually("it answers", b.a.answers)
	must(t, means.Heal(b.within(patience)))
	if seen, ok := means.LookHealed(b.within(patience)); ok || !strings.Contains(seen, "not the process") {
		t.Errorf("healed: %q, %v", seen, ok)
	}
}

// TestTargetsMustWorkBefore, and so must what is compared with them.
func TestTargetsMustWorkBefore(t *testing.T) {
	t.Parallel()
	b := newBench(t, "local", false)
	broken := func(context.Context) error { return errors.New("broken") }
	for name, c := range map[string]struct {
		spoil func(*fault.Target)
		want  string
	}{
		"the node does not answer":           {func(t *fault.Target) { t.Answers = broken }, "does not answer even before"},
		"the untouched node does not answer": {func(t *fault.Target) { t.Control = broken }, "untouched node"},
		"the node is paused":                 {func(*fault.Target) { must(t, b.a.Pause(t.Context())) }, "stands still"},
	} {
		target := b.target(new(diary))
		c.spoil(&target)
		err := fault.NewNode(target, nodeTrials[fault.Kill]().spec).Prepare(b.within(patience))
		if !errors.Is(err, fault.ErrNotWitnessed) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
		must(t, b.a.Resume(t.Context()))
	}
}

// TestBrokenControlWitnessesNothing: if nobody answers, the fault proves nothing.
func TestBrokenControlWitnessesNothing(t *testing.T) {
	t.Parallel()
	for kind, tr := range nodeTrials {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			b := newBench(t, "local", false)
			target, lost := b.target(new(diary)), false
			target.Control = func(ctx context.Context) error {
				if lost {
					return errors.New("lost")
				}
				return b.b.answers(ctx)
			}
			means := fault.NewNode(target, tr().spec)
			must(t, errors.Join(means.Prepare(b.within(patience)), means.Inject(b.within(patience))))
			lost = true
			b.eventually("the control is missed", func(ctx context.Context) error {
				seen, ok := means.Look(ctx)
				if ok {
					t.Fatalf("witnessed: %s", seen)
				}
				if !strings.Contains(seen, "untouched") {
					return errors.New(seen)
				}
				return nil
			})
			must(t, means.Heal(b.within(patience)))
		})
	}
}
