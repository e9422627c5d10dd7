// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package shrink

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"blackout/harness"
	"blackout/harness/fault"
	"blackout/harness/plan"
	"blackout/harness/topology"
)

// focused is the plan with one clause to judge, and its promise.
func focused(p plan.Plan, clause string) plan.Plan {
	promise, _, _ := strings.Cut(clause, ".")
	p.Promises, p.Exercises = []string{promise}, []string{clause}
	return p
}

// edited is the plan with other steps: edit is called with each and returns what
// becomes of its action, or nil. A step that goes takes its time with it.
func edited(p plan.Plan, edit func(i int, step plan.Step) plan.Action) plan.Plan {
	var steps []plan.Step
	var at time.Duration
	for i, step := range p.Steps {
		action := edit(i, step)
		if action == nil {
			continue
		}
		length := lengthOf(p, i)
		was, isHold := step.Action.(harness.Hold)
		if is, ok := action.(harness.Hold); isHold && ok {
			length -= was.For - is.For
		}
		next := plan.Step{Number: len(steps) + 1, Phase: step.Phase, Action: action}
		if step.Phase != plan.BringUp {
			next.At = at
			at += max(length, 0)
		}
		steps = append(steps, next)
	}
	p.Steps = steps
	return p
}

// lengthOf is the time from a step to the one after it.
func lengthOf(p plan.Plan, i int) time.Duration {
	if i+1 == len(p.Steps) || p.Steps[i].Phase == plan.BringUp {
		return 0
	}
	return p.Steps[i+1].At - p.Steps[i].At
}

func withoutSteps(p plan.Plan, drop func(i int) bool) plan.Plan {
	return edited(p, func(i int, step plan.Step) plan.Action {
		if drop(i) {
			return nil
		}
		return step.Action
	})
}

// upTo is the plan's first steps, with everything healed in the end.
func upTo(p plan.Plan, n int) plan.Plan {
	short := withoutSteps(p, func(i int) bool { return i >= n })
	if n < len(p.Steps) && p.Steps[n-1].Phase != plan.BringUp {
		short.Steps = append(short.Steps, plan.Step{Number: n + 1, Phase: "recovery", At: p.Steps[n].At - p.Steps[0].At, Action: harness.Heal{}})
	}
	return short
}

// withHolds is the plan with some holds half as long.
func withHolds(p plan.Plan, some func(i int) bool) plan.Plan {
	return edited(p, func(i int, step plan.Step) plan.Action {
		if h, ok := step.Action.(harness.Hold); ok && some(i) && h.For > shortestHold {
			h.For = max(h.For/2, shortestHold)
			return h
		}
		return step.Action
	})
}

func withoutFaults(p plan.Plan, drop func(fault.Spec) bool) plan.Plan {
	kept := func(all []fault.Spec) []fault.Spec { return slices.DeleteFunc(slices.Clone(all), drop) }
	return edited(p, func(_ int, step plan.Step) plan.Action {
		switch a := step.Action.(type) {
		case harness.Inject:
			a.Faults = kept(a.Faults)
			return a
		case harness.ScaleOut:
			a.Faults = kept(a.Faults)
			return a
		}
		return step.Action
	})
}

// withoutNode is the plan without a node, and without what names it.
func withoutNode(p plan.Plan, name string) plan.Plan {
	nodes := func(all []topology.Node) []topology.Node {
		return slices.DeleteFunc(slices.Clone(all), func(n topology.Node) bool { return n.Name == name })
	}
	names := func(all []string) []string {
		return slices.DeleteFunc(slices.Clone(all), func(n string) bool { return n == name })
	}
	p = withoutFaults(p, func(f fault.Spec) bool { return f.Node == name || f.Edge.From == name })
	p.Topology.Nodes = nodes(p.Topology.Nodes)
	return edited(p, func(_ int, step plan.Step) plan.Action {
		switch a := step.Action.(type) {
		case harness.ScaleOut:
			a.Nodes = nodes(a.Nodes)
			return a
		case harness.Become:
			a.Topology.Nodes = nodes(a.Topology.Nodes)
			return a
		case harness.AwaitServing:
			a.Nodes = names(a.Nodes)
			return a
		case harness.AwaitAttempts:
			a.Nodes = names(a.Nodes)
			return a
		case harness.StartTraffic:
			a.Nodes = names(a.Nodes)
			return a
		}
		return step.Action
	})
}

// repaired is the plan without what its other steps left without a purpose: steps that
// name nobody, and healing of what has no fault. What names a node that no step starts
// any more goes too, and a node without which a fault has no target.
func repaired(p plan.Plan) plan.Plan {
	there := make(map[string]bool)
	for _, n := range harness.Nodes(p) {
		there[n.Name] = true
	}
	gone := func(names []string) []string {
		return slices.DeleteFunc(slices.Clone(names), func(n string) bool { return !there[n] })
	}
	open := make(map[string]bool)
	return edited(p, func(_ int, step plan.Step) plan.Action {
		switch a := step.Action.(type) {
		case harness.AwaitServing:
			a.Nodes = gone(a.Nodes)
			return unless(len(a.Nodes) == 0, a)
		case harness.AwaitAttempts:
			a.Nodes = gone(a.Nodes)
			return unless(len(a.Nodes) == 0, a)
		case harness.StartTraffic:
			a.Nodes = gone(a.Nodes)
			return unless(len(a.Nodes) == 0, a)
		case harness.Inject:
			a.Faults = standing(a.Faults, there)
			note(open, a.Faults)
			return unless(len(a.Faults) == 0, a)
		case harness.ScaleOut:
			a.Faults = standing(a.Faults, there)
			note(open, a.Faults)
			return unless(len(a.Nodes) == 0, a)
		case harness.Heal:
			return healing(a, open)
		}
		return step.Action
	})
}

func unless(empty bool, a plan.Action) plan.Action {
	if empty {
		return nil
	}
	return a
}

// standing are the faults whose node is still there.
func standing(faults []fault.Spec, there map[string]bool) []fault.Spec {
	return slices.DeleteFunc(slices.Clone(faults), func(f fault.Spec) bool {
		return f.Node != "" && !there[f.Node] || f.Edge.From != "" && !there[f.Edge.From]
	})
}

func note(open map[string]bool, faults []fault.Spec) {
	for _, f := range faults {
		open[f.Target()] = true
	}
}

// healing is what of a heal is left to do: nil if nothing.
func healing(a harness.Heal, open map[string]bool) plan.Action {
	if len(a.Targets) == 0 {
		nothing := len(open) == 0
		clear(open)
		return unless(nothing, a)
	}
	a.Targets = slices.DeleteFunc(slices.Clone(a.Targets), func(t string) bool { return !open[t] })
	for _, t := range a.Targets {
		delete(open, t)
	}
	return unless(len(a.Targets) == 0, a)
}

// faults are all faults that a plan puts in force, in order.
func faults(p plan.Plan) []fault.Spec {
	var out []fault.Spec
	for _, step := range p.Steps {
		switch a := step.Action.(type) {
		case harness.Inject:
			out = append(out, a.Faults...)
		case harness.ScaleOut:
			out = append(out, a.Faults...)
		}
	}
	return out
}

// targets are what the faults act on, each once, in order.
func targets(p plan.Plan) []string {
	var out []string
	for _, f := range faults(p) {
		if !slices.Contains(out, f.Target()) {
			out = append(out, f.Target())
		}
	}
	return out
}

// FaultSteps is how many steps of a plan put faults in force.
func FaultSteps(p plan.Plan) int {
	n := 0
	for _, step := range p.Steps {
		switch a := step.Action.(type) {
		case harness.Inject:
			n++
		case harness.ScaleOut:
			if len(a.Faults) > 0 {
				n++
			}
		}
	}
	return n
}

// size says how large a plan is.
func size(p plan.Plan) string {
	return fmt.Sprintf("%d steps, %d of them with faults, %d nodes, %s", len(p.Steps), FaultSteps(p), len(harness.Nodes(p)), p.Length())
}
