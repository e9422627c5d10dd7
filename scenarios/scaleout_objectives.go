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

// scaleOutObjectives repeats, within one outage, what the objectives of the tier ci
// count: as many changes, starts and requests as they take to be proven.
var scaleOutObjectives = harness.Scenario{
	Name:     "scaleout-objectives",
	Summary:  "twenty changes, then an outage in which five data planes are added, with as much traffic as fixtures/slo/ci.yaml takes to be proven",
	Labels:   []label.Label{label.ScaleOut, label.Nightly, label.Outage, label.Export},
	Promises: []string{"G1", "G2", "G3", "G4", "G6", "G10", "G13"},
	Exercises: []string{
		"G1.1", "G1.3", "G2.1", "G2.3", "G3.1", "G4.1", "G4.3", "G4.5", "G6.1", "G10.1", "G10.2", "G10.3", "G10.4", "G10.5", "G10.6", "G13.3",
	},
	Plan: planScaleOutObjectives,
}

// What the tier ci takes: 20 changes, of which bring-up makes two, 5 starts, and 3 000
// requests during the outage.
const (
	objectiveChanges  = 20
	objectiveStarts   = 5
	objectiveRequests = 3000
	objectiveRate     = 25 // requests a second of each stream
)

func planScaleOutObjectives(draw plan.Source, timers history.Profile) (topology.Topology, []plan.Step) {
	top := residents
	running := []string{running1, running2}
	everyone := append([]string{backup}, running...)
	var exits []fault.Spec
	for _, node := range draw.Shuffle("order of cuts", everyone) {
		exits = append(exits, fault.Spec{Edge: top.CPEdge(node), Kind: fault.Exit})
	}
	var crowd harness.ScaleOut
	var added []string
	for i := range objectiveStarts {
		name := fmt.Sprintf("dp-%d", len(running)+1+i)
		added = append(added, name)
		crowd.Nodes = append(crowd.Nodes, topology.Node{Name: name, Role: topology.DataPlane, Import: true})
		crowd.Faults = append(crowd.Faults, fault.Spec{Edge: top.CPEdge(name), Kind: fault.Reset})
	}
	t := plan.NewTimetable(timers)
	bringUp(t, everyone, draw.Between("routes", 80, 120))
	t.Phase("steady", harness.StartTraffic{Nodes: running, Rate: objectiveRate})
	for generation := 3; generation <= objectiveChanges; generation++ {
		t.Then(harness.Change{Generation: generation}, harness.AwaitSnapshot{Generation: generation})
	}
	newest := objectiveChanges + 1
	t.Phase("outage",
		harness.Inject{Faults: exits},
		crowd,
		harness.AwaitServing{Nodes: added, Generation: objectiveChanges},
		harness.StartTraffic{Nodes: added, Rate: objectiveRate},
		harness.Hold{For: outageFor(len(running) + len(added)), Why: "requests enough for the objectives"},
		harness.Change{Generation: newest},
	)
	t.Phase("recovery",
		harness.Heal{},
		harness.AwaitServing{Nodes: append(everyone, added...), Generation: newest},
		harness.AwaitSnapshot{Generation: newest},
		harness.Hold{For: 2 * time.Second, Why: "traffic after the recovery"},
		harness.StopTraffic{},
	)
	return top, t.Steps()
}

// outageFor is how long an outage must last for data planes, each with its two usual
// streams, to be sent the requests that the objectives take.
func outageFor(planes int) time.Duration {
	return objectiveRequests * time.Second / time.Duration(2*planes*objectiveRate)
}
