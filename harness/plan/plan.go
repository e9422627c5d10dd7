// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package plan turns a seed into numbered steps before anything starts. Its
// central type is [Plan], which is printed, saved and carried out as it is, and
// can be read back and carried out again.
//
// Every random draw of a run is made here, from named streams: the draws of one
// name depend on the seed and that name alone, so that adding a draw elsewhere
// shifts nothing. The same seed gives the same plan, byte for byte.
//
// Steps have absolute times, laid out by a [Timetable]: a step never begins
// before its time, whatever the ones before it did.
package plan

import (
	"errors"
	"fmt"
	"io"
	"time"

	"blackout/harness/history"
	"blackout/harness/topology"
)

// Action is what a step does. Its exported fields are its arguments and are
// printed with the plan.
type Action interface {
	// Title says in a few words what the action does, for people.
	Title() string
	// Name is the action's name in the plan's file.
	Name() string
}

// Step is one numbered step.
type Step struct {
	Number int
	Phase  string        // the phase that the step belongs to: "bring-up", "steady", "outage", "recovery"
	At     time.Duration // when it begins, since the experiment's zero; not used in the bring-up
	Action Action
}

// Plan is what a run will do.
type Plan struct {
	Scenario  string
	Seed      uint64
	Profile   history.Profile
	Topology  topology.Topology // at the start; steps add to it
	Promises  []string
	Exercises []string // clauses that it is there to exercise
	Steps     []Step
}

// Length is how long the experiment is planned to last, from its zero to the
// beginning of its last step.
func (p Plan) Length() time.Duration {
	if len(p.Steps) == 0 {
		return 0
	}
	return p.Steps[len(p.Steps)-1].At
}

// ErrBudget is returned, wrapped, for a plan that lasts too long.
var ErrBudget = errors.New("over the budget")

// Check reports the first thing that makes the plan's times impossible, or that
// its length is beyond a budget.
func (p Plan) Check(budget time.Duration) error {
	begun, at := false, time.Duration(0)
	for _, s := range p.Steps {
		fault := ""
		switch {
		case s.Phase == BringUp && begun:
			fault = "a step of the bring-up follows others"
		case s.Phase == BringUp:
			continue
		case !begun && s.At != 0:
			fault = fmt.Sprintf("the first step after the bring-up is planned for %s, not for 0s", s.At)
		case s.At < at:
			fault = fmt.Sprintf("it is planned for %s, the step before it for %s", s.At, at)
		}
		if fault != "" {
			return fmt.Errorf("step %d (%s): %s", s.Number, s.Action.Name(), fault)
		}
		begun, at = true, s.At
	}
	switch {
	case len(p.Steps) == 0:
		return errors.New("there is no step")
	case p.Length() > budget:
		return fmt.Errorf("%w: it is planned to last %s, and may last %s", ErrBudget, p.Length(), budget)
	}
	return nil
}

// Print writes the plan for people.
func (p Plan) Print(w io.Writer) error {
	_, err := fmt.Fprintf(w, "plan      %s\nseed      %d\ntimers    %s\npromises  %v\nlength    %s after the bring-up\n",
		p.Scenario, p.Seed, p.Profile.Name, p.Promises, p.Length())
	for _, n := range p.Topology.Nodes {
		if err == nil {
			_, err = fmt.Fprintf(w, "node      %s\n", describe(n))
		}
	}
	phase := ""
	for _, s := range p.Steps {
		if err != nil {
			return err
		}
		if s.Phase != phase {
			phase = s.Phase
			if _, err = fmt.Fprintf(w, "\n%s\n", phase); err != nil {
				return err
			}
		}
		_, err = fmt.Fprintf(w, "  %2d  %10s  %s\n", s.Number, s.when(), s.Action.Title())
	}
	return err
}

// when is the step's time as it is printed, in seconds.
func (s Step) when() string {
	if s.Phase == BringUp {
		return ""
	}
	return fmt.Sprintf("%.3f s", s.At.Seconds())
}

func describe(n topology.Node) string {
	s := fmt.Sprintf("%-8s %s", n.Name, n.Role)
	if n.Import {
		s += ", imports"
	}
	if n.Export {
		s += ", exports"
	}
	return s
}
