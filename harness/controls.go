// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"time"

	"blackout/harness/fault"
	"blackout/harness/history"
)

// Control is a known-bad use of the harness itself. What rests on what it spoils
// must come out INVALID: a harness that does not notice would believe anything.
type Control string

// The controls.
const (
	NoControl  Control = ""
	NoopCut    Control = "noop-cut"    // every cut claims to be made and is not
	LapsingCut Control = "lapsing-cut" // every cut is made, and ends unannounced once it was witnessed
	NoopHeal   Control = "noop-heal"   // every healing claims to be done and is not
	NoTraffic  Control = "no-traffic"  // no probe is sent
	ClosedLoop Control = "closed-loop" // each probe waits for the answer to the last, and claims to be on time
	ClockStep  Control = "clock-step"  // the run's clock is stepped back, once
)

// Controls are the controls, for messages and tests.
var Controls = []Control{NoopCut, LapsingCut, NoopHeal, NoTraffic, ClosedLoop, ClockStep}

// When and by how much the clock is stepped under [ClockStep].
const (
	stepAfter = 5 * time.Second
	stepBack  = 2 * time.Second
)

// Clock is the clock of a run under the control. It begins now.
func (c Control) Clock() history.Clock {
	if c != ClockStep {
		return time.Now
	}
	begin := time.Now()
	return func() time.Time {
		now := time.Now()
		if now.Sub(begin) > stepAfter {
			return now.Add(-stepBack)
		}
		return now
	}
}

// lapsing are means whose fault ends once it was seen in force.
type lapsing struct{ fault.Means }

// Look implements fault.Means.
func (l lapsing) Look(ctx context.Context) (string, bool) {
	seen, inForce := l.Means.Look(ctx)
	if !inForce {
		return seen, false
	}
	if err := l.Heal(ctx); err != nil {
		return err.Error(), false
	}
	return seen, true
}

// Lapsed implements fault.Lapser.
func (l lapsing) Lapsed(ctx context.Context) (string, bool) {
	if means, ok := l.Means.(fault.Lapser); ok {
		return means.Lapsed(ctx)
	}
	return "", false
}

// neverHealed are means whose healing claims to be done, and is done when they are
// cleaned up.
type neverHealed struct{ fault.Means }

// Heal implements fault.Means.
func (neverHealed) Heal(context.Context) error { return nil }

// Clean implements fault.Means.
func (u neverHealed) Clean(ctx context.Context) error {
	if err := u.Means.Heal(ctx); err != nil {
		return err
	}
	return u.Means.Clean(ctx)
}
