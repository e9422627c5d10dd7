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

// outageRestarts starts data planes during an outage in every way: the same or a new
// process, with the cache kept or wiped. What has a cache serves from it and leaves
// the store alone; what has none reads it once.
var outageRestarts = harness.Scenario{
	Name:     "outage-restarts",
	Summary:  "data planes are restarted, replaced and added during an outage, with and without their caches, and one's disk fails",
	Labels:   []label.Label{label.Outage, label.Nightly, label.ScaleOut, label.Disk},
	Promises: []string{"G1", "G2", "G3", "G4", "G10", "G13"},
	Exercises: []string{
		"G1.4", "G1.5", "G2.1", "G2.3", "G2.5", "G3.1", "G3.3", "G4.3", "G10.1", "G10.4", "G10.6", "G10.9", "G13.3",
	},
	Plan: planOutageRestarts,
}

func planOutageRestarts(draw plan.Source, timers history.Profile) (topology.Topology, []plan.Step) {
	const (
		restarted = running1 // keeps its cache
		wiped     = running2 // loses it
		replaced  = "dp-3"   // another process takes over its directory
		diskless  = "dp-4"   // its disk fails while it runs
		refused   = "dp-5"   // is added; its control plane refuses connections
		ignored   = "dp-6"   // is added; its control plane does not answer

		diskSize = 16 << 20 // bytes
	)
	failing := []fault.Kind{fault.DiskFull, fault.DiskReadOnly, fault.DiskWiped}[draw.Between("disk", 0, 2)]
	top := topology.Topology{}.With(
		topology.Node{Name: "cp", Role: topology.ControlPlane},
		topology.Node{Name: backup, Role: topology.DataPlane, Export: true},
		topology.Node{Name: restarted, Role: topology.DataPlane, Import: true},
		topology.Node{Name: wiped, Role: topology.DataPlane, Import: true, Disk: diskSize},
		topology.Node{Name: replaced, Role: topology.DataPlane, Import: true},
		topology.Node{Name: diskless, Role: topology.DataPlane, Import: true, Disk: diskSize},
	)
	cut := func(kind fault.Kind, node string) fault.Spec { return fault.Spec{Kind: kind, Edge: top.CPEdge(node)} }
	on := func(kind fault.Kind, node string) fault.Spec { return fault.Spec{Kind: kind, Node: node} }
	before := []string{backup, restarted, wiped, replaced, diskless}
	good, newest := 2, 3
	t := plan.NewTimetable(timers)
	bringUp(t, before, draw.Between("routes", 20, 60))
	t.Phase("steady",
		harness.StartTraffic{Nodes: []string{restarted, wiped, diskless}, Rate: 25},
		harness.Hold{For: draw.Duration("steady", time.Second, 2*time.Second), Why: "traffic before the outage"},
	)
	t.Phase("outage",
		harness.Inject{Faults: []fault.Spec{
			cut(fault.Exit, backup), cut(fault.Exit, restarted), cut(fault.Reset, wiped), cut(fault.Reset, replaced), cut(fault.Exit, diskless),
		}},
		harness.Inject{Faults: []fault.Spec{
			on(fault.DiskWiped, wiped), on(failing, diskless),
		}},
		harness.Inject{Faults: []fault.Spec{on(fault.Restart, restarted), on(fault.Restart, wiped)}},
		harness.Inject{Faults: []fault.Spec{{Kind: fault.Exit, Edge: top.StoreEdge(replaced)}}}, // its cache is all that is left
		harness.Become{Topology: top.Without(replaced)},
		harness.Become{Topology: top},
		harness.ScaleOut{
			Nodes: []topology.Node{
				{Name: refused, Role: topology.DataPlane, Import: true},
				{Name: ignored, Role: topology.DataPlane, Import: true},
			},
			Faults: []fault.Spec{cut(fault.Exit, refused), cut(fault.Blackhole, ignored)},
		},
		harness.AwaitServing{Nodes: []string{restarted, wiped, replaced, diskless, refused, ignored}, Generation: good},
		harness.StartTraffic{Nodes: []string{replaced, refused, ignored}, Rate: 25},
		harness.Inject{Faults: []fault.Spec{{Kind: fault.Exit, Edge: top.StoreEdge(refused)}}},
		harness.Inject{Faults: []fault.Spec{on(fault.Restart, refused)}},
		harness.AwaitServing{Nodes: []string{refused}, Generation: good},
		harness.Change{Generation: newest},
		harness.Hold{For: draw.Duration("outage", 4*time.Second, 5*time.Second), Why: "nobody may go to the store again"},
	)
	t.Phase("recovery",
		harness.Heal{},
		harness.AwaitServing{Nodes: append(before, refused, ignored), Generation: newest},
		harness.AwaitSnapshot{Generation: newest},
		harness.Hold{For: time.Second, Why: "traffic after the recovery"},
		harness.StopTraffic{},
	)
	return top, t.Steps()
}
