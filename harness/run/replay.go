// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package run

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"blackout/harness"
	"blackout/harness/plan"
)

// Draw draws a scenario's plan from the options' seed, timers and budget.
func (o *Options) Draw(scenario harness.Scenario) (plan.Plan, error) {
	timers, err := timerProfile(o.Timers)
	if err != nil {
		return plan.Plan{}, err
	}
	scenario.Budget = cmp.Or(o.Budget, scenario.Budget)
	p, err := scenario.NewPlan(o.Seed, timers)
	if errors.Is(err, plan.ErrBudget) {
		err = fmt.Errorf("%w: %w", ErrUsage, err)
	}
	if err != nil {
		return p, err
	}
	if err := checkPromises(p); err != nil {
		return plan.Plan{}, fmt.Errorf("scenario %s: %w", scenario.Name, err)
	}
	return p, nil
}

// ReadPlan reads the plan of a finished run's directory, or a file that holds a
// plan. No plan lasts longer than budget; 0 is the default.
func ReadPlan(path string, budget time.Duration) (plan.Plan, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, planFile)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return plan.Plan{}, fmt.Errorf("%w: read plan: %w", ErrUsage, err)
	}
	p, err := harness.DecodePlan(b, cmp.Or(budget, harness.DefaultBudget))
	if err == nil {
		err = checkPromises(p)
	}
	if err != nil {
		return plan.Plan{}, fmt.Errorf("%w: %s: %w", ErrUsage, path, err)
	}
	return p, nil
}

// apply checks the options and gives the plan their timers, if they name any.
// Its times stay as they were drawn: other timers can make steps late.
func (o *Options) apply(p plan.Plan) (plan.Plan, error) {
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	if err := o.validate(); err != nil {
		return p, err
	}
	if err := checkPromises(p); err != nil {
		return p, fmt.Errorf("plan %s: %w", p.Scenario, err)
	}
	if o.Timers == "" || o.Timers == p.Profile.Name {
		return p, nil
	}
	timers, err := timerProfile(o.Timers)
	p.Profile = timers
	return p, err
}
