// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package scenarios

import (
	"fmt"
	"strings"
	"time"

	"blackout/harness"
	"blackout/harness/fault"
	"blackout/harness/history"
	"blackout/harness/label"
	"blackout/harness/plan"
	"blackout/harness/topology"
)

// integrities are the scenarios of the family integrity.
var integrities = []harness.Scenario{damagedSnapshots, credentialsKept, damagedCache, everyEntity}

// damagedSnapshots gives each of several new data planes another thing that is no
// snapshot, beside one that is given the snapshot itself.
var damagedSnapshots = harness.Scenario{
	Name:     "integrity-snapshots",
	Summary:  "data planes are added while the control plane is gone, and each reads a snapshot that is damaged in a way of its own",
	Labels:   []label.Label{label.Integrity, label.Fast, label.Outage, label.ScaleOut},
	Promises: []string{"G2", "G3", "G4", "G10", "G12", "G13"},
	Exercises: []string{
		"G2.1", "G2.2", "G3.1", "G3.2", "G3.4", "G3.6", "G4.1", "G4.3", "G10.1", "G10.2", "G10.3", "G12.2", "G13.2", "G13.3",
	},
	Plan: planDamagedSnapshots,
}

// bombSize is what a compressed snapshot expands to, in bytes: more than it may, and
// little enough for a gateway that does not mind.
const bombSize = 64 << 20

// damages are what is wrong with the snapshots that new data planes read.
func damages(draw plan.Source) []fault.Spec {
	return []fault.Spec{
		{Kind: fault.StoreTruncated, Bytes: int64(draw.Between("truncation", 1000, snapshotFloor/4))},
		{Kind: fault.StoreFlipped, Seed: uint64(draw.Between("flipped bit", 1, 1<<30))},
		{Kind: fault.StoreAltered, Seed: uint64(draw.Between("altered route", 1, 1<<30))},
		{Kind: fault.StoreEmpty},
		{Kind: fault.StoreBare},
		{Kind: fault.StoreForeign},
		{Kind: fault.StoreBomb, Bytes: bombSize},
	}
}

func planDamagedSnapshots(draw plan.Source, timers history.Profile) (topology.Topology, []plan.Step) {
	top := pair()
	old, good, newest := 1, 2, 3
	const sound = "sound"
	added := harness.ScaleOut{
		Nodes:  []topology.Node{{Name: sound, Role: topology.DataPlane, Import: true}},
		Faults: []fault.Spec{{Kind: fault.Reset, Edge: top.CPEdge(sound)}},
	}
	names := []string{sound}
	for i, damage := range damages(draw) {
		damage.Node = fmt.Sprintf("%s-%d", strings.TrimPrefix(string(damage.Kind), "store-"), i+1)
		names = append(names, damage.Node)
		added.Nodes = append(added.Nodes, topology.Node{Name: damage.Node, Role: topology.DataPlane, Import: true})
		added.Faults = append(added.Faults, fault.Spec{Kind: fault.Reset, Edge: top.CPEdge(damage.Node)}, damage)
	}
	t := plan.NewTimetable(timers)
	settle(t, old, draw.Between("routes", 80, 120))
	t.Phase("steady",
		harness.Change{Generation: good},
		harness.AwaitServing{Nodes: []string{backup, running1}, Generation: good, Steady: true},
		harness.AwaitSnapshot{Generation: good, Steady: true},
		harness.StartTraffic{Nodes: []string{running1}},
		harness.Hold{For: draw.Duration("steady", time.Second, 2*time.Second), Why: "traffic before the outage"},
	)
	t.Phase("outage",
		harness.Inject{Faults: cutAll(top, backup, running1)},
		added,
		harness.AwaitServing{Nodes: []string{sound}, Generation: good},
		harness.StartTraffic{Nodes: []string{sound}},
		harness.Change{Generation: newest},
	)
	t.By(t.Now()+6*timers.ReconnectMax, harness.AwaitAttempts{Nodes: names, Attempts: draw.Between("attempts", 5, 7)})
	t.Phase("recovery",
		harness.Heal{},
		harness.AwaitServing{Nodes: append([]string{backup, running1}, names...), Generation: newest},
		harness.Hold{For: time.Second, Why: "traffic after the recovery"},
		harness.StopTraffic{},
	)
	return top, t.Steps()
}

// pair is a control plane with a backup node and one more data plane.
func pair() topology.Topology {
	return topology.Topology{}.With(
		topology.Node{Name: "cp", Role: topology.ControlPlane},
		topology.Node{Name: backup, Role: topology.DataPlane, Export: true},
		topology.Node{Name: running1, Role: topology.DataPlane, Import: true},
	)
}

// settle brings a pair up on a configuration, which has a credential to keep.
func settle(t *plan.Timetable, generation, routes int) {
	t.Phase(plan.BringUp,
		harness.BringUp{},
		harness.Configure{Generation: generation, Routes: routes, Guarded: true},
		harness.AwaitServing{Nodes: []string{backup, running1}, Generation: generation, Steady: true},
		harness.AwaitSnapshot{Generation: generation, Steady: true},
	)
}

// cutAll are faults that end the connections of data planes and refuse new ones.
func cutAll(top topology.Topology, nodes ...string) []fault.Spec {
	var cuts []fault.Spec
	for _, node := range nodes {
		cuts = append(cuts, fault.Spec{Kind: fault.Exit, Edge: top.CPEdge(node)})
	}
	return cuts
}
