// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"blackout/harness/topology"
)

var errFake = errors.New("fake failure")

// fakeMeans notes its calls and does nothing. Where fail names a call, it fails;
// blind looks see nothing.
type fakeMeans struct {
	calls []string
	fail  string
	blind bool
	undo  []Undo
	seen  func(call string) // called in every call, if set
}

func (m *fakeMeans) call(name string) error {
	m.calls = append(m.calls, name)
	if m.seen != nil {
		m.seen(name)
	}
	if m.fail == name {
		return errFake
	}
	return nil
}

func (m *fakeMeans) look(name string) (string, bool) {
	_ = m.call(name) // a look that fails is a blind one
	return name, !m.blind
}

func (m *fakeMeans) Prepare(context.Context) error                     { return m.call("prepare") }
func (m *fakeMeans) Undo() []Undo                                      { return m.undo }
func (m *fakeMeans) Inject(context.Context) error                      { return m.call("inject") }
func (m *fakeMeans) Look(context.Context) (seen string, ok bool)       { return m.look("look") }
func (m *fakeMeans) Heal(context.Context) error                        { return m.call("heal") }
func (m *fakeMeans) LookHealed(context.Context) (seen string, ok bool) { return m.look("look healed") }
func (m *fakeMeans) Clean(context.Context) error                       { return m.call("clean") }

var fakeSpec = Spec{Kind: Exit, Edge: topology.Edge{From: "dp-1", To: "cp"}}

func newLedger(t *testing.T) *Ledger {
	t.Helper()
	ledger, err := OpenLedger(t.TempDir(), "r1")
	if err != nil {
		t.Fatal(err)
	}
	return ledger
}

// The calls of a fault's life, in order.
var life = []string{"prepare", "inject", "witness", "heal", "witness healed", "clean"}

func doCall(ctx context.Context, f *Fault, call string) error {
	var err error
	switch call {
	case "prepare":
		err = f.Prepare(ctx)
	case "inject":
		err = f.Inject(ctx)
	case "witness":
		_, err = f.Witness(ctx)
	case "heal":
		err = f.Heal(ctx)
	case "witness healed":
		_, err = f.WitnessHealed(ctx)
	case "clean":
		err = f.Clean(ctx)
	default:
		err = fmt.Errorf("no call %q", call)
	}
	return err
}

// reached is a fault that lived until it was in a state.
func reached(t *testing.T, to state, means Means) *Fault {
	t.Helper()
	f := New(fakeSpec, means, newLedger(t))
	for _, call := range life {
		if f.state == to {
			return f
		}
		if err := doCall(t.Context(), f, call); err != nil {
			t.Fatal(err)
		}
	}
	if f.state != to {
		t.Fatalf("the fault is %s, want %s", stateNames[f.state], stateNames[to])
	}
	return f
}

// TestEveryCallInEveryState: what is legal, where it leads and what is called of
// the means. An illegal call changes nothing and calls nothing.
func TestEveryCallInEveryState(t *testing.T) {
	t.Parallel()
	type outcome struct {
		to    state
		calls string // of the means, joined
	}
	legal := map[state]map[string]outcome{
		fresh:    {"prepare": {prepared, "prepare"}, "heal": {fresh, ""}, "clean": {clean, ""}},
		prepared: {"inject": {injected, "inject"}, "heal": {prepared, ""}, "clean": {clean, "clean"}},
		injected: {"witness": {inForce, "look"}, "heal": {healed, "heal"}, "clean": {clean, "heal clean"}},
		inForce:  {"heal": {healed, "heal"}, "clean": {clean, "heal clean"}},
		healed:   {"witness healed": {mended, "look healed"}, "heal": {healed, ""}, "clean": {clean, "clean"}},
		mended:   {"heal": {mended, ""}, "clean": {clean, "clean"}},
		clean:    {"heal": {clean, ""}, "clean": {clean, ""}},
	}
	for from := fresh; from <= clean; from++ {
		for _, call := range life {
			t.Run(stateNames[from]+" "+call, func(t *testing.T) {
				t.Parallel()
				means := &fakeMeans{undo: []Undo{{Do: "x"}}}
				f := reached(t, from, means)
				means.calls = nil
				err := doCall(t.Context(), f, call)
				want, ok := legal[from][call]
				if !ok {
					want = outcome{to: from}
				}
				if (err == nil) != ok {
					t.Errorf("error %v, legal is %v", err, ok)
				}
				if err != nil && (errors.Is(err, ErrNotWitnessed) || !strings.Contains(err.Error(), "dp-1>cp") || !strings.Contains(err.Error(), "is "+stateNames[from])) {
					t.Errorf("error %q, want one that names target and state", err)
				}
				if f.state != want.to || strings.Join(means.calls, " ") != want.calls {
					t.Errorf("the fault is %s after calls of %q, want %s after %q", stateNames[f.state], means.calls, stateNames[want.to], want.calls)
				}
				if got, want := f.InForce(), f.state == injected || f.state == inForce; got != want {
					t.Errorf("InForce() = %v in state %s", got, stateNames[f.state])
				}
			})
		}
	}
}

// TestCleanTwiceFromEveryState leaves nothing in the ledger.
func TestCleanTwiceFromEveryState(t *testing.T) {
	t.Parallel()
	for from := fresh; from <= clean; from++ {
		t.Run(stateNames[from], func(t *testing.T) {
			t.Parallel()
			means := &fakeMeans{undo: []Undo{{Do: "x"}}}
			f := reached(t, from, means)
			for range 2 {
				if err := f.Clean(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if n := len(means.calls); n > len(life) {
				t.Errorf("calls %q", means.calls)
			}
			if err := f.ledger.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestFailedCallsCanBeRepeated: a failure leaves the fault where clean-up finds
// everything to do.
func TestFailedCallsCanBeRepeated(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		from  state
		call  string
		fails string
		to    state
	}{
		{fresh, "prepare", "prepare", fresh},
		{prepared, "inject", "inject", injected}, // half made
		{injected, "heal", "heal", injected},
		{inForce, "heal", "heal", inForce},
		{inForce, "clean", "heal", inForce},
		{inForce, "clean", "clean", healed},
		{mended, "clean", "clean", mended},
	} {
		t.Run(fmt.Sprintf("%s %s, %s fails", stateNames[c.from], c.call, c.fails), func(t *testing.T) {
			t.Parallel()
			means := &fakeMeans{undo: []Undo{{Do: "x"}}}
			f := reached(t, c.from, means)
			means.fail = c.fails
			if err := doCall(t.Context(), f, c.call); !errors.Is(err, errFake) || !strings.Contains(err.Error(), "exit on dp-1>cp") {
				t.Errorf("error %v", err)
			}
			if f.state != c.to {
				t.Errorf("the fault is %s, want %s", stateNames[f.state], stateNames[c.to])
			}
			means.fail = ""
			if err := f.Clean(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := f.ledger.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestInjectionIsEnteredFirst: whoever dies in the middle of it leaves a line.
func TestInjectionIsEnteredFirst(t *testing.T) {
	t.Parallel()
	ledger := newLedger(t)
	means := &fakeMeans{undo: []Undo{{Do: "x", Args: map[string]string{"a": "b"}}}}
	f := New(fakeSpec, means, ledger)
	open := func() []line {
		r, err := readLedger(ledger.path)
		if err != nil {
			t.Error(err)
		}
		return r.open
	}
	found := make(map[string]int)
	means.seen = func(call string) { found[call] = len(open()) }
	for _, call := range life {
		if err := doCall(t.Context(), f, call); err != nil {
			t.Fatal(err)
		}
	}
	for call, want := range map[string]int{"prepare": 0, "inject": 1, "look": 1, "heal": 1, "look healed": 1, "clean": 1} {
		if found[call] != want {
			t.Errorf("%d faults in the ledger in a call of %s, want %d", found[call], call, want)
		}
	}
	if left := open(); len(left) != 0 {
		t.Errorf("%v left after clean-up", left)
	}
}

// TestNothingIsInjectedWithoutALine.
func TestNothingIsInjectedWithoutALine(t *testing.T) {
	t.Parallel()
	means := &fakeMeans{undo: []Undo{{Do: "x"}}}
	f := reached(t, prepared, means)
	if err := os.Remove(f.ledger.path); err != nil { // as Recover does with a dead run's
		t.Fatal(err)
	}
	if err := f.Inject(t.Context()); err == nil || !strings.Contains(err.Error(), "ledger") {
		t.Errorf("error %v", err)
	}
	if slices.Contains(means.calls, "inject") || f.InForce() {
		t.Errorf("injected without a line: calls %q", means.calls)
	}
}

// TestControlInjectsNothing, and is otherwise treated like a fault.
func TestControlInjectsNothing(t *testing.T) {
	t.Parallel()
	means := &fakeMeans{undo: []Undo{{Do: "x"}}}
	spec := fakeSpec
	spec.Control = true
	f := New(spec, means, newLedger(t))
	for _, call := range life {
		if err := doCall(t.Context(), f, call); err != nil {
			t.Fatal(err)
		}
	}
	if got := strings.Join(means.calls, ", "); got != "prepare, look, heal, look healed, clean" {
		t.Errorf("calls %q", got)
	}
}

// TestMeansWithoutUndoNeedNoLedger.
func TestMeansWithoutUndoNeedNoLedger(t *testing.T) {
	t.Parallel()
	f := New(fakeSpec, &fakeMeans{}, nil)
	for _, call := range life {
		if err := doCall(t.Context(), f, call); err != nil {
			t.Fatal(err)
		}
	}
}

// TestWitnessLooksUntilItSees, and gives up with what it saw last.
func TestWitnessLooksUntilItSees(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		from state
		call string
		look string
	}{"in force": {injected, "witness", "look"}, "healed": {healed, "witness healed", "look healed"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				means := &fakeMeans{}
				f := reached(t, c.from, means)
				means.blind, means.calls = true, nil
				ctx, cancel := context.WithTimeout(t.Context(), 10*lookInterval-time.Millisecond)
				defer cancel()
				if err := doCall(ctx, f, c.call); !errors.Is(err, ErrNotWitnessed) || !strings.Contains(err.Error(), c.look) {
					t.Errorf("error %v", err)
				}
				if f.state != c.from || len(means.calls) != 10 {
					t.Errorf("the fault is %s after %d looks", stateNames[f.state], len(means.calls))
				}
				means.seen = func(string) { means.blind = len(means.calls) < 13 }
				if err := doCall(t.Context(), f, c.call); err != nil || len(means.calls) != 13 {
					t.Errorf("error %v after %d looks, want success at the 13th", err, len(means.calls))
				}
			})
		})
	}
}

// TestCutShortLookIsNotTold: what a look says after the end is about the end.
func TestCutShortLookIsNotTold(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	looks := 0
	seen, err := until(ctx, func(context.Context) (string, bool) {
		if looks++; looks == 2 {
			cancel()
		}
		return fmt.Sprint("look ", looks), false
	})
	if !errors.Is(err, ErrNotWitnessed) || seen != "look 1" {
		t.Errorf("seen %q, error %v", seen, err)
	}
}
