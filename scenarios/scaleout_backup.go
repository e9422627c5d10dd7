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

// scaleOutBackup starts backup nodes during an outage that have nothing but the
// backup: one is new, one has lost its disk. They serve from it and do not touch it.
var scaleOutBackup = harness.Scenario{
	Name:     "scaleout-backup-boots",
	Summary:  "backup nodes without a cache start during the outage from their own backup, and export again after it",
	Labels:   []label.Label{label.ScaleOut, label.Nightly, label.Outage, label.Export, label.Disk},
	Promises: []string{"G4", "G6", "G9", "G10", "G11", "G13"},
	Exercises: []string{
		"G4.3", "G4.5", "G6.1", "G6.3", "G6.4", "G9.1", "G10.1", "G10.4", "G11.1", "G11.2", "G13.3",
	},
	Plan: planScaleOutBackup,
}

func planScaleOutBackup(draw plan.Source, timers history.Profile) (topology.Topology, []plan.Step) {
	const second, diskSize = "backup-2", 16 << 20 // bytes
	top := topology.Topology{}.With(
		topology.Node{Name: "cp", Role: topology.ControlPlane},
		topology.Node{Name: backup, Role: topology.DataPlane, Import: true, Export: true, Disk: diskSize},
		topology.Node{Name: running1, Role: topology.DataPlane, Import: true},
	)
	cut := func(node string) fault.Spec { return fault.Spec{Kind: fault.Reset, Edge: top.CPEdge(node)} }
	everyone := []string{backup, running1, second}
	good, newer, newest := 2, 3, 4
	t := plan.NewTimetable(timers)
	bringUp(t, everyone[:2], draw.Between("routes", 20, 60))
	t.Phase("steady",
		harness.StartTraffic{Nodes: []string{running1}},
		harness.Hold{For: draw.Duration("steady", time.Second, 2*time.Second), Why: "traffic before the outage"},
	)
	t.Phase("outage",
		harness.Inject{Faults: []fault.Spec{cut(backup), cut(running1)}},
		harness.Inject{Faults: []fault.Spec{{Kind: fault.DiskWiped, Node: backup}}},
		harness.Inject{Faults: []fault.Spec{{Kind: fault.Restart, Node: backup}}},
		harness.ScaleOut{
			Nodes:  []topology.Node{{Name: second, Role: topology.DataPlane, Import: true, Export: true}},
			Faults: []fault.Spec{cut(second)},
		},
		harness.AwaitServing{Nodes: []string{backup, second}, Generation: good},
		harness.Change{Generation: newer},
		harness.Hold{
			For: max(3*timers.ExportDelay, 4*timers.Silence) + draw.Duration("outage", 0, time.Second),
			Why: "one of them may lead, and has nothing to write",
		},
	)
	t.Phase("recovery",
		harness.Heal{},
		harness.AwaitServing{Nodes: everyone, Generation: newer},
		harness.AwaitSnapshot{Generation: newer},
		harness.Change{Generation: newest},
		harness.AwaitServing{Nodes: everyone, Generation: newest},
		harness.AwaitSnapshot{Generation: newest},
		harness.StopTraffic{},
	)
	return top, t.Steps()
}
