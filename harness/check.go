// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"blackout/harness/fault"
	"blackout/harness/history"
	"blackout/harness/plan"
	"blackout/harness/topology"
)

// DefaultBudget is how long a plan may last, from its zero to its last step,
// where nobody says otherwise.
const DefaultBudget = 30 * time.Minute

// injecting is an action that puts faults in force.
type injecting interface{ injects() []fault.Spec }

// healing is an action that takes faults away.
type healing interface{ heals(fault.Spec) bool }

// naming is an action that presumes nodes that run.
type naming interface{ names() []string }

func (a Inject) injects() []fault.Spec   { return a.Faults }
func (a ScaleOut) injects() []fault.Spec { return a.Faults }

func (a Heal) heals(f fault.Spec) bool {
	return len(a.Targets) == 0 || slices.Contains(a.Targets, f.Target())
}

func (a AwaitServing) names() []string  { return a.Nodes }
func (a AwaitAttempts) names() []string { return a.Nodes }
func (a StartTraffic) names() []string  { return a.Nodes }
func (a Compare) names() []string       { return a.Nodes }

// Check reports the first thing for which a plan is refused: an action that
// cannot be carried out or names a node or edge that is not there, an unusable
// topology, timer profile, stream or fault, traffic that is begun twice, healing of
// what has no fault, impossible times, a length beyond the budget, or a fault that
// no later step heals. A run heals at its end whatever happens; a plan has to say
// so, so that what it says is what is done. Its promises are checked by who judges.
func Check(p plan.Plan, budget time.Duration) error {
	if err := checkProfile(p.Profile); err != nil {
		return err
	}
	if err := p.Topology.Validate(); err != nil {
		return err
	}
	if err := p.Check(budget); err != nil {
		return err
	}
	c := checker{plan: p, probed: make(map[string]bool), ran: make(map[string]topology.Node)}
	for _, s := range p.Steps {
		if err := c.step(s); err != nil {
			return fmt.Errorf("step %d (%s): %w", s.Number, s.Action.Name(), err)
		}
	}
	if len(c.open) > 0 {
		return fmt.Errorf("%s, injected in step %d, is never healed: end the plan with heal", c.open[0].Spec, c.open[0].step)
	}
	return nil
}

// checker goes through a plan as a cluster would.
type checker struct {
	plan   plan.Plan
	now    topology.Topology // what runs
	probed map[string]bool   // nodes with traffic
	open   []unhealed
	ran    map[string]topology.Node // every node that ever ran, as it last was
}

// unhealed is a fault and the step that injected it.
type unhealed struct {
	fault.Spec
	step int
}

// step says why a step cannot follow the ones before it.
func (c *checker) step(s plan.Step) error {
	if _, ok := s.Action.(Action); !ok {
		return errors.New("it cannot be carried out")
	}
	if err := c.change(s.Action); err != nil {
		return err
	}
	if a, ok := s.Action.(naming); ok {
		for _, name := range a.names() {
			if _, there := c.now.Node(name); !there {
				return fmt.Errorf("it names %s, which no step before it starts", name)
			}
		}
	}
	switch a := s.Action.(type) {
	case Plant:
		if err := a.check(); err != nil {
			return err
		}
	case Configure:
		if err := a.check(); err != nil {
			return err
		}
	}
	if err := c.faults(s); err != nil {
		return err
	}
	return c.traffic(s.Action)
}

// change follows what an action starts and ends.
func (c *checker) change(a plan.Action) error {
	switch a := a.(type) {
	case BringUp:
		c.now = c.plan.Topology
	case ScaleOut:
		c.now = c.now.With(a.Nodes...)
	case Become:
		if _, err := c.now.To(a.Topology); err != nil {
			return err
		}
		c.now = a.Topology
	default:
		return nil
	}
	if err := c.now.Validate(); err != nil {
		return err
	}
	for _, n := range c.now.Nodes {
		was, ran := c.ran[n.Name]
		if ran && (was.Role != n.Role || was.Disk != n.Disk || was.Database != n.Database || was.StoreTLS != n.StoreTLS || was.ProxyTLS != n.ProxyTLS) {
			return fmt.Errorf("%s comes back: its role, disk, database and TLS, to the store and to clients, must be as they were", n.Name)
		}
		c.ran[n.Name] = n
	}
	return nil
}

// traffic follows what is probed.
func (c *checker) traffic(a plan.Action) error {
	switch a := a.(type) {
	case StartTraffic:
		if err := a.check(); err != nil {
			return err
		}
		for _, name := range a.Nodes {
			if n, _ := c.now.Node(name); n.Role == topology.ControlPlane {
				return fmt.Errorf("%s is a control plane, which takes no traffic: name a data plane", name)
			}
			if c.probed[name] {
				return fmt.Errorf("traffic to %s has begun before and was not stopped", name)
			}
			c.probed[name] = true
		}
	case StopTraffic:
		clear(c.probed)
	}
	return nil
}

// check says why a stream cannot be sent.
func (a StartTraffic) check() error {
	if a.Rate < 0 || a.Rate > int(time.Second) {
		return fmt.Errorf("%d requests a second cannot be sent", a.Rate)
	}
	for _, s := range a.Streams {
		switch {
		case s.Interval <= 0 && a.Rate == 0:
			return fmt.Errorf("stream %q: give it an interval", s.Name)
		case s.Timeout <= 0:
			return fmt.Errorf("stream %q: give it a timeout", s.Name)
		case !slices.Contains([]string{"", history.RightKey, history.WrongKey}, s.Key):
			return fmt.Errorf("stream %q: unknown key %q: the keys are %s, %s", s.Name, s.Key, history.RightKey, history.WrongKey)
		case s.Guarded && s.Key == history.RightKey || !s.Guarded && s.Key == history.WrongKey:
			return fmt.Errorf("stream %q: a guarded stream shows no right key, any other no wrong one", s.Name)
		}
	}
	return nil
}

// checkProfile says why a plan's timers cannot be used. Its values may be others
// than those that the profile of that name has.
func checkProfile(p history.Profile) error {
	if _, known := topology.Profiles[p.Name]; !known {
		return fmt.Errorf("unknown timer profile %q: the profiles are %s", p.Name, strings.Join(slices.Sorted(maps.Keys(topology.Profiles)), ", "))
	}
	for _, timer := range []struct {
		name  string
		value time.Duration
	}{
		{"reconnect_min", p.ReconnectMin}, {"reconnect_max", p.ReconnectMax}, {"ping_interval", p.PingInterval},
		{"silence", p.Silence}, {"dial_timeout", p.DialTimeout}, {"no_configuration_wait", p.NoConfiguration}, {"export_delay", p.ExportDelay},
	} {
		if timer.value <= 0 {
			return fmt.Errorf("timer profile %s: %s is %s: give it a time", p.Name, timer.name, timer.value)
		}
	}
	return nil
}
