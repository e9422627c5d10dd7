// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package scenarios

import (
	"fmt"
	"time"

	"blackout/harness"
	"blackout/harness/fault"
	"blackout/harness/history"
	"blackout/harness/label"
	"blackout/harness/plan"
	"blackout/harness/topology"
)

// soak takes the control plane away and gives it back, over and over, with a change
// each time. What a node keeps of each time does no harm in one outage, and ends it
// after a month of them. Two more data planes have no control plane all the while: one
// serves from the snapshot, and one has nothing, and neither gives up or asks the store
// again.
var soak = harness.Scenario{
	Name:      "soak-cut-heal",
	Summary:   "the control plane is cut off and comes back 50 times, with a change each time, and is gone all the while for two data planes that are added before",
	Labels:    []label.Label{label.Nightly, label.Outage, label.ScaleOut},
	Promises:  []string{"G2", "G3", "G4", "G10", "G13"},
	Exercises: []string{"G2.1", "G2.2", "G2.3", "G3.1", "G4.1", "G4.3", "G4.5", "G10.1", "G10.2", "G13.1", "G13.3", "G13.5"},
	Plan:      planSoak(50, quickCuts),
	Rounds:    func(cuts int) harness.Planner { return planSoak(cuts, quickCuts) },
}

// shortSoak is the shortest soak that can tell growth from noise.
var shortSoak = harness.Scenario{
	Name:      "soak-cut-heal-short",
	Summary:   "the same 18 times",
	Labels:    soak.Labels,
	Promises:  soak.Promises,
	Exercises: soak.Exercises,
	Plan:      planSoak(18, quickCuts),
}

// silentSoak is one of cuts that take longer to notice, or of which each attempt ends in
// another way: of each kind there are as many as can be told from noise.
var silentSoak = harness.Scenario{
	Name:      "soak-silent-cuts",
	Summary:   "the same 21 times, where the control plane falls silent, does not answer or refuses in turn",
	Labels:    soak.Labels,
	Promises:  soak.Promises,
	Exercises: soak.Exercises,
	Plan:      planSoak(21, silentCuts),
}

// soakCut is a cut, but for whom it is about, and how long it lasts.
type soakCut struct {
	fault.Spec
	lasts time.Duration
}

// quickCuts are noticed at once, but for every tenth.
func quickCuts(i int, timers history.Profile) soakCut {
	switch {
	case i%10 == 9:
		return soakCut{fault.Spec{Kind: fault.HalfOpen}, timers.Silence}
	case i%2 == 1:
		return soakCut{fault.Spec{Kind: fault.Reset}, timers.ReconnectMin}
	}
	return soakCut{fault.Spec{Kind: fault.Exit}, timers.ReconnectMin}
}

// silentCuts are a connection that falls silent, a control plane that does not answer, and
// one that answers each attempt with a refusal.
func silentCuts(i int, timers history.Profile) soakCut {
	switch i % 3 {
	case 0:
		return soakCut{fault.Spec{Kind: fault.HalfOpen}, timers.Silence}
	case 1:
		return soakCut{fault.Spec{Kind: fault.Blackhole}, timers.Silence + timers.DialTimeout}
	}
	return soakCut{fault.Spec{Kind: fault.PlaneBusy, Status: 503}, 2 * timers.ReconnectMax}
}

// soakRate is that of each stream, requests a second: connections must be used, and a
// soak is long.
const soakRate = 10

// The data planes that have no control plane while a soak lasts.
const (
	bereft  = "dp-3" // it imports
	bereft2 = "dp-4" // its store has nothing for it
)

func planSoak(cuts int, of func(int, history.Profile) soakCut) harness.Planner {
	return func(draw plan.Source, timers history.Profile) (topology.Topology, []plan.Step) {
		return residents, soakSteps(draw, timers, cuts, of)
	}
}

func soakSteps(draw plan.Source, timers history.Profile, cuts int, of func(int, history.Profile) soakCut) []plan.Step {
	everyone, planes := []string{backup, running1, running2}, []string{running1, running2}
	t := plan.NewTimetable(timers)
	t.Phase(plan.BringUp,
		harness.BringUp{},
		harness.Configure{Generation: 1, Routes: draw.Between("routes", 80, 120)},
		harness.AwaitServing{Nodes: everyone, Generation: 1, Steady: true},
		harness.AwaitSnapshot{Generation: 1, Steady: true},
	)
	t.Phase("steady",
		harness.StartTraffic{Nodes: planes, Rate: soakRate},
		harness.Hold{For: time.Second, Why: "traffic before the first cut"},
	)
	t.Phase("outage",
		harness.ScaleOut{
			Nodes: []topology.Node{{Name: bereft, Role: topology.DataPlane, Import: true}, {Name: bereft2, Role: topology.DataPlane, Import: true}},
			Faults: []fault.Spec{
				{Kind: fault.Reset, Edge: residents.CPEdge(bereft)},
				{Kind: fault.Reset, Edge: residents.CPEdge(bereft2)}, {Kind: fault.StoreStatus, Node: bereft2, Status: 404},
			},
		},
		harness.AwaitServing{Nodes: []string{bereft}, Generation: 1},
		harness.StartTraffic{Nodes: []string{bereft}, Rate: soakRate},
	)
	for i := range cuts {
		cut := of(i, timers)
		var faults []fault.Spec
		var edges []string
		for _, node := range draw.Shuffle(fmt.Sprintf("order of cut %d", i+1), everyone) {
			cut.Edge = residents.CPEdge(node)
			faults, edges = append(faults, cut.Spec), append(edges, cut.Edge.String())
		}
		t.Phase("outage",
			harness.Inject{Faults: faults},
			harness.Hold{For: cut.lasts, Why: "everybody notices"},
		)
		t.Phase("recovery", harness.Heal{Targets: edges}, harness.Change{Generation: i + 2})
		t.By(t.Now()+timers.ReconnectMax+500*time.Millisecond, harness.AwaitServing{Nodes: everyone, Generation: i + 2})
		t.Then(harness.Hold{For: time.Second, Why: "what the old connections held goes"})
	}
	t.Then(
		harness.AwaitSnapshot{Generation: cuts + 1},
		harness.Heal{},
		harness.AwaitServing{Nodes: append(everyone, bereft, bereft2), Generation: cuts + 1},
		harness.StopTraffic{},
	)
	return t.Steps()
}
