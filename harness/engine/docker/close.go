// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// A request that the daemon has taken is not undone by hanging up: what it asks
// for may appear seconds later, when nobody waits for it any more (a network has
// been seen to take two on a busy machine). After calls that were cut short,
// Close therefore sweeps until nothing has appeared for three.
const (
	quietPause  = time.Second
	quietPasses = 4

	// settleLimit ends that also for a caller whose context never does.
	settleLimit = time.Minute
)

// begin enters a call that makes something. The returned context ends also when
// the engine is closed; Close waits for end.
func (e *Engine) begin(ctx context.Context) (_ context.Context, end func(), err error) {
	if ctx.Err() != nil { // nothing was asked for, so nothing is cut short
		return nil, nil, context.Cause(ctx)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, nil, ErrClosed
	}
	e.calls++
	ctx, cancel := context.WithCancel(ctx)
	release := context.AfterFunc(e.life, cancel)
	return ctx, func() {
		wasCut := ctx.Err() != nil
		release()
		cancel()
		e.leave(wasCut)
	}, nil
}

// leave is the end of a call.
func (e *Engine) leave(wasCut bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.cut = e.cut || wasCut
	e.calls--
	if e.closed && e.calls == 0 {
		close(e.idle)
	}
}

// shut lets no further call begin and ends those under way.
func (e *Engine) shut() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return
	}
	e.closed = true
	e.stop()
	if e.calls == 0 {
		close(e.idle)
		return
	}
	e.cut = true
}

// Close implements [engine.Engine]. Images stay, and networks that cannot be
// removed for [ErrMiscounted], of which Progress is told. It takes some seconds if
// calls were cut short, by it or by their own contexts. A Close that failed can
// be called again.
func (e *Engine) Close(ctx context.Context) error {
	e.shut()
	select {
	case <-e.idle:
	case <-ctx.Done():
		return fmt.Errorf("close docker engine: wait for the calls under way: %w", context.Cause(ctx))
	}
	e.closeHelpers()
	if err := errors.Join(e.removeAll(ctx), e.containers.Close(), e.daemon.Close()); err != nil {
		return fmt.Errorf("close docker engine: %w", err)
	}
	return nil
}

// removeAll removes everything of the run; no call is under way.
func (e *Engine) removeAll(ctx context.Context) error {
	var stays error
	defer func() {
		if stays != nil {
			e.progress("%v", stays)
		}
	}()
	pass := func(ctx context.Context) (removed []string, err error) {
		removed, stays, err = sweep(ctx, e.daemon, ofRun(e.options.Run))
		return removed, err
	}
	e.mu.Lock()
	cut := e.cut
	e.mu.Unlock()
	if !cut {
		_, err := pass(ctx)
		return err
	}
	if err := settle(ctx, pass); err != nil {
		return err
	}
	e.mu.Lock()
	e.cut = false
	e.mu.Unlock()
	return nil
}

// settle repeats a sweep until quietPasses in a row have found nothing.
func settle(ctx context.Context, sweep func(context.Context) ([]string, error)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, settleLimit, fmt.Errorf("things still appear after %s", settleLimit))
	defer cancel()
	pause := time.NewTicker(quietPause)
	defer pause.Stop()
	for quiet := 0; ; {
		removed, err := sweep(ctx)
		if quiet++; err != nil || len(removed) > 0 {
			quiet = 0
		}
		if quiet == quietPasses {
			return nil
		}
		select {
		case <-pause.C:
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("sweep until nothing appears: %w", context.Cause(ctx)), err)
		}
	}
}
