// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package fault severs and mends the edges of a topology, and proves that it
// did. Its central type is [Fault], a state machine that cannot be misused:
//
//	ready ── Inject ──▶ injected ── Witness ──▶ in force ── Heal ──▶ healed ── WitnessHealed ──▶ ready
//	                        └───────── Heal ────────────────────────▲
//
// A fault counts only once it is witnessed: a probe through the cut edge fails
// at application level, a probe through an untouched edge works, and the bytes
// behind the cut stand still although they moved before. Heal is legal from any
// state and idempotent, so that clean-up always may call it.
//
// The edges themselves are [Links]: one Toxiproxy proxy per edge, with a live
// meter of ours before the fault and one after it, in each direction.
package fault

import (
	"context"
	"errors"
	"fmt"
	"time"

	"blackout/harness/topology"
)

// Mode says how an edge is severed.
type Mode string

// The modes. NoOp is a control of the harness itself: it claims to be a cut and
// does nothing, so a run that believes it would believe anything.
const (
	Exit     Mode = "exit"     // as if the peer's process had ended: live connections get FIN, new ones are refused
	Reset    Mode = "reset"    // new connections are accepted and reset at their first byte, so that attempts can be counted
	Truncate Mode = "truncate" // what the peer sends is cut off after Cut.Bytes bytes of each connection
	NoOp     Mode = "no-op"
)

// Cut is what is done to an edge.
type Cut struct {
	Edge  topology.Edge `json:"edge"`
	Mode  Mode          `json:"mode"`
	Bytes int64         `json:"bytes,omitempty"` // of Truncate
}

// Probes are the application-level checks that a fault is witnessed by. Each
// returns nil when the far end answered as it should.
type Probes struct {
	Cut     func(context.Context) error // through the edge that is cut
	Control func(context.Context) error // to the same peer through an edge that is not
}

// Fault is one cut on its way from injection to healing.
type Fault struct {
	cut    Cut
	links  *Links
	probes Probes
	state  state
	before Reading // of the meters, when Inject was called
}

type state int

const (
	ready state = iota
	injected
	inForce
	healed
)

var stateNames = [...]string{"ready", "injected", "in force", "healed"}

// ErrNotWitnessed is returned, wrapped, when a fault did not do what it claims.
var ErrNotWitnessed = errors.New("fault not witnessed")

// New prepares a cut of an edge that links has opened.
func New(links *Links, cut Cut, probes Probes) *Fault {
	return &Fault{cut: cut, links: links, probes: probes}
}

// Cut is what the fault does.
func (f *Fault) Cut() Cut { return f.cut }

// Inject puts the cut in place. A probe first shows that the edge works: bytes
// that never moved cannot be seen to stop, and a probe that fails anyway would
// witness a cut that does nothing.
func (f *Fault) Inject(ctx context.Context) error {
	if f.state != ready {
		return fmt.Errorf("inject %s on %s: the fault is %s", f.cut.Mode, f.cut.Edge, stateNames[f.state])
	}
	before, err := f.readMoving(ctx)
	if err != nil {
		return fmt.Errorf("inject %s on %s: %w", f.cut.Mode, f.cut.Edge, err)
	}
	f.before = before
	f.state = injected // before the call: a half-made cut needs healing too
	if err := f.links.cut(f.cut); err != nil {
		return fmt.Errorf("inject %s on %s: %w", f.cut.Mode, f.cut.Edge, err)
	}
	return nil
}

func (f *Fault) readMoving(ctx context.Context) (Reading, error) {
	if err := f.probe(ctx); err != nil {
		return Reading{}, fmt.Errorf("%w: the edge does not work before the cut: %w", ErrNotWitnessed, err)
	}
	return f.links.Read(ctx, f.cut.Edge)
}

func (f *Fault) probe(ctx context.Context) error {
	return f.links.Probe(ctx, f.cut.Edge, f.probes.Cut)
}

// Witness looks until the cut is seen to be in force or ctx ends, and says what
// was seen. The error is ErrNotWitnessed, wrapped, with what was seen last.
func (f *Fault) Witness(ctx context.Context) (string, error) {
	if f.state != injected {
		return "", fmt.Errorf("witness %s on %s: the fault is %s", f.cut.Mode, f.cut.Edge, stateNames[f.state])
	}
	seen, err := until(ctx, f.lookForCut)
	if err == nil {
		f.state = inForce
	}
	return seen, err
}

// Heal takes the cut away, whatever the state.
func (f *Fault) Heal(ctx context.Context) error {
	if f.state == ready || f.state == healed {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("heal %s: %w", f.cut.Edge, err)
	}
	if err := f.links.mend(f.cut); err != nil {
		return fmt.Errorf("heal %s: %w", f.cut.Edge, err)
	}
	f.state = healed
	return nil
}

// WitnessHealed looks until the edge is seen to work again or ctx ends.
func (f *Fault) WitnessHealed(ctx context.Context) (string, error) {
	if f.state != healed {
		return "", fmt.Errorf("witness healing of %s: the fault is %s", f.cut.Edge, stateNames[f.state])
	}
	seen, err := until(ctx, func(ctx context.Context) (string, bool) {
		if err := f.probe(ctx); err != nil {
			return fmt.Sprintf("a probe through %s still fails: %v", f.cut.Edge, err), false
		}
		return fmt.Sprintf("a probe through %s works again", f.cut.Edge), true
	})
	if err == nil {
		f.state = ready
	}
	return seen, err
}

// lookForCut is one look at whether the cut is in force.
func (f *Fault) lookForCut(ctx context.Context) (string, bool) {
	edge := f.cut.Edge
	if f.before.Offered == 0 {
		return fmt.Sprintf("no byte had moved on %s before the cut", edge), false
	}
	start, err := f.links.Read(ctx, edge)
	if err != nil {
		return err.Error(), false
	}
	cutErr := f.probe(ctx)
	if cutErr == nil {
		return fmt.Sprintf("a probe through %s still works", edge), false
	}
	if err := f.probes.Control(ctx); err != nil {
		return fmt.Sprintf("the probe through an untouched edge fails too: %v", err), false
	}
	end, err := f.links.Read(ctx, edge)
	if err != nil {
		return err.Error(), false
	}
	passed, ok := f.cut.passed(start, end)
	return fmt.Sprintf("a probe through %s fails (%v), one through an untouched edge works; %s", edge, cutErr, passed), ok
}

// passed says whether the bytes behind the cut behaved between two readings.
func (c Cut) passed(start, end Reading) (string, bool) {
	switch c.Mode {
	case Truncate:
		most := c.Bytes * int64(end.Connections-start.Connections)
		got := end.Passed - start.Passed
		return fmt.Sprintf("%d of %d bytes passed", got, end.Offered-start.Offered), got <= most && got < end.Offered-start.Offered
	case Exit:
		moved := end.Offered - start.Offered
		return fmt.Sprintf("%d bytes moved since", moved), moved == 0
	default:
		came, moved := end.Offered-start.Offered, end.Passed-start.Passed
		if c.Mode == NoOp {
			moved = came // nothing stands between
		}
		return fmt.Sprintf("%d of %d bytes passed since", moved, came), came > 0 && moved == 0
	}
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
