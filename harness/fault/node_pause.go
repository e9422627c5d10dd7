// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"context"
	"fmt"

	"blackout/harness/engine"
)

// UndoPause is the name of the undo that resumes a paused node. Its arguments are
// the node's engine.Handle; the engine that it names has the means.
const UndoPause = "resume node"

// paused stages Pause.
type paused struct {
	*process
	handle engine.Handle
}

func (p *paused) Prepare(ctx context.Context) (err error) {
	if err := p.process.Prepare(ctx); err != nil {
		return err
	}
	p.handle, err = p.Node.Handle(ctx)
	return err
}

func (p *paused) Undo() []Undo { return []Undo{{Do: UndoPause, Args: p.handle}} }

func (p *paused) Inject(ctx context.Context) error {
	ctx, cancel := uncut(ctx, 0)
	defer cancel()
	return p.Node.Pause(ctx)
}

// Look sees that the same process is there, stands still and does not answer.
func (p *paused) Look(ctx context.Context) (string, bool) {
	state, err := p.Node.State(ctx)
	if err != nil {
		return err.Error(), false
	}
	if !state.Paused || state.Life != p.before.Life {
		return fmt.Sprintf("%s %s", p.Node.Name(), describe(state)), false
	}
	seen, ok := p.silent(ctx)
	return "its process stands still; " + seen, ok
}

func (p *paused) Heal(ctx context.Context) error {
	state, err := p.Node.State(ctx)
	if err != nil || !state.Paused {
		return err
	}
	return p.Node.Resume(ctx)
}

// LookHealed does not take another process for the one that was paused.
func (p *paused) LookHealed(ctx context.Context) (string, bool) {
	state, err := p.Node.State(ctx)
	if err == nil && state.Life != p.before.Life {
		return fmt.Sprintf("%s %s, and it is not the process that was paused", p.Node.Name(), describe(state)), false
	}
	return p.process.LookHealed(ctx)
}
