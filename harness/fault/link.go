// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"context"
	"fmt"
	"time"
)

// Probes are the application-level checks that a link's fault is witnessed by.
// Each is bounded by its context alone and opens a connection of its own.
type Probes struct {
	Cut     func(context.Context) error // an exchange with the peer through the edge; nil: it answered as it should
	Control func(context.Context) error // the same, by a way that no fault touches

	// Dial opens a connection to the edge and closes it, without sending
	// anything. Only Drop needs it.
	Dial func(context.Context) error

	// Hold opens a connection through the edge, sees that the peer answers on
	// it, and keeps it. The context bounds the opening. Only HalfOpen needs it.
	Hold func(context.Context) (Held, error)

	// Limit bounds one probe through an edge that is not slow; 0 is two seconds.
	Limit time.Duration

	// Relayed says that the harness reaches edges through somebody else, such as
	// Docker's port publisher, who accepts connections for them and hides whether
	// they were refused, reset or ended.
	Relayed bool
}

// Held is a connection that a witness holds open.
type Held interface {
	// Ask asks the peer something and waits for the answer.
	Ask(ctx context.Context) error
	Close() error
}

// link stages the faults of an edge that are made of toxics. It is part of the
// means of the others.
type link struct {
	spec   Spec
	edges  *Edges
	probes Probes
	kind   linkKind
	before glance // of the edge, when it still worked
}

// linkKind is how a kind of links is staged and seen.
type linkKind struct {
	toxics func(Spec) []toxin // along the way of the bytes

	// ends says that live connections end: the edge is shut while its toxics are
	// put in place, so that new connections meet all of them from the first byte
	// on. Else live connections meet them too. shut says that it stays shut.
	ends, shut bool

	// stops says that no probe gets through. That it does not is looked for again
	// before the healing, unless the edge is shut: its meters then show who comes.
	stops bool

	// timed says that times are compared, and probes how many probes one look
	// takes side by side.
	timed  bool
	probes int

	// inForce and healed say what a look amounts to. Without healed, it is
	// enough that a probe works.
	inForce, healed func(*link, glance) (seen string, ok bool)
}

var linkKinds = map[Kind]linkKind{
	Exit:       {ends: true, shut: true, inForce: (*link).seenExit},
	Reset:      {ends: true, stops: true, toxics: resetToxics, inForce: (*link).seenReset},
	Truncate:   {ends: true, toxics: truncateToxics, inForce: (*link).seenTruncate},
	Blackhole:  {stops: true, toxics: silenceToxics, inForce: (*link).seenBlackhole},
	Asymmetric: {stops: true, toxics: silenceToxics, inForce: (*link).seenAsymmetric},
	Latency:    {toxics: delayToxics, timed: true, probes: 3, inForce: (*link).seenDelay, healed: (*link).seenNoDelay},
	Jitter:     {toxics: delayToxics, timed: true, probes: 6, inForce: (*link).seenDelay, healed: (*link).seenNoDelay},
	Bandwidth:  {toxics: paceToxics, timed: true, inForce: (*link).seenPace, healed: (*link).seenNoPace},
	Slicing:    {toxics: sliceToxics, inForce: (*link).seenSlices},
	HalfOpen:   {}, // the means of the last three are their own
	Flapping:   {},
	Drop:       {ends: true, shut: true},
}

// NewLink returns the means of a link's fault on an edge that was opened.
func NewLink(edges *Edges, spec Spec, probes Probes) Means {
	if _, ok := linkKinds[spec.Kind]; !ok {
		return unstaged{spec.Kind}
	}
	l := newLink(edges, spec, probes)
	switch spec.Kind {
	case HalfOpen:
		return &halfOpen{link: l}
	case Flapping:
		return &flapping{link: l}
	case Drop:
		return &drop{l, nil}
	case Slicing:
		return &slicing{link: l}
	default:
		return l
	}
}

func newLink(edges *Edges, spec Spec, probes Probes) *link {
	if probes.Limit == 0 {
		probes.Limit = probeLimit
	}
	return &link{spec: spec, edges: edges, probes: probes, kind: linkKinds[spec.Kind]}
}

// Prepare sends probes: bytes that never moved cannot be seen to stop, and a
// probe that fails anyway would witness a fault that does nothing. Where times are
// compared, the best of several counts: a busy machine makes an edge look slow.
func (l *link) Prepare(ctx context.Context) error {
	if err := l.seeUntouched(ctx); err != nil {
		return err
	}
	looks := 1
	if l.kind.timed {
		looks = 3
	}
	for range looks {
		g, err := l.lookAlone(ctx)
		if err != nil {
			return err
		}
		if g.err != nil {
			return fmt.Errorf("%w: %s does not work before the fault: %w", ErrNotWitnessed, l.spec.Edge, g.err)
		}
		if g.moved.Offered() == 0 {
			return fmt.Errorf("%w: no byte had moved on %s before the fault: its probe goes another way", ErrNotWitnessed, l.spec.Edge)
		}
		if l.before.took == nil || g.fastest() < l.before.fastest() {
			l.before = g
		}
	}
	return nil
}

// seeUntouched sees that the edge is open and has no other fault.
func (l *link) seeUntouched(ctx context.Context) error {
	p, err := l.edges.find(l.spec.Edge)
	if err != nil {
		return err
	}
	there, err := l.edges.server.toxins(ctx, p.Name)
	if err != nil {
		return err
	}
	for _, t := range there {
		if !isMeter(t) {
			return fmt.Errorf("%w: %s has a fault already, %s, and must be healed first", ErrNotWitnessed, l.spec.Edge, t.Name)
		}
	}
	return nil
}

// Undo implements [Means].
func (l *link) Undo() []Undo { return l.edges.undo(l.spec.Edge) }

// Inject implements [Means].
func (l *link) Inject(ctx context.Context) error {
	p, err := l.edges.find(l.spec.Edge)
	if err != nil {
		return err
	}
	if l.kind.ends {
		if err := l.edges.server.enable(ctx, p.Name, false); err != nil {
			return err
		}
	}
	if l.kind.shut {
		return nil
	}
	if err := l.addToxics(ctx, p.Name); err != nil {
		return err
	}
	return l.edges.server.enable(ctx, p.Name, true)
}

// addToxics puts the kind's toxics in place, and then a meter behind each.
func (l *link) addToxics(ctx context.Context, proxy string) error {
	toxics := l.kind.toxics(l.spec)
	for _, t := range toxics {
		if err := l.edges.server.add(ctx, proxy, t); err != nil {
			return err
		}
	}
	for _, t := range toxics {
		if err := l.edges.server.add(ctx, proxy, meterOf(l.spec.Edge, passed, t.Stream)); err != nil {
			return err
		}
	}
	return nil
}

// Lapsed implements [Lapser].
func (l *link) Lapsed(ctx context.Context) (string, bool) {
	if !l.kind.stops {
		return "", false
	}
	err := l.edges.Probe(ctx, l.spec.Edge, l.probes.Cut)
	return fmt.Sprintf("a probe through %s works, though nobody has healed it", l.spec.Edge), err == nil
}

// Heal implements [Means].
func (l *link) Heal(ctx context.Context) error {
	p, err := l.edges.find(l.spec.Edge)
	if err != nil {
		return err
	}
	return l.edges.server.mend(ctx, p)
}

// Clean implements [Means].
func (l *link) Clean(context.Context) error { return nil }

// Look implements [Means].
func (l *link) Look(ctx context.Context) (string, bool) {
	g, err := l.look(ctx, l.probes.Cut)
	if err != nil {
		return err.Error(), false
	}
	return l.kind.inForce(l, g)
}

// LookHealed implements [Means].
func (l *link) LookHealed(ctx context.Context) (string, bool) {
	g, err := l.lookAlone(ctx)
	switch {
	case err != nil:
		return err.Error(), false
	case g.err != nil:
		return fmt.Sprintf("a probe through %s still fails: %v", l.spec.Edge, g.err), false
	case l.kind.healed == nil:
		return fmt.Sprintf("a probe through %s works again", l.spec.Edge), true
	}
	return l.kind.healed(l, g)
}
