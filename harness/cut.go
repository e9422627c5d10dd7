// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"blackout/harness/fault"
	"blackout/harness/history"
)

// witnessTimeout bounds how long a cut or its healing may take to be seen.
const witnessTimeout = 15 * time.Second

// cut puts one cut in force and records what witnessed it.
func (c *Cluster) cut(ctx context.Context, cut fault.Cut) error {
	claimed := cut.Mode
	if c.control == NoopCut {
		cut.Mode = fault.NoOp
	}
	f := fault.New(c.links, cut, c.probes(cut.Edge))
	c.faults = append(c.faults, f)
	c.rec.Event(history.Event{Kind: history.FaultInject, Edge: cut.Edge.String(), Text: string(claimed)})
	if err := f.Inject(ctx); err != nil {
		return err
	}
	c.rec.Event(history.Event{Kind: history.FaultActive, Edge: cut.Edge.String(), Text: string(claimed)})
	witnessCtx, cancel := context.WithTimeout(ctx, witnessTimeout)
	defer cancel()
	seen, err := f.Witness(witnessCtx)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	c.rec.Event(history.Event{Kind: history.FaultWitness, Edge: cut.Edge.String(), Text: seen, OK: err == nil})
	if err != nil {
		return fmt.Errorf("%s on %s: %w", claimed, cut.Edge, err)
	}
	return nil
}

// heal takes all cuts away and then looks that their edges work again. It
// returns what could not be taken away, after trying everything, and keeps it for
// the next call. An edge that was healed and is not seen to work is recorded: what
// rests on it becomes INVALID.
func (c *Cluster) heal(ctx context.Context) error {
	var errs []error
	var healed, left []*fault.Fault
	for _, f := range c.faults {
		edge := f.Cut().Edge.String()
		c.rec.Event(history.Event{Kind: history.FaultHeal, Edge: edge})
		if err := f.Heal(ctx); err != nil {
			errs, left = append(errs, err), append(left, f)
			continue
		}
		c.rec.Event(history.Event{Kind: history.FaultHealed, Edge: edge})
		healed = append(healed, f)
	}
	c.faults = left
	c.witnessHealed(ctx, healed)
	return errors.Join(errs...)
}

// witnessHealed looks at all healed edges at once, since a control plane that is
// dead fails all of them.
func (c *Cluster) witnessHealed(ctx context.Context, healed []*fault.Fault) {
	ctx, cancel := context.WithTimeout(ctx, witnessTimeout)
	defer cancel()
	var looks sync.WaitGroup
	for _, f := range healed {
		looks.Go(func() {
			seen, err := f.WitnessHealed(ctx)
			c.rec.Event(history.Event{Kind: history.HealWitness, Edge: f.Cut().Edge.String(), Text: seen, OK: err == nil})
			if err != nil {
				c.progress("  %v", err)
			}
		})
	}
	looks.Wait()
}
