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

// fleet adds fifty data planes at once while the control plane is dark. All of them
// import, and when it returns all of them come to it: none may storm it, and none may
// be left behind.
var fleet = harness.Scenario{
	Name:     "limits-fleet",
	Summary:  "fifty data planes are added in one go during the outage and import, beside two that run; then the control plane returns to all of them",
	Labels:   []label.Label{label.Limits, label.Nightly, label.Outage, label.ScaleOut},
	Promises: []string{"G1", "G2", "G3", "G4", "G10", "G13"},
	Exercises: []string{
		"G1.1", "G1.3", "G2.1", "G2.3", "G3.1", "G4.1", "G4.2", "G4.3", "G4.5", "G4.6", "G4.9",
		"G10.1", "G10.3", "G10.4", "G10.5", "G10.6", "G13.1", "G13.2", "G13.3",
	},
	Plan: planFleet,
}

// fleetSize is how many data planes import at once.
const fleetSize = 50

func planFleet(draw plan.Source, timers history.Profile) (topology.Topology, []plan.Step) {
	const running2, waiting = "dp-2", "waiting" // the second may not import
	top := pair().With(topology.Node{Name: running2, Role: topology.DataPlane, Import: true})
	crowd, importers := harness.ScaleOut{}, []string{}
	add := func(n topology.Node) {
		crowd.Nodes = append(crowd.Nodes, n)
		crowd.Faults = append(crowd.Faults, fault.Spec{Kind: fault.Reset, Edge: top.CPEdge(n.Name)})
	}
	for i := range fleetSize {
		name := fmt.Sprintf("fleet-%02d", i+1)
		importers = append(importers, name)
		add(topology.Node{Name: name, Role: topology.DataPlane, Import: true})
	}
	add(topology.Node{Name: waiting, Role: topology.DataPlane})
	running := []string{backup, running1, running2}
	good, newest := 2, 3
	t := plan.NewTimetable(timers)
	bringUp(t, running, draw.Between("routes", 40, 80))
	t.Phase("steady",
		harness.StartTraffic{Nodes: running[1:], Rate: 20},
		harness.Hold{For: draw.Duration("steady", time.Second, 2*time.Second), Why: "traffic before the outage"},
	)
	t.Phase("outage",
		harness.Inject{Faults: cutAll(top, running...)},
		crowd,
		harness.AwaitServing{Nodes: importers, Generation: good},
		harness.StartTraffic{Nodes: append([]string{waiting}, importers...), Rate: 1},
		harness.Change{Generation: newest},
		// As many attempts as it takes to tell chance from step among so many.
		harness.Hold{For: 15*timers.ReconnectMax + draw.Duration("outage", 0, time.Second), Why: "all of them dial in vain"},
	)
	t.Phase("recovery",
		harness.Heal{},
		harness.AwaitServing{Nodes: slices.Concat(running, []string{waiting}, importers), Generation: newest},
		harness.AwaitSnapshot{Generation: newest},
		harness.Hold{For: 2 * timers.ReconnectMax, Why: "who is connected stays so"},
		harness.StopTraffic{},
	)
	return top, t.Steps()
}
