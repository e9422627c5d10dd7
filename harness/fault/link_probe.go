// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"syscall"
	"time"
)

// probeLimit is the usual [Probes.Limit].
const probeLimit = 2 * time.Second

// roundTrips is how many ways to and fro a probe may take: TLS, HTTP and what a
// store's client asks beforehand.
const roundTrips = 4

// limit bounds one probe: whoever looks at a slow edge must wait longer.
func (l *link) limit() time.Duration {
	limit := l.probes.Limit + 2*roundTrips*(l.spec.Delay+l.spec.Jitter)
	if l.spec.Rate > 0 {
		limit += 2 * time.Duration(l.before.moved.Offered()*int64(time.Second)/l.spec.Rate)
	}
	if l.spec.Kind == Slicing {
		limit += 2 * time.Duration(l.before.moved.Offered()/l.spec.Bytes) * l.spec.Delay
	}
	return limit
}

// bounded runs a probe for as long as a probe may take.
func (l *link) bounded(ctx context.Context, probe func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, l.limit())
	defer cancel()
	return probe(ctx)
}

// glance is one look at an edge.
type glance struct {
	err     error           // of a probe that failed
	took    []time.Duration // by the probes, rising
	control time.Duration   // by a probe through an untouched edge
	moved   Reading         // what the edge's meters counted meanwhile
}

// errCutShort: what a probe met may have been the end of the witness.
var errCutShort = errors.New("the look was cut short")

// look takes a look at the edge and, for comparison, at an untouched one. The
// error says why it shows nothing.
func (l *link) look(ctx context.Context, probe func(context.Context) error) (glance, error) {
	return l.metered(ctx, func() (glance, error) {
		g := l.ask(ctx, probe)
		began := l.edges.rec.Now()
		if err := l.bounded(ctx, l.probes.Control); err != nil {
			return g, fmt.Errorf("the probe through an untouched edge fails too: %w", err)
		}
		g.control = l.edges.rec.Now().Sub(began)
		return g, nil
	})
}

// lookAlone takes a look at the edge alone.
func (l *link) lookAlone(ctx context.Context) (glance, error) {
	return l.metered(ctx, func() (glance, error) { return l.ask(ctx, l.probes.Cut), nil })
}

// metered takes a look and reads the meters before and after it. Where times are
// compared, the looks of all edges take turns: side by side, they would measure
// one another.
func (l *link) metered(ctx context.Context, look func() (glance, error)) (glance, error) {
	if l.kind.timed {
		select {
		case l.edges.timing <- struct{}{}:
			defer func() { <-l.edges.timing }()
		case <-ctx.Done():
			return glance{}, errCutShort
		}
	}
	start, err := l.edges.Read(ctx, l.spec.Edge)
	if err != nil {
		return glance{}, err
	}
	g, lookErr := look()
	end, err := l.edges.Read(ctx, l.spec.Edge)
	if ctx.Err() != nil {
		return glance{}, errCutShort
	}
	g.moved = end.sub(start)
	return g, errors.Join(lookErr, err)
}

// ask sends as many probes side by side as the kind wants.
func (l *link) ask(ctx context.Context, probe func(context.Context) error) glance {
	n := max(1, l.kind.probes)
	errs, took := make([]error, n), make([]time.Duration, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			began := l.edges.rec.Now()
			errs[i] = l.edges.Probe(ctx, l.spec.Edge, func(ctx context.Context) error { return l.bounded(ctx, probe) })
			took[i] = l.edges.rec.Now().Sub(began)
		})
	}
	all.Wait()
	slices.Sort(took)
	g := glance{took: took}
	if i := slices.IndexFunc(errs, func(err error) bool { return err != nil }); i >= 0 {
		g.err = errs[i]
	}
	return g
}

// fastest is the time of the fastest probe, spread how much more the slowest took.
func (g glance) fastest() time.Duration { return g.took[0] }
func (g glance) spread() time.Duration  { return g.took[len(g.took)-1] - g.took[0] }

// mean is the mean time of the probes.
func (g glance) mean() time.Duration {
	var sum time.Duration
	for _, t := range g.took {
		sum += t
	}
	return sum / time.Duration(len(g.took))
}

// ending is how a probe ended, as a phrase of a witness's sentence.
type ending string

const (
	probeWorks      ending = "works"
	probeRefused    ending = "is refused"
	probeReset      ending = "is reset"
	probeHungUp     ending = "is hung up on"
	probeUnanswered ending = "is not answered"
	probeFailed     ending = "fails"
)

// endingOf says how a probe with this error ended.
func endingOf(err error) ending {
	var timeout net.Error
	switch {
	case err == nil:
		return probeWorks
	case errors.Is(err, syscall.ECONNREFUSED):
		return probeRefused
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return probeReset
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return probeHungUp
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return probeUnanswered
	}
	return probeFailed
}

// ended says whether a probe ended in one of the given ways. Through a relay, all
// ways in which a connection is not to be had look alike.
func (p Probes) ended(err error, want ...ending) bool {
	how := endingOf(err)
	atOnce := []ending{probeRefused, probeReset, probeHungUp, probeFailed}
	if p.Relayed && slices.Contains(atOnce, how) && slices.ContainsFunc(want, func(w ending) bool { return slices.Contains(atOnce, w) }) {
		return true
	}
	return slices.Contains(want, how)
}
