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

// outages are the scenarios of the family outage.
var outages = []harness.Scenario{outageScaleOut, outageCutModes, outageRestarts, outageLong, outageFlapping}

// outageScaleOut is the reason for the fallback: the control plane goes dark for
// everybody, and data planes are added while it is dark. One may import the
// snapshot, one may not, and one has its download cut short.
var outageScaleOut = harness.Scenario{
	Name:     "cp-outage-scale-out",
	Summary:  "the control plane is cut off, data planes are added meanwhile, the control plane returns",
	Labels:   []label.Label{label.Outage, label.Fast, label.ScaleOut},
	Promises: []string{"G1", "G2", "G3", "G4", "G10", "G13"},
	Exercises: []string{
		"G1.1", "G1.2", "G1.3", "G2.1", "G2.2", "G2.3", "G2.4", "G3.1", "G3.2", "G3.6", "G4.1", "G4.2", "G4.3", "G4.5", "G4.6",
		"G10.1", "G10.2", "G10.3", "G10.4", "G10.5", "G10.6", "G13.1", "G13.2", "G13.3",
	},
	Plan: planOutageScaleOut,
}

// The nodes of the scenario.
const (
	backup    = "backup"
	running1  = "dp-1"
	running2  = "dp-2"
	importer  = "dp-3" // may import
	bystander = "dp-4" // may not
	truncated = "dp-5" // may, but its download is cut short
)

// snapshotFloor is less than the size of a snapshot of the scenario's smallest
// configuration, in bytes, so that a truncation always cuts into it.
const snapshotFloor = 40_000

// residents are the nodes that run before the outage.
var residents = topology.Topology{Nodes: []topology.Node{
	{Name: "cp", Role: topology.ControlPlane},
	{Name: backup, Role: topology.DataPlane, Export: true},
	{Name: running1, Role: topology.DataPlane, Import: true},
	{Name: running2, Role: topology.DataPlane, Import: true},
}}

// latecomers are those that are added during the outage.
var latecomers = []topology.Node{
	{Name: importer, Role: topology.DataPlane, Import: true},
	{Name: bystander, Role: topology.DataPlane, Account: true},
	{Name: truncated, Role: topology.DataPlane, Import: true},
}

func planOutageScaleOut(draw plan.Source, timers history.Profile) (topology.Topology, []plan.Step) {
	top := residents
	good, newest := 2, 3
	planted := draw.Between("planted generation", 100, 999)
	reset := func(node string) fault.Spec { return fault.Spec{Edge: top.CPEdge(node), Kind: fault.Reset} }
	truncate := fault.Spec{
		Edge: top.StoreEdge(truncated), Kind: fault.Truncate,
		Bytes: int64(draw.Between("truncation", snapshotFloor/4, snapshotFloor)),
	}
	var exits []fault.Spec
	for _, node := range draw.Shuffle("order of cuts", []string{backup, running1, running2}) {
		exits = append(exits, fault.Spec{Edge: top.CPEdge(node), Kind: fault.Exit})
	}
	everyone := []string{backup, running1, running2, importer, bystander, truncated}
	newcomers := []string{importer, bystander, truncated}
	t := plan.NewTimetable(timers)
	bringUp(t, everyone[:3], draw.Between("routes", 80, 120))
	t.Phase("steady",
		harness.StartTraffic{Nodes: []string{running1, running2}},
		harness.Hold{For: draw.Duration("steady", 2*time.Second, 3*time.Second), Why: "traffic before the outage"},
	)
	t.Phase("outage",
		harness.Inject{Faults: exits},
		harness.ScaleOut{
			Nodes:  latecomers,
			Faults: []fault.Spec{reset(importer), reset(bystander), reset(truncated), truncate},
		},
	)
	added := t.Now()
	attempts := func(n int) {
		t.By(added+time.Duration(n)*timers.ReconnectMax, harness.AwaitAttempts{Nodes: newcomers, Attempts: n})
	}
	t.Then(
		harness.AwaitServing{Nodes: []string{importer}, Generation: good},
		harness.StartTraffic{Nodes: []string{importer}},
	)
	attempts(draw.Between("attempts", 5, 7))
	t.Then(
		harness.Plant{Generation: planted},
		harness.Hold{For: 3*timers.ReconnectMax + draw.Duration("planted", 0, time.Second), Why: "nobody may follow the planted object"},
		harness.Change{Generation: newest},
	)
	attempts(draw.Between("more attempts", 10, 12))
	t.Phase("recovery",
		harness.Heal{},
		harness.AwaitServing{Nodes: everyone, Generation: newest},
		harness.AwaitSnapshot{Generation: newest},
		harness.Hold{For: 2 * time.Second, Why: "traffic after the recovery"},
		harness.StopTraffic{},
	)
	return top, t.Steps()
}
