// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package run

import (
	"context"
	"time"

	"blackout/harness/history"
	"blackout/harness/plan"
)

// clock is the run's, as the recording has it.
type clock interface {
	Now() history.Time
	Wall(t history.Time) time.Time
}

// pace keeps steps to their planned times: late is allowed, early never. The
// experiment's zero is the moment at which its first step after the bring-up
// could begin.
type pace struct {
	clock clock
	begun bool
	zero  history.Time
}

// await waits until a step's time has come, and returns it on the run's clock; it
// is 0 for a step without one. The error is ctx's cause.
func (p *pace) await(ctx context.Context, step plan.Step) (planned history.Time, err error) {
	if step.Phase == plan.BringUp {
		return 0, nil
	}
	if !p.begun {
		p.begun, p.zero = true, p.clock.Now()
	}
	planned = p.zero + history.Time(step.At)
	t := time.NewTimer(time.Until(p.clock.Wall(planned)))
	defer t.Stop()
	select {
	case <-t.C:
		return planned, nil
	case <-ctx.Done():
		return planned, context.Cause(ctx)
	}
}
