// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package run

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"blackout/harness/history"
	"blackout/harness/plan"
)

// bubbleClock is a run's clock in a synctest bubble.
type bubbleClock struct{ start time.Time }

func (c bubbleClock) Now() history.Time             { return history.Time(time.Since(c.start)) }
func (c bubbleClock) Wall(t history.Time) time.Time { return c.start.Add(time.Duration(t)) }

func at(d time.Duration) plan.Step { return plan.Step{Phase: "outage", At: d} }

// TestPace: the zero is the end of the bring-up, no step begins early, and one
// that is late does not move those after it.
func TestPace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		clock := bubbleClock{time.Now()}
		p := pace{clock: clock}
		seconds := func(n int) history.Time { return history.Time(n) * history.Time(time.Second) }
		for i, c := range []struct {
			step    plan.Step
			takes   time.Duration // what comes before it
			planned history.Time
			begins  history.Time
		}{
			{plan.Step{Phase: plan.BringUp}, 0, 0, 0},
			{plan.Step{Phase: plan.BringUp}, 7 * time.Second, 0, seconds(7)},
			{at(0), 3 * time.Second, seconds(10), seconds(10)},
			{at(5 * time.Second), time.Second, seconds(15), seconds(15)},
			{at(5 * time.Second), 0, seconds(15), seconds(15)},
			{at(8 * time.Second), 4 * time.Second, seconds(18), seconds(19)}, // late
			{at(11 * time.Second), time.Second, seconds(21), seconds(21)},
		} {
			time.Sleep(c.takes)
			planned, err := p.await(t.Context(), c.step)
			if err != nil || planned != c.planned || clock.Now() != c.begins {
				t.Errorf("case %d: planned for %v, begins at %v, %v; want %v and %v", i, planned, clock.Now(), err, c.planned, c.begins)
			}
		}
	})
}

func TestPaceEndsWithTheRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		clock := bubbleClock{time.Now()}
		p := pace{clock: clock}
		interrupt := errors.New("interrupt")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(interrupt) })
		if _, err := p.await(ctx, at(time.Hour)); !errors.Is(err, interrupt) || clock.Now() != history.Time(time.Second) {
			t.Errorf("error %v at %v, want the cause at once", err, clock.Now())
		}
	})
}
