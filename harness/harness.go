// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package harness is what a scenario holds in its hand: the actions that it can
// plan, and the [Cluster] on which they are carried out. A [Scenario] is a
// value; harness/run runs it, for the command line and for tests alike.
//
// Actions act and wait; they judge nothing. What happened goes into the
// recording, and oracles judge that after the fact. A wait whose condition does
// not come about is recorded, and the run goes on: a broken gateway is a result.
package harness

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"blackout/harness/history"
	"blackout/harness/label"
	"blackout/harness/plan"
	"blackout/harness/topology"
)

// Scenario is an experiment: a topology, steps, and the promises it judges.
type Scenario struct {
	Name     string
	Summary  string        // one line
	Labels   []label.Label // of label.Scenarios: what it does, for those who choose
	Promises []string      // "G1" …, in order

	// Exercises are the clauses that the scenario is there to exercise: one that
	// a run does not measure leaves its promise NOT MEASURED.
	Exercises []string

	Plan Planner

	// Rounds plans for a number of rounds, from 1, where Plan has one by default: set by
	// scenarios that do the same over and over.
	Rounds func(rounds int) Planner

	Budget time.Duration // its plans last no longer; 0: DefaultBudget
}

// Planner draws steps, laid out in time by a plan.Timetable.
type Planner func(draw plan.Source, timers history.Profile) (topology.Topology, []plan.Step)

// MaxRounds is how many rounds a scenario may have.
const MaxRounds = 1000

// WithRounds is the scenario with a number of rounds, from 1 to [MaxRounds].
func (s Scenario) WithRounds(rounds int) (Scenario, error) {
	switch {
	case s.Rounds == nil:
		return s, fmt.Errorf("scenario %s has no rounds whose number could be chosen", s.Name)
	case rounds < 1 || rounds > MaxRounds:
		return s, fmt.Errorf("scenario %s has from 1 to %d rounds, not %d", s.Name, MaxRounds, rounds)
	}
	s.Plan = s.Rounds(rounds)
	return s, nil
}

// NewPlan draws the scenario's plan from a seed. Its error says why the plan must
// not be carried out, which is the scenario's fault.
func (s Scenario) NewPlan(seed uint64, timers history.Profile) (plan.Plan, error) {
	if err := label.Check(s.Labels, label.Scenarios); err != nil {
		return plan.Plan{}, fmt.Errorf("scenario %s: %w", s.Name, err)
	}
	top, steps := s.Plan(plan.NewSource(seed), timers)
	for i := range steps {
		steps[i].Number = i + 1
	}
	p := plan.Plan{Scenario: s.Name, Seed: seed, Profile: timers, Topology: top, Promises: s.Promises, Exercises: s.Exercises, Steps: steps}
	if err := Check(p, cmp.Or(s.Budget, DefaultBudget)); err != nil {
		return plan.Plan{}, fmt.Errorf("scenario %s: %w", s.Name, err)
	}
	return p, nil
}

// Action is a planned action that can be carried out.
type Action interface {
	plan.Action
	Do(ctx context.Context, c *Cluster) error
}

// ErrUnsteady is returned, wrapped, when the state that a fault is to disturb
// was never reached. Nothing can be judged then.
var ErrUnsteady = errors.New("steady state not reached")

// ErrEnvironment is returned, wrapped, when something that is neither gateway nor
// harness failed: the store, Toxiproxy, the machine.
var ErrEnvironment = errors.New("environment failed")

// ErrPanic is returned, wrapped, when the harness panicked.
var ErrPanic = errors.New("harness panicked")
