// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"context"
	"fmt"
	"time"

	"blackout/harness/engine"
)

// Target is a node as the faults of its process need it. All fields must be set.
type Target struct {
	Node    engine.Node
	Answers func(context.Context) error // asks the node; nil: it answers as it should
	Control func(context.Context) error // asks a node that no fault acts on

	// Ending and Starting are called before the harness ends the process and
	// before it starts it again, so that an end of its making can be told from a
	// death. A crash loop calls them from a goroutine of its own.
	Ending   func(why string)
	Starting func()
}

// NewNode returns the means of a fault of a node's process. What it kills it
// starts again when it heals; what ended by itself it leaves alone.
func NewNode(target Target, spec Spec) Means {
	process := &process{Target: target, spec: spec}
	switch spec.Kind {
	case Pause:
		return &paused{process: process}
	case Restart:
		return &restarted{process: process}
	case CrashLoop:
		return &crashLoop{process: process}
	default:
		return &ended{process: process}
	}
}

// process is what the faults of a process have in common.
type process struct {
	Target
	spec   Spec
	before engine.State // when Prepare was called

	down bool   // the harness has ended the process, and not started it again
	life string // the one that it ended
}

// Prepare sees that the process runs and answers.
func (p *process) Prepare(ctx context.Context) error {
	state, err := p.Node.State(ctx)
	switch {
	case err != nil:
		return err
	case !state.Running || state.Paused:
		return fmt.Errorf("%w: %s %s even before the fault", ErrNotWitnessed, p.Node.Name(), describe(state))
	}
	if err := p.Answers(ctx); err != nil {
		return fmt.Errorf("%w: %s does not answer even before the fault: %w", ErrNotWitnessed, p.Node.Name(), err)
	}
	if err := p.Control(ctx); err != nil {
		return fmt.Errorf("%w: the untouched node does not answer even before the fault: %w", ErrNotWitnessed, err)
	}
	p.before = state
	return nil
}

// Undo is nothing: a process that was ended is not started for a dead harness.
func (p *process) Undo() []Undo { return nil }

// Clean has nothing to remove.
func (p *process) Clean(context.Context) error { return nil }

// describe says what a process in that state does.
func describe(s engine.State) string {
	switch {
	case s.Paused:
		return "stands still"
	case s.Running:
		return "runs"
	default:
		return fmt.Sprintf("has ended with code %d", s.ExitCode)
	}
}

// graceLimit is how long a process that was asked to end may take, unless the
// spec's Delay says otherwise; it is killed then. Docker's own is as long.
const graceLimit = 10 * time.Second

// callLimit bounds what an engine is asked for in order to inject. It is not cut
// short otherwise: what a daemon has taken is not undone by hanging up, and would
// happen behind the back of the healing.
const callLimit = 30 * time.Second

// uncut is a context that does not end with ctx, but after callLimit and what the
// call may take beside.
func uncut(ctx context.Context, beside time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), callLimit+beside)
}

// end ends the process in the fault's way. One that has ended by itself is not
// taken for one that the harness ended.
func (p *process) end(ctx context.Context) error {
	grace := p.spec.Delay
	if grace == 0 {
		grace = graceLimit
	}
	ctx, cancel := uncut(ctx, grace)
	defer cancel()
	state, err := p.Node.State(ctx)
	if err != nil {
		return err
	}
	if !state.Running {
		return fmt.Errorf("%s %s by itself", p.Node.Name(), describe(state))
	}
	p.Ending(string(p.spec.Kind))
	p.down, p.life = true, state.Life // before the call: it may have worked when it fails
	if p.spec.Kind == Terminate {
		return p.Node.Stop(ctx, grace)
	}
	return p.Node.Kill(ctx)
}

// start starts the process again if it was end that ended it. An end that failed
// is made first: the engine may yet be at it.
func (p *process) start(ctx context.Context) error {
	if !p.down {
		return nil
	}
	state, err := p.Node.State(ctx)
	if err == nil && state.Running && state.Life == p.life {
		if err = p.Node.Kill(ctx); err == nil {
			state, err = p.Node.State(ctx)
		}
	}
	if err != nil {
		return err
	}
	if !state.Running {
		p.Starting()
		if err := p.Node.Restart(ctx); err != nil {
			return err
		}
	}
	p.down = false
	return nil
}

// silent says whether the node does not answer, though another does.
func (p *process) silent(ctx context.Context) (string, bool) {
	name := p.Node.Name()
	err := p.Answers(ctx)
	if err == nil {
		return name + " still answers", false
	}
	if control := p.Control(ctx); control != nil {
		return fmt.Sprintf("an untouched node does not answer either: %v", control), false
	}
	return fmt.Sprintf("%s does not answer (%v), an untouched node does", name, err), true
}

// LookHealed looks whether the process runs and answers.
func (p *process) LookHealed(ctx context.Context) (string, bool) {
	name := p.Node.Name()
	state, err := p.Node.State(ctx)
	if err != nil {
		return err.Error(), false
	}
	if !state.Running || state.Paused {
		return fmt.Sprintf("%s %s", name, describe(state)), false
	}
	if err := p.Answers(ctx); err != nil {
		return fmt.Sprintf("%s does not answer yet: %v", name, err), false
	}
	which := "the same process"
	if state.Life != p.before.Life {
		which = "another process"
	}
	return fmt.Sprintf("%s answers again, it is %s", name, which), true
}
