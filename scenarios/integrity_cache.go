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

// damagedCache fails the disks of data planes that run, which must cost them no
// request and no change of the configuration. Then it restarts two on damaged caches
// without a control plane: one may read the store instead, the other has nothing.
var damagedCache = harness.Scenario{
	Name:     "integrity-cache",
	Summary:  "disks fill up, become read-only and rot below data planes, two of which are restarted on what is left",
	Labels:   []label.Label{label.Integrity, label.Nightly, label.Outage, label.Disk},
	Promises: []string{"G2", "G3", "G4", "G10", "G13"},
	Exercises: []string{
		"G2.1", "G3.1", "G4.5", "G10.1", "G10.8", "G13.1", "G13.2", "G13.3",
	},
	Plan: planDamagedCache,
}

func planDamagedCache(draw plan.Source, timers history.Profile) (topology.Topology, []plan.Step) {
	const (
		full     = running1
		readOnly = running2
		spare    = "dp-3" // may read the store when its cache is damaged
		bare     = "dp-4" // may not
		diskSize = 16 << 20
	)
	plane := func(name string, imports bool) topology.Node {
		return topology.Node{Name: name, Role: topology.DataPlane, Import: imports, Account: !imports, Disk: diskSize}
	}
	top := topology.Topology{}.With(
		topology.Node{Name: "cp", Role: topology.ControlPlane},
		topology.Node{Name: backup, Role: topology.DataPlane, Export: true},
		plane(full, true), plane(readOnly, true), plane(spare, true), plane(bare, false),
	)
	planes := []string{full, readOnly, spare, bare}
	everyone := append([]string{backup}, planes...)
	on := func(kind fault.Kind, node string) fault.Spec { return fault.Spec{Kind: kind, Node: node} }
	rot := func(node string) fault.Spec {
		return fault.Spec{Kind: fault.DiskCorrupted, Node: node, Seed: uint64(draw.Between("rot of "+node, 1, 1<<30))}
	}
	old, good, newest := 1, 2, 3
	t := plan.NewTimetable(timers)
	t.Phase(plan.BringUp,
		harness.BringUp{},
		harness.Configure{Generation: old, Routes: draw.Between("routes", 20, 60)},
		harness.AwaitServing{Nodes: everyone, Generation: old, Steady: true},
		harness.AwaitSnapshot{Generation: old, Steady: true},
	)
	t.Phase("steady",
		harness.StartTraffic{Nodes: planes, Rate: 20},
		harness.Hold{For: draw.Duration("steady", time.Second, 2*time.Second), Why: "traffic before the disks fail"},
	)
	t.Phase("failing disks",
		harness.Inject{Faults: []fault.Spec{on(fault.DiskFull, full), on(fault.DiskReadOnly, readOnly)}},
		harness.Change{Generation: good},
		harness.AwaitServing{Nodes: everyone, Generation: good},
		harness.AwaitSnapshot{Generation: good},
	)
	t.Phase("outage",
		harness.Inject{Faults: cutAll(top, everyone...)},
		harness.Inject{Faults: []fault.Spec{rot(spare), rot(bare)}},
		harness.Inject{Faults: []fault.Spec{on(fault.Restart, spare), on(fault.Restart, bare)}},
		harness.AwaitServing{Nodes: []string{spare}, Generation: good},
		harness.Change{Generation: newest},
		harness.Hold{For: draw.Duration("outage", 3*time.Second, 4*time.Second), Why: "what has nothing to serve may serve nothing"},
	)
	t.Phase("recovery",
		harness.Heal{},
		harness.AwaitServing{Nodes: everyone, Generation: newest},
		harness.Hold{For: time.Second, Why: "traffic after the recovery"},
		harness.StopTraffic{},
	)
	return top, t.Steps()
}
