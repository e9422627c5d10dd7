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
// after a month of them.
var soak = harness.Scenario{
	Name:      "soak-cut-heal",
	Summary:   "the control plane is cut off and comes back 50 times, with a change each time",
	Labels:    []label.Label{label.Nightly, label.Outage},
	Promises:  []string{"G4", "G10", "G13"},
	Exercises: []string{"G4.3", "G4.5", "G10.1", "G10.2", "G13.3", "G13.5"},
	Plan:      planSoak(50),
	Rounds:    planSoak,
}

// shortSoak is the shortest soak that can tell growth from noise.
var shortSoak = harness.Scenario{
	Name:      "soak-cut-heal-short",
	Summary:   "the same 18 times",
	Labels:    soak.Labels,
	Promises:  soak.Promises,
	Exercises: soak.Exercises,
	Plan:      planSoak(18),
}

// silentEvery is how many cuts there are to one that the nodes find out by silence,
// which takes much longer.
const silentEvery = 10

// soakRate is that of each stream, requests a second: connections must be used, and a
// soak is long.
const soakRate = 10

func planSoak(cuts int) harness.Planner {
	return func(draw plan.Source, timers history.Profile) (topology.Topology, []plan.Step) {
		return residents, soakSteps(draw, timers, cuts)
	}
}

func soakSteps(draw plan.Source, timers history.Profile, cuts int) []plan.Step {
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
	for i := range cuts {
		kind, lasts := fault.Exit, timers.ReconnectMin
		switch {
		case i%silentEvery == silentEvery-1:
			kind, lasts = fault.HalfOpen, timers.Silence
		case i%2 == 1:
			kind = fault.Reset
		}
		var faults []fault.Spec
		for _, node := range draw.Shuffle(fmt.Sprintf("order of cut %d", i+1), everyone) {
			faults = append(faults, fault.Spec{Kind: kind, Edge: residents.CPEdge(node)})
		}
		t.Phase("outage",
			harness.Inject{Faults: faults},
			harness.Hold{For: lasts, Why: "everybody notices"},
		)
		t.Phase("recovery", harness.Heal{}, harness.Change{Generation: i + 2})
		t.By(t.Now()+timers.ReconnectMax+500*time.Millisecond, harness.AwaitServing{Nodes: everyone, Generation: i + 2})
		t.Then(harness.Hold{For: time.Second, Why: "what the old connections held goes"})
	}
	t.Then(harness.AwaitSnapshot{Generation: cuts + 1}, harness.StopTraffic{})
	return t.Steps()
}
