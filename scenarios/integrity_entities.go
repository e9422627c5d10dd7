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

// everyEntity takes an entity of every kind through export and import, and through a
// data plane's cache, and asks whether what comes out answers as what went in.
var everyEntity = harness.Scenario{
	Name:     "integrity-entities",
	Summary:  "entities of every kind go through the snapshot and through a cache, and the data planes that have them from there answer like one that runs",
	Labels:   []label.Label{label.Integrity, label.Nightly, label.Outage, label.ScaleOut},
	Promises: []string{"G3", "G4", "G10"},
	Exercises: []string{
		"G3.1", "G3.7", "G4.3", "G4.10", "G10.1", "G10.9",
	},
	Plan: planEveryEntity,
}

func planEveryEntity(draw plan.Source, timers history.Profile) (topology.Topology, []plan.Step) {
	const restarted, added = running2, importer
	top := topology.Topology{}.With(
		topology.Node{Name: "cp", Role: topology.ControlPlane},
		topology.Node{Name: backup, Role: topology.DataPlane, Export: true},
		topology.Node{Name: running1, Role: topology.DataPlane, Import: true, ProxyTLS: true},
		topology.Node{Name: restarted, Role: topology.DataPlane, Import: true, ProxyTLS: true},
	)
	before := []string{backup, running1, restarted}
	old, good, newest := 1, 2, 3
	t := plan.NewTimetable(timers)
	t.Phase(plan.BringUp,
		harness.BringUp{},
		harness.Configure{Generation: old, Routes: draw.Between("routes", 20, 60), Guarded: true, Entities: true},
		harness.AwaitServing{Nodes: before, Generation: old, Steady: true},
		harness.Change{Generation: good},
		harness.AwaitServing{Nodes: before, Generation: good, Steady: true},
		harness.AwaitSnapshot{Generation: good, Steady: true},
	)
	t.Phase("steady",
		harness.StartTraffic{Nodes: []string{running1}, Rate: 20},
		harness.Hold{For: draw.Duration("steady", time.Second, 2*time.Second), Why: "traffic before the outage"},
	)
	t.Phase("outage",
		harness.Inject{Faults: cutAll(top, before...)},
		harness.Inject{Faults: []fault.Spec{{Kind: fault.Restart, Node: restarted}}},
		harness.ScaleOut{
			Nodes:  []topology.Node{{Name: added, Role: topology.DataPlane, Import: true, ProxyTLS: true}},
			Faults: []fault.Spec{{Kind: fault.Reset, Edge: top.CPEdge(added)}},
		},
		harness.AwaitServing{Nodes: []string{restarted, added}, Generation: good},
		harness.StartTraffic{Nodes: []string{added}, Rate: 20, Streams: harness.WithKeys()},
		harness.Compare{Nodes: draw.Shuffle("order of probes", []string{running1, restarted, added})},
		harness.Hold{For: draw.Duration("outage", time.Second, 2*time.Second), Why: "traffic to what was imported"},
		harness.Change{Generation: newest},
	)
	t.Phase("recovery",
		harness.Heal{},
		harness.AwaitServing{Nodes: append(before, added), Generation: newest},
		harness.Hold{For: time.Second, Why: "traffic after the recovery"},
		harness.StopTraffic{},
	)
	return top, t.Steps()
}
