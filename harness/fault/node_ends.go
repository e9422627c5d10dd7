// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ended stages Kill and Terminate.
type ended struct{ *process }

func (e *ended) Inject(ctx context.Context) error { return e.end(ctx) }

// Look sees that the process has ended and that nobody answers in its place.
func (e *ended) Look(ctx context.Context) (string, bool) {
	state, err := e.Node.State(ctx)
	if err != nil {
		return err.Error(), false
	}
	if state.Running {
		return e.Node.Name() + " still runs", false
	}
	seen, ok := e.silent(ctx)
	return fmt.Sprintf("its process %s; %s", describe(state), seen), ok
}

func (e *ended) Heal(ctx context.Context) error { return e.start(ctx) }

// restarted stages Restart.
type restarted struct{ *process }

func (r *restarted) Inject(ctx context.Context) error {
	if err := r.end(ctx); err != nil {
		return err
	}
	return r.start(ctx)
}

// Look sees that another process answers in the place of the former one.
func (r *restarted) Look(ctx context.Context) (string, bool) {
	state, err := r.Node.State(ctx)
	if err != nil {
		return err.Error(), false
	}
	if state.Life == r.before.Life {
		return r.Node.Name() + " is still the same process", false
	}
	if err := r.Answers(ctx); err != nil {
		return fmt.Sprintf("another process runs as %s and does not answer yet: %v", r.Node.Name(), err), false
	}
	if err := r.Control(ctx); err != nil {
		return fmt.Sprintf("an untouched node does not answer: %v", err), false
	}
	return fmt.Sprintf("another process runs as %s and answers", r.Node.Name()), true
}

// Heal has nothing to take away unless the second half of Inject failed.
func (r *restarted) Heal(ctx context.Context) error { return r.start(ctx) }

// crashLoop stages CrashLoop. Its goroutine begins in Inject and ends in Heal,
// between two crashes.
type crashLoop struct {
	*process
	stop  context.CancelFunc
	ended chan struct{} // closed by the goroutine
	err   error         // of the goroutine, valid once it has ended
}

// Inject begins the loop and does not wait for it.
func (c *crashLoop) Inject(ctx context.Context) error {
	ctx, c.stop = context.WithCancel(context.WithoutCancel(ctx))
	c.ended = make(chan struct{})
	began := time.Now()
	go func() {
		defer close(c.ended)
		c.err = c.loop(ctx, began)
	}()
	return nil
}

// loop ends the process at each of the spec's times and starts it again.
func (c *crashLoop) loop(ctx context.Context, began time.Time) error {
	for i, at := range c.spec.Times {
		timer := time.NewTimer(time.Until(began.Add(at)))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil
		}
		if err := c.crash(ctx); err != nil {
			return fmt.Errorf("crash %d of %d: %w", i+1, len(c.spec.Times), err)
		}
	}
	return nil
}

func (c *crashLoop) crash(ctx context.Context) error {
	ctx, cancel := uncut(ctx, 0)
	defer cancel()
	if err := c.end(ctx); err != nil {
		return err
	}
	return c.start(ctx)
}

// failed is the error of the loop, if it has ended with one.
func (c *crashLoop) failed() error {
	if c.ended == nil || c.crashes() {
		return nil
	}
	return c.err
}

// crashes says whether the loop goes on.
func (c *crashLoop) crashes() bool {
	if c.ended == nil {
		return false
	}
	select {
	case <-c.ended:
		return false
	default:
		return true
	}
}

// Look sees that a life has ended and another begun, which may have ended too.
func (c *crashLoop) Look(ctx context.Context) (string, bool) {
	if err := c.failed(); err != nil {
		return err.Error(), false
	}
	state, err := c.Node.State(ctx)
	if err != nil {
		return err.Error(), false
	}
	if state.Life == c.before.Life {
		return fmt.Sprintf("%s %s, and no life of it has ended and another begun", c.Node.Name(), describe(state)), false
	}
	if err := c.Control(ctx); err != nil {
		return fmt.Sprintf("an untouched node does not answer: %v", err), false
	}
	return fmt.Sprintf("a life of %s has ended and another begun", c.Node.Name()), true
}

// Heal ends the loop and lets the process run.
func (c *crashLoop) Heal(ctx context.Context) error {
	if c.ended == nil {
		return nil
	}
	c.stop()
	select {
	case <-c.ended:
		return c.start(ctx)
	case <-ctx.Done():
		return errors.Join(errors.New("wait for the last crash"), context.Cause(ctx))
	}
}

// LookHealed does not find a loop healed that did not do what it was to do, or that
// goes on.
func (c *crashLoop) LookHealed(ctx context.Context) (string, bool) {
	if err := c.failed(); err != nil {
		return err.Error(), false
	}
	if c.crashes() {
		return c.Node.Name() + " is still to crash again", false
	}
	return c.process.LookHealed(ctx)
}
