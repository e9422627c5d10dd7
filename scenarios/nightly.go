// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package scenarios

import (
	"fmt"
	"slices"
	"time"

	"blackout/harness"
	"blackout/harness/fault"
	"blackout/harness/history"
	"blackout/harness/label"
	"blackout/harness/plan"
	"blackout/harness/topology"
)

// nightlies are the scenarios of the family nightly.
var nightlies = []harness.Scenario{nemesis, soak, shortSoak, silentSoak}

// nemesis composes what the other scenarios do one at a time. A gateway that
// survives each cut, each load and each order alone may not survive two of them
// together; its rounds are drawn from rows in which all pairs meet.
var nemesis = harness.Scenario{
	Name:     "nemesis",
	Summary:  "rounds of change, cut, scale-out and healing, composed pairwise from cut mode, load, shape, number, order and what else befalls",
	Labels:   []label.Label{label.Nightly, label.Outage, label.ScaleOut},
	Promises: []string{"G1", "G2", "G3", "G4", "G10", "G13"},
	Exercises: []string{
		"G2.1", "G3.1", "G4.3", "G10.1", "G10.2", "G10.3", "G10.4", "G13.3",
	},
	Plan:   nemesisOf(3),
	Rounds: nemesisOf,
}

// nemesisOf plans for so many rounds, or as many as there are.
func nemesisOf(rounds int) harness.Planner {
	return func(draw plan.Source, timers history.Profile) (topology.Topology, []plan.Step) {
		return planNemesis(draw, timers, rounds)
	}
}

// The factors of a round.
var (
	cutModes = []fault.Kind{fault.Exit, fault.Blackhole, fault.HalfOpen, fault.Reset, fault.Drop, fault.Latency, fault.Bandwidth}
	rates    = []int{10, 25, 50}   // requests a second of each stream
	shapes   = []int{20, 100, 300} // routes beside the probed one
	growths  = []growth{{0, false}, {1, false}, {2, false}, {1, true}, {2, true}}
	changes  = []bool{false, true} // whether the configuration changes before the cut
	besides  = []fault.Kind{nothingElse, fault.Restart, fault.Pause, fault.StoreRefuses}
)

// nothingElse is that nothing but the control plane fails.
const nothingElse fault.Kind = ""

// growth is how many data planes are added, and whether before the cut or during
// it. Number and order are one factor: where nothing is added there is no order,
// and a cut that met an order only there would not have met it.
type growth struct {
	added int
	first bool
}

// round is one of the nemesis's rounds: a level of each factor.
type round struct {
	number      int // from 1
	cut         fault.Kind
	rate        int
	routes      int
	growth      growth
	changeFirst bool // the configuration changes before the cut, not during it
	beside      fault.Kind
}

// rounds draws rounds in which every two levels of any two factors meet, in a
// drawn order, but first one that needs the fallback: without it, a run of few
// rounds might not exercise it. Where so many are wanted, all meet again, in another one.
func rounds(draw plan.Source, least int) []round {
	levels := []int{len(cutModes), len(rates), len(shapes), len(growths), len(changes), len(besides)}
	var out []round
	for name := "rounds"; len(out) < max(least, 1); name = fmt.Sprintf("rounds from %d", len(out)+1) {
		for _, r := range draw.Pairwise(name, levels, nil) {
			out = append(out, round{
				cut: cutModes[r[0]], rate: rates[r[1]], routes: shapes[r[2]], growth: growths[r[3]], changeFirst: changes[r[4]], beside: besides[r[5]],
			})
		}
	}
	if first := slices.IndexFunc(out, round.imports); first > 0 {
		out[0], out[first] = out[first], out[0]
	}
	for i := range out {
		out[i].number = i + 1
	}
	return out
}

// severs says whether a data plane that starts during the cut cannot reach the
// control plane.
func (r round) severs() bool {
	return slices.Contains([]fault.Kind{fault.Exit, fault.Blackhole, fault.Reset, fault.Drop}, r.cut)
}

// imports says whether data planes start that have nothing but the snapshot.
func (r round) imports() bool { return r.severs() && r.growth.added > 0 && !r.growth.first }

// fault is the round's cut of an edge.
func (r round) fault(draw plan.Source, edge topology.Edge) fault.Spec {
	f := fault.Spec{Kind: r.cut, Edge: edge}
	switch r.cut {
	case fault.Latency:
		f.Delay = draw.Duration(r.name("delay of "+edge.String()), 60*time.Millisecond, 120*time.Millisecond)
	case fault.Bandwidth:
		f.Rate = int64(draw.Between(r.name("rate of "+edge.String()), 10_000, 20_000))
	}
	return f
}

// name is the name of one of the round's draws.
func (r round) name(use string) string { return fmt.Sprintf("round %d: %s", r.number, use) }

// campaign is a nemesis's plan in the making.
type campaign struct {
	*plan.Timetable
	draw       plan.Source
	timers     history.Profile
	top        topology.Topology
	planes     []string // the data planes so far, but the backup node
	generation int
}

func planNemesis(draw plan.Source, timers history.Profile, n int) (topology.Topology, []plan.Step) {
	c := &campaign{
		Timetable: plan.NewTimetable(timers), draw: draw, timers: timers,
		top: residents, planes: []string{running1, running2},
	}
	drawn := rounds(draw, n)
	c.Phase(plan.BringUp, harness.BringUp{})
	c.configure(drawn[0], true)
	for _, r := range drawn[:n] {
		c.Phase("steady")
		if r.number > 1 {
			c.configure(r, false)
		}
		c.disturb(r)
		c.recover()
	}
	return residents, c.Steps()
}

// next is the next generation.
func (c *campaign) next() int {
	c.generation++
	return c.generation
}

// everyone are all data planes, the backup node first.
func (c *campaign) everyone() []string { return append([]string{backup}, c.planes...) }

// promptly plans for a wait for something that needs no reconnect.
func (c *campaign) promptly(a plan.Action) { c.By(c.Now()+time.Second, a) }

// configure gives the configuration the round's shape, and waits until it is
// served and durable: in the last configuration, every route is there.
func (c *campaign) configure(r round, steady bool) {
	c.Then(harness.Configure{Generation: c.next(), Routes: r.routes})
	c.promptly(harness.AwaitServing{Nodes: c.everyone(), Generation: c.generation, Steady: steady})
	c.change(steady)
}

// change changes the configuration of connected data planes.
func (c *campaign) change(steady bool) {
	c.Then(harness.Change{Generation: c.next()})
	c.promptly(harness.AwaitServing{Nodes: c.everyone(), Generation: c.generation, Steady: steady})
	c.Then(harness.AwaitSnapshot{Generation: c.generation, Steady: steady})
}

// disturb is a round from its traffic to the end of its outage.
func (c *campaign) disturb(r round) {
	c.Then(
		harness.StartTraffic{Nodes: c.planes, Rate: r.rate},
		harness.Hold{For: c.draw.Duration(r.name("steady"), time.Second, 2*time.Second), Why: "traffic before the outage"},
	)
	if r.changeFirst {
		c.change(false)
	}
	if r.growth.first {
		c.add(r, nil)
	}
	c.Phase("outage")
	var faults []fault.Spec
	for _, node := range c.draw.Shuffle(r.name("order of cuts"), c.everyone()) {
		faults = append(faults, r.fault(c.draw, c.top.CPEdge(node)))
	}
	c.Then(harness.Inject{Faults: faults})
	if !r.growth.first {
		c.add(r, func(edge topology.Edge) []fault.Spec {
			if r.cut == fault.HalfOpen {
				return nil // it has no connection that could fall silent
			}
			return []fault.Spec{r.fault(c.draw, edge)}
		})
	}
	c.befall(r)
	if !r.changeFirst {
		c.Then(harness.Change{Generation: c.next()})
	}
	c.Then(harness.Hold{
		For: c.timers.Silence + c.timers.ReconnectMax + c.timers.DialTimeout + c.draw.Duration(r.name("outage"), 0, time.Second),
		Why: "everybody notices",
	})
}

// befall lets the round's other fault befall somebody who was there before: a data plane,
// or the store of the backup node.
func (c *campaign) befall(r round) {
	switch r.beside {
	case fault.Restart:
		c.Then(
			harness.Inject{Faults: []fault.Spec{{Kind: fault.Restart, Node: running1}}},
			harness.AwaitServing{Nodes: []string{running1}, Generation: c.generation},
		)
	case fault.Pause:
		c.Then(harness.Inject{Faults: []fault.Spec{{Kind: fault.Pause, Node: running2}}})
	case fault.StoreRefuses:
		c.Then(harness.Inject{Faults: []fault.Spec{{Kind: fault.StoreRefuses, Node: backup}}})
	}
}

// add adds the round's data planes with faults on their edges to the control
// plane, and traffic to them.
func (c *campaign) add(r round, faults func(topology.Edge) []fault.Spec) {
	if r.growth.added == 0 {
		return
	}
	var out harness.ScaleOut
	var names []string
	for range r.growth.added {
		name := fmt.Sprintf("dp-%d", len(c.planes)+len(names)+1)
		names = append(names, name)
		out.Nodes = append(out.Nodes, topology.Node{Name: name, Role: topology.DataPlane, Import: true})
		if faults != nil {
			out.Faults = append(out.Faults, faults(c.top.CPEdge(name))...)
		}
	}
	c.planes = slices.Concat(c.planes, names)
	c.Then(
		out,
		harness.AwaitServing{Nodes: names, Generation: c.generation},
		harness.StartTraffic{Nodes: names, Rate: r.rate},
	)
}

// recover heals, and waits until everybody has converged.
func (c *campaign) recover() {
	c.Phase("recovery",
		harness.Heal{},
		harness.AwaitServing{Nodes: c.everyone(), Generation: c.generation},
		harness.AwaitSnapshot{Generation: c.generation},
		harness.Hold{For: time.Second, Why: "traffic after the recovery"},
		harness.StopTraffic{},
	)
}
