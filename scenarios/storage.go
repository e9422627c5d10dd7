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

// storages are the scenarios of the family storage.
var storages = []harness.Scenario{
	storageFaultsAtCreation, storageRefusalsAtCreation, storageFlippedAtCreation, storageSlow, storageBothDown, storageOtherVersion, storageAccounts,
	storageAfterBoot, storageUnknownCA, storageEncryption,
}

// The generations of the family's configurations: an old one, so that there is an older
// snapshot, the one that serves when the outage begins, and what is changed to during it.
const (
	storageOld = iota + 1
	storageGood
	storageNewest
)

// storageResidents run before the outage: the backup node, and a data plane that serves
// all along.
var storageResidents = []topology.Node{
	{Name: "cp", Role: topology.ControlPlane},
	{Name: backup, Role: topology.DataPlane, Export: true},
	{Name: running1, Role: topology.DataPlane, Import: true},
}

// storageRun is a plan of the family in the making.
type storageRun struct {
	*plan.Timetable
	draw   plan.Source
	timers history.Profile
	top    topology.Topology
}

// beginStorage plans until a snapshot is durable and traffic flows.
func beginStorage(draw plan.Source, timers history.Profile, residents ...topology.Node) *storageRun {
	r := &storageRun{plan.NewTimetable(timers), draw, timers, topology.Topology{Nodes: residents}}
	serving := r.serving()
	r.Phase(plan.BringUp,
		harness.BringUp{},
		harness.Configure{Generation: storageOld, Routes: draw.Between("routes", 80, 120)},
		harness.AwaitServing{Nodes: serving, Generation: storageOld, Steady: true},
		harness.AwaitSnapshot{Generation: storageOld, Steady: true},
		harness.Change{Generation: storageGood},
		harness.AwaitServing{Nodes: serving, Generation: storageGood, Steady: true},
		harness.AwaitSnapshot{Generation: storageGood, Steady: true},
	)
	r.Phase("steady",
		harness.StartTraffic{Nodes: []string{running1}},
		harness.Hold{For: draw.Duration("steady", time.Second, 2*time.Second), Why: "traffic before the outage"},
	)
	return r
}

// serving are the residents that serve.
func (r *storageRun) serving() []string {
	var names []string
	for _, n := range r.top.DataPlanes() {
		names = append(names, n.Name)
	}
	return names
}

// darken begins the outage: every resident loses its control plane, and meets further
// faults.
func (r *storageRun) darken(further ...fault.Spec) {
	var faults []fault.Spec
	for _, node := range r.draw.Shuffle("order of cuts", r.serving()) {
		faults = append(faults, fault.Spec{Kind: fault.Exit, Edge: r.top.CPEdge(node)})
	}
	r.Phase("outage", harness.Inject{Faults: append(faults, further...)})
}

// hold lets the state last for some reconnects, and a little longer.
func (r *storageRun) hold(use string, reconnects int, why string) {
	r.Then(harness.Hold{
		For: time.Duration(reconnects)*r.timers.ReconnectMax + r.draw.Duration(use, 0, time.Second),
		Why: why,
	})
}

// recover heals what is left, and waits until everybody has the newest configuration.
func (r *storageRun) recover(everyone []string) (topology.Topology, []plan.Step) {
	r.Phase("recovery",
		harness.Heal{},
		harness.AwaitServing{Nodes: everyone, Generation: storageNewest},
		harness.AwaitSnapshot{Generation: storageNewest},
		harness.Hold{For: 2 * time.Second, Why: "traffic after the recovery"},
		harness.StopTraffic{},
	)
	return r.top, r.Steps()
}

// storageLabels are the labels of a scenario that adds data planes while a store is ill.
func storageLabels(when label.Label) []label.Label {
	return []label.Label{label.Storage, when, label.Outage, label.ScaleOut}
}

// latecomer is a data plane that is added while its control plane resets every
// connection, so that its attempts can be counted, and meets further faults.
type latecomer struct {
	topology.Node
	faults []fault.Spec
}

// importing is a data plane that may import, and the faults of its store.
func importing(name string, faults ...fault.Spec) latecomer {
	return latecomer{topology.Node{Name: name, Role: topology.DataPlane, Import: true}, faults}
}

// add adds data planes.
func (r *storageRun) add(all ...latecomer) (names []string) {
	var out harness.ScaleOut
	for _, l := range all {
		names = append(names, l.Name)
		out.Nodes = append(out.Nodes, l.Node)
		out.Faults = append(out.Faults, fault.Spec{Kind: fault.Reset, Edge: r.top.CPEdge(l.Name)})
		out.Faults = append(out.Faults, l.faults...)
	}
	r.Then(out)
	return names
}
