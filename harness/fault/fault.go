// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package fault makes things go wrong, and proves that they did and that they
// were mended. Its central type is [Fault], a state machine that cannot be
// misused:
//
//	new ─ Prepare ▶ prepared ─ Inject ▶ injected ─ Witness ▶ in force ─ Heal ▶ healed ─ WitnessHealed ▶ mended ─ Clean ▶ clean
//	                                       └───────────── Heal ────────────────▲
//	any ────────────────────────────────────────────────────────────────────────────────────────── Clean ▶ clean
//
// A fault counts only once it is witnessed: an application-level probe through
// what is broken fails as the kind says, one through something untouched works,
// and where bytes can be counted they behave. Healing is witnessed too. Clean is
// legal from any state and idempotent, so that clean-up always may call it.
//
// What a fault is, is a [Spec], a value that a plan holds; how it is staged is
// its [Means], one type per family of kinds. Before anything is injected, a
// [Ledger] on disk says how to undo it without this process: [Recover] does so
// for the runs of dead harnesses.
package fault

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// ErrNotWitnessed is returned, wrapped, when a fault or its healing did not do
// what it claims.
var ErrNotWitnessed = errors.New("fault not witnessed")

// ErrCannotStage is returned, wrapped, by Prepare when this engine or machine
// has not the means. What needs the fault is then NOT MEASURED.
var ErrCannotStage = errors.New("fault cannot be staged here")

// Means stage one fault on the real thing. The machine calls them in order and
// from one goroutine.
type Means interface {
	// Prepare sees that the target works and reads what the witness will compare
	// with. Nothing is disturbed yet. An error that wraps ErrCannotStage says that
	// this engine cannot do it; one that wraps ErrNotWitnessed that the target does
	// not work even before the fault.
	Prepare(ctx context.Context) error

	// Undo says how to take the fault away without this process. It is asked
	// after Prepare and written down before Inject. Nil: nothing can outlive this
	// process.
	Undo() []Undo

	// Inject puts the fault in place. It may have done so in part when it fails.
	Inject(ctx context.Context) error

	// Look looks once whether the fault is in force, and says what was seen in one
	// sentence.
	Look(ctx context.Context) (seen string, inForce bool)

	// Heal takes away whatever Inject got to, also for a second time.
	Heal(ctx context.Context) error

	// LookHealed looks once whether the target works again.
	LookHealed(ctx context.Context) (seen string, healed bool)

	// Clean removes what was made beside the fault itself. It follows Heal, and
	// may follow it twice.
	Clean(ctx context.Context) error
}

// Lapser is what means implement that can tell, while their fault is held, that it
// has ended by itself.
type Lapser interface {
	// Lapsed looks once, for no longer than [LapseLimit], and says what was seen in
	// one sentence. What it cannot tell has not lapsed.
	Lapsed(ctx context.Context) (seen string, lapsed bool)
}

// LapseLimit bounds a look for a lapse, which puts off the healing.
const LapseLimit = 300 * time.Millisecond

// Fault is one fault on its way from preparation to clean-up. Its methods belong
// to one goroutine, but for Spec and InForce, which any may call.
type Fault struct {
	spec   Spec
	means  Means
	ledger *Ledger
	entry  int // in the ledger

	mu    sync.Mutex // of the state: others ask while a fault is injected or healed
	state state
}

type state int

const (
	fresh state = iota
	prepared
	injected
	inForce
	healed
	mended
	clean
)

var stateNames = [...]string{"new", "prepared", "injected", "in force", "healed", "mended", "clean"}

// New makes a fault from its spec and means. The ledger must outlive it.
func New(spec Spec, means Means, ledger *Ledger) *Fault {
	return &Fault{spec: spec, means: means, ledger: ledger}
}

// Spec is what the fault does.
func (f *Fault) Spec() Spec { return f.spec }

// InForce says whether there may be something to heal.
func (f *Fault) InForce() bool {
	s := f.now()
	return s == injected || s == inForce
}

func (f *Fault) now() state {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.state
}

func (f *Fault) become(s state) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.state = s
}

// fail says in an error what was being done to what.
func (f *Fault) fail(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s %s: %w", doing, f.spec, err)
}

// must checks that a call is legal in the fault's state.
func (f *Fault) must(doing string, want state) error {
	is := f.now()
	if is == want {
		return nil
	}
	return f.fail(doing, fmt.Errorf("the fault is %s, not %s", stateNames[is], stateNames[want]))
}

// Prepare sees that the target works. Nothing is disturbed yet.
func (f *Fault) Prepare(ctx context.Context) error {
	if err := f.must("prepare", fresh); err != nil {
		return err
	}
	if err := f.means.Prepare(ctx); err != nil {
		return f.fail("prepare", err)
	}
	f.become(prepared)
	return nil
}

// Inject enters the fault into the ledger and puts it in place.
func (f *Fault) Inject(ctx context.Context) error {
	if err := f.must("inject", prepared); err != nil {
		return err
	}
	if undo := f.means.Undo(); len(undo) > 0 {
		entry, err := f.ledger.enter(f.spec, undo)
		if err != nil {
			return f.fail("inject", err)
		}
		f.entry = entry
	}
	f.become(injected) // before the call: a half-made fault needs healing too
	if f.spec.Control {
		return nil
	}
	return f.fail("inject", f.means.Inject(ctx))
}

// Witness looks until the fault is seen to be in force or ctx ends, and says what
// was seen. The error is ErrNotWitnessed, wrapped, with what was seen last.
func (f *Fault) Witness(ctx context.Context) (string, error) {
	if err := f.must("witness", injected); err != nil {
		return "", err
	}
	seen, err := until(ctx, f.means.Look)
	if err == nil {
		f.become(inForce)
	}
	return seen, err
}

// Lapsed looks whether a fault that was seen in force has ended before it is
// healed, where its means can tell.
func (f *Fault) Lapsed(ctx context.Context) (seen string, lapsed bool) {
	means, ok := f.means.(Lapser)
	if !ok || f.now() != inForce {
		return "", false
	}
	ctx, cancel := context.WithTimeout(ctx, LapseLimit)
	defer cancel()
	return means.Lapsed(ctx)
}

// Heal takes the fault away, whatever the state; it does nothing where there is
// nothing to take away.
func (f *Fault) Heal(ctx context.Context) error {
	if !f.InForce() {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return f.fail("heal", err)
	}
	if err := f.means.Heal(ctx); err != nil {
		return f.fail("heal", err)
	}
	f.become(healed)
	return nil
}

// WitnessHealed looks until the target is seen to work again or ctx ends.
func (f *Fault) WitnessHealed(ctx context.Context) (string, error) {
	if err := f.must("witness healing of", healed); err != nil {
		return "", err
	}
	seen, err := until(ctx, f.means.LookHealed)
	if err == nil {
		f.become(mended)
	}
	return seen, err
}

// Clean heals if need be, removes what the fault made and strikes it from the
// ledger. It is legal in every state and idempotent.
func (f *Fault) Clean(ctx context.Context) error {
	if s := f.now(); s == fresh || s == clean {
		f.become(clean)
		return nil
	}
	if err := f.Heal(ctx); err != nil {
		return err
	}
	if err := f.means.Clean(ctx); err != nil {
		return f.fail("clean up after", err)
	}
	if f.entry != 0 {
		if err := f.ledger.strike(f.entry); err != nil {
			return f.fail("clean up after", err)
		}
		f.entry = 0
	}
	f.become(clean)
	return nil
}

// lookInterval is the pause between two looks of a witness.
const lookInterval = 50 * time.Millisecond

// until repeats look until it succeeds or ctx ends.
func until(ctx context.Context, look func(context.Context) (string, bool)) (string, error) {
	tick := time.NewTicker(lookInterval)
	defer tick.Stop()
	last := "nothing was looked at"
	for {
		seen, ok := look(ctx)
		if ok {
			return seen, nil
		}
		if ctx.Err() == nil {
			last = seen // what a cut-short look says is about the cut-short look
		}
		select {
		case <-ctx.Done():
			return last, fmt.Errorf("%w: %s", ErrNotWitnessed, last)
		case <-tick.C:
		}
	}
}
