// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"blackout/harness/history"
)

// flapping is the means of Flapping: an exit that comes and goes by a timetable.
type flapping struct {
	*link

	stop context.CancelFunc // nil until injected
	done sync.WaitGroup

	mu      sync.Mutex
	turnErr error // of the first turn that failed

	wasDown bool // a witness has seen it so
}

// Prepare implements [Means].
func (f *flapping) Prepare(ctx context.Context) error {
	if len(f.spec.Times) < 2 {
		return fmt.Errorf("%s: give it at least two times: one to go down, one to come back", f.spec)
	}
	return f.link.Prepare(ctx)
}

// Inject implements [Means]. The timetable goes on by itself until Heal or Clean,
// which wait for its end.
func (f *flapping) Inject(ctx context.Context) error {
	p, err := f.edges.find(f.spec.Edge)
	if err != nil {
		return err
	}
	ctx, f.stop = context.WithCancel(context.WithoutCancel(ctx))
	start := time.Now()
	f.done.Go(func() { f.flap(ctx, p.Name, start) })
	return nil
}

// flap goes down at the first time, comes back at the second, and so on.
func (f *flapping) flap(ctx context.Context, proxy string, start time.Time) {
	for i, at := range f.spec.Times {
		timer := time.NewTimer(time.Until(start.Add(at)))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		up := i%2 == 1
		err := f.edges.server.enable(ctx, proxy, up)
		if err == nil || ctx.Err() != nil {
			continue
		}
		err = fmt.Errorf("flap %s at %s: %w", f.spec.Edge, at, err)
		f.edges.rec.Event(history.Event{Kind: history.HarnessError, Edge: f.spec.Edge.String(), Error: err.Error()})
		f.mu.Lock()
		f.turnErr = errors.Join(f.turnErr, err)
		f.mu.Unlock()
	}
}

// Look implements [Means]: the edge has been seen down, and up after that. Spans
// that are shorter than a probe may be missed.
func (f *flapping) Look(ctx context.Context) (string, bool) {
	f.mu.Lock()
	turnErr := f.turnErr
	f.mu.Unlock()
	if turnErr != nil {
		return turnErr.Error(), false
	}
	g, err := f.look(ctx, f.probes.Cut)
	switch {
	case err != nil:
		return err.Error(), false
	case g.err == nil && f.wasDown:
		return fmt.Sprintf("%s was seen down, and a probe through it works again", f.spec.Edge), true
	case g.err == nil:
		return fmt.Sprintf("a probe through %s still works", f.spec.Edge), false
	}
	seen, ok := f.seenExit(g)
	f.wasDown = f.wasDown || ok
	return seen, false
}

// Heal implements [Means].
func (f *flapping) Heal(ctx context.Context) error {
	f.end()
	return f.link.Heal(ctx)
}

// LookHealed implements [Means]: an edge that still flaps works now and then, too.
func (f *flapping) LookHealed(ctx context.Context) (string, bool) {
	if f.stop != nil {
		return fmt.Sprintf("%s still flaps", f.spec.Edge), false
	}
	return f.link.LookHealed(ctx)
}

// Clean implements [Means].
func (f *flapping) Clean(ctx context.Context) error {
	f.end()
	return f.link.Clean(ctx)
}

// end ends the timetable and waits for it.
func (f *flapping) end() {
	if f.stop == nil {
		return
	}
	f.stop()
	f.done.Wait()
	f.stop = nil
}
