// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"blackout/harness/fault"
	"blackout/harness/history"
)

// witnessTimeout bounds how long a fault or its healing may take to be seen.
const witnessTimeout = 15 * time.Second

// Inject puts faults in force, all of them before the first is witnessed.
type Inject struct {
	Faults []fault.Spec `json:"faults"`
}

// Name implements plan.Action.
func (Inject) Name() string { return "inject" }

// Title implements plan.Action.
func (a Inject) Title() string { return "inject " + titles(a.Faults) }

// Do implements Action.
func (a Inject) Do(ctx context.Context, c *Cluster) error { return c.inject(ctx, a.Faults) }

func titles(faults []fault.Spec) string {
	parts := make([]string, len(faults))
	for i, f := range faults {
		parts[i] = f.String()
	}
	return abridged(parts)
}

// Heal takes faults away and looks that their targets work again.
type Heal struct {
	Targets []string `json:"targets,omitempty"` // edges and nodes, "dp-1>cp", "dp-1"; empty: all
}

// Name implements plan.Action.
func (Heal) Name() string { return "heal" }

// Title implements plan.Action.
func (a Heal) Title() string {
	if len(a.Targets) == 0 {
		return "heal every fault"
	}
	return "heal " + abridged(a.Targets)
}

// Do implements Action.
func (a Heal) Do(ctx context.Context, c *Cluster) error {
	return c.heal(ctx, a.heals)
}

// running fault of a cluster, by its number in the recording.
type numbered struct {
	*fault.Fault
	number int
}

// event begins an event of the fault.
func (f numbered) event(kind history.Kind) history.Event {
	e := history.Event{Kind: kind, Fault: f.number, Node: f.Spec().Node}
	if f.Spec().Node == "" {
		e.Edge = f.Spec().Edge.String()
	}
	return e
}

// inject prepares faults side by side, puts them in place in order and then looks
// at all of them: a control plane that is gone for some data planes and not yet
// for others is a state of its own, and should be short. What the engine cannot
// stage is recorded, and the run goes on.
func (c *Cluster) inject(ctx context.Context, specs []fault.Spec) error {
	if err := c.countPackets(ctx, specs); err != nil {
		return err
	}
	defer c.intend(specs)()
	staged, err := c.prepareFaults(ctx, specs)
	if err != nil {
		return err
	}
	var injected []numbered
	for _, f := range staged {
		begin, active := f.event(history.FaultInject), f.event(history.FaultActive)
		begin.Text, active.Text = string(f.Spec().Kind), string(f.Spec().Kind)
		begin.RetryAfter, begin.Generation = history.Time(f.Spec().RetryAfter), f.Spec().Generation
		c.rec.Event(begin)
		err := f.Inject(ctx)
		if errors.Is(err, fault.ErrCannotStage) { // known only now: what it did in part is taken away
			c.recordUnstaged(f.Spec(), err)
			if err := f.Clean(ctx); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		c.rec.Event(active)
		injected = append(injected, f)
	}
	return c.witness(ctx, injected)
}

// intend notes what is about to be injected, until what it returns is called: a node
// that is about to have a fault is nothing to compare others with.
func (c *Cluster) intend(specs []fault.Spec) (done func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.intended = append(c.intended, specs...)
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, s := range specs {
			i := slices.IndexFunc(c.intended, func(o fault.Spec) bool { return o.Target() == s.Target() })
			c.intended = slices.Delete(c.intended, i, i+1)
		}
	}
}

// recordUnstaged records that a fault has no means here: what needs it is not
// measured.
func (c *Cluster) recordUnstaged(spec fault.Spec, err error) {
	e := numbered{fault.New(spec, nil, nil), 0}.event(history.FaultUnstaged)
	e.Text, e.Error = string(spec.Kind), err.Error()
	c.rec.Event(e)
	c.progress("  NOT MEASURED: %v", err)
}

// prepareFaults makes the faults that can be staged here, and enters them in the
// cluster, which cleans up after them.
func (c *Cluster) prepareFaults(ctx context.Context, specs []fault.Spec) ([]numbered, error) {
	made := make([]*numbered, len(specs))
	group, groupCtx := errgroup.WithContext(ctx)
	for i, spec := range specs {
		group.Go(func() error {
			f, err := c.prepareFault(groupCtx, spec)
			if errors.Is(err, fault.ErrCannotStage) {
				c.recordUnstaged(spec, err)
				return nil
			}
			made[i] = f
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	var staged []numbered
	for _, f := range made {
		if f != nil {
			staged = append(staged, *f)
		}
	}
	return staged, nil
}

func (c *Cluster) prepareFault(ctx context.Context, spec fault.Spec) (*numbered, error) {
	spec.Control = spec.Control || c.control == NoopCut
	means, err := c.Means(ctx, spec)
	if err != nil {
		return nil, err
	}
	switch c.control {
	case NoopHeal:
		means = neverHealed{means}
	case LapsingCut:
		means = lapsing{means}
	}
	f := fault.New(spec, means, c.ledger)
	if err := f.Prepare(ctx); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lastFault++
	n := numbered{f, c.lastFault}
	c.faults = append(c.faults, n)
	return &n, nil
}

// witness looks at injected faults side by side and records what was seen.
func (c *Cluster) witness(ctx context.Context, faults []numbered) error {
	witnessCtx, cancel := context.WithTimeout(ctx, witnessTimeout)
	defer cancel()
	errs := make([]error, len(faults))
	var looks sync.WaitGroup
	for i, f := range faults {
		looks.Go(func() {
			seen, err := f.Witness(witnessCtx)
			if ctx.Err() != nil {
				return
			}
			e := f.event(history.FaultWitness)
			e.Text, e.OK = seen, err == nil
			c.rec.Event(e)
			if err != nil {
				errs[i] = fmt.Errorf("%s: %w", f.Spec(), err)
			}
		})
	}
	looks.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return errors.Join(errs...)
}

// heal takes away the faults that are wanted and then looks that their targets
// work again. It returns what could not be taken away, after trying everything,
// and tries that again at the next call. A target that was healed and is not seen
// to work is recorded: what rests on it becomes INVALID.
func (c *Cluster) heal(ctx context.Context, wanted func(fault.Spec) bool) error {
	held := slices.DeleteFunc(slices.Clone(c.faults), func(f numbered) bool { return !f.InForce() || !wanted(f.Spec()) })
	c.witnessLapsed(ctx, held)
	var errs []error
	var healed []numbered
	for _, f := range held {
		c.rec.Event(f.event(history.FaultHeal))
		if err := f.Heal(ctx); err != nil {
			errs = append(errs, err)
			continue
		}
		c.rec.Event(f.event(history.FaultHealed))
		healed = append(healed, f)
	}
	c.witnessHealed(ctx, healed)
	return errors.Join(errs...)
}

// witnessLapsed looks a last time at faults that are about to be healed. One that
// has ended by then, of which only a guess could tell when, was not witnessed.
func (c *Cluster) witnessLapsed(ctx context.Context, held []numbered) {
	var looks sync.WaitGroup
	for _, f := range held {
		looks.Go(func() {
			seen, lapsed := f.Lapsed(ctx)
			if !lapsed {
				return
			}
			e := f.event(history.FaultWitness)
			e.Text = seen
			c.rec.Event(e)
			c.progress("  %s has ended by itself: %s", f.Spec(), seen)
		})
	}
	looks.Wait()
}

func everyFault(fault.Spec) bool { return true }

// witnessHealed looks at all healed targets at once, since a control plane that is
// dead fails all of them.
func (c *Cluster) witnessHealed(ctx context.Context, healed []numbered) {
	ctx, cancel := context.WithTimeout(ctx, witnessTimeout)
	defer cancel()
	var looks sync.WaitGroup
	for _, f := range healed {
		looks.Go(func() {
			seen, err := f.WitnessHealed(ctx)
			e := f.event(history.HealWitness)
			e.Text, e.OK = seen, err == nil
			c.rec.Event(e)
			if err != nil {
				c.progress("  %v", err)
			}
		})
	}
	looks.Wait()
}

// cleanFaults removes what every fault of the run has made.
func (c *Cluster) cleanFaults(ctx context.Context) error {
	var errs []error
	for _, f := range c.faults {
		errs = append(errs, f.Clean(ctx))
	}
	return errors.Join(errs...)
}

// injects says whether the plan has a fault of a family.
func (c *Cluster) injects(family fault.Family) bool {
	return slices.ContainsFunc(Faults(c.plan), func(f fault.Spec) bool { return f.Kind.Family() == family })
}
