// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package scenarios

import (
	"time"

	"blackout/harness"
	"blackout/harness/fault"
	"blackout/harness/history"
	"blackout/harness/label"
	"blackout/harness/plan"
	"blackout/harness/topology"
)

// mostRoutes is an outage with a configuration of a hundred thousand routes, in the
// smallest topology that has all parts: a data plane that runs takes over a change of
// it beside its traffic, and one that is added imports all of it.
var mostRoutes = harness.Scenario{
	Name:     "limits-100k",
	Summary:  "a data plane serves through a change of a hundred thousand routes, and one that is added during an outage imports them",
	Labels:   []label.Label{label.Limits, label.Nightly, label.Outage, label.ScaleOut},
	Promises: []string{"G2", "G3", "G4", "G6", "G10"},
	Exercises: []string{
		"G2.1", "G3.1", "G4.3", "G4.5", "G6.1", "G6.3", "G10.1", "G10.2", "G10.4", "G10.10",
	},
	Plan: planMostRoutes,
}

func planMostRoutes(draw plan.Source, timers history.Profile) (topology.Topology, []plan.Step) {
	const added = importer
	top := topology.Topology{}.With(
		topology.Node{Name: "cp", Role: topology.ControlPlane, Export: true, Routes: 99_999},
		topology.Node{Name: running1, Role: topology.DataPlane, Import: true},
	)
	first, good, newest := topology.Filled, 2, 3
	t := plan.NewTimetable(timers)
	t.Phase(plan.BringUp,
		harness.BringUp{},
		harness.AwaitServing{Nodes: []string{running1}, Generation: first, Steady: true},
		harness.AwaitSnapshot{Generation: first, Steady: true},
	)
	t.Phase("steady",
		harness.StartTraffic{Nodes: []string{running1}, Rate: 20},
		harness.Hold{For: draw.Duration("steady", 2*time.Second, 4*time.Second), Why: "traffic before the change"},
		harness.Change{Generation: good},
		harness.AwaitServing{Nodes: []string{running1}, Generation: good, Steady: true},
		harness.AwaitSnapshot{Generation: good, Steady: true},
		harness.Hold{For: 2 * time.Second, Why: "traffic before the outage"},
	)
	t.Phase("outage",
		harness.Inject{Faults: cutAll(top, running1)},
		harness.ScaleOut{
			Nodes:  []topology.Node{{Name: added, Role: topology.DataPlane, Import: true}},
			Faults: []fault.Spec{{Kind: fault.Reset, Edge: top.CPEdge(added)}},
		},
		harness.AwaitServing{Nodes: []string{added}, Generation: good},
		harness.StartTraffic{Nodes: []string{added}, Rate: 20},
		harness.Change{Generation: newest},
		harness.Hold{For: draw.Duration("outage", 6*time.Second, 8*time.Second), Why: "traffic to routes from the first to the last"},
	)
	t.Phase("recovery",
		harness.Heal{},
		harness.AwaitServing{Nodes: []string{running1, added}, Generation: newest},
		harness.Hold{For: 2 * time.Second, Why: "traffic after the recovery"},
		harness.StopTraffic{},
	)
	return top, t.Steps()
}
