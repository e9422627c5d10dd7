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

// exports are the scenarios of the family export. Waits for a snapshot are never for a
// steady state: that none comes is what they are there to see.
var exports = []harness.Scenario{exportCoalesces, exportStoreDown, exportKilledUpload, exportLeaderPaused, exportLeaderLost, exportDual}

// exportCoalesces changes the configuration often, then not at all while data planes
// connect, and then has an empty one pushed to the backup node.
var exportCoalesces = harness.Scenario{
	Name:     "export-coalesces",
	Summary:  "changes come in a burst, then data planes but no change, then an empty configuration; a data plane boots from what was exported",
	Labels:   []label.Label{label.Export, label.Fast, label.ScaleOut},
	Promises: []string{"G3", "G5", "G6", "G7"},
	Exercises: []string{
		"G3.1", "G5.1", "G5.3", "G6.1", "G6.2", "G6.3", "G6.4", "G6.5", "G6.6", "G7.1",
	},
	Plan: planExportCoalesces,
}

// exported are the nodes of a fleet with one backup node.
var exported = topology.Topology{}.With(
	topology.Node{Name: "cp", Role: topology.ControlPlane},
	topology.Node{Name: backup, Role: topology.DataPlane, Export: true},
	topology.Node{Name: running1, Role: topology.DataPlane, Import: true},
)

// exportPlan is the plan of a scenario of the family in the making.
type exportPlan struct {
	*plan.Timetable
	draw       plan.Source
	timers     history.Profile
	top        topology.Topology
	planes     []string // the data planes so far
	generation int
	routes     int
}

// planExport brings a topology up, with its first generation served and exported.
func planExport(draw plan.Source, timers history.Profile, top topology.Topology, least, most int) *exportPlan {
	e := &exportPlan{Timetable: plan.NewTimetable(timers), draw: draw, timers: timers, top: top, generation: 1, routes: draw.Between("routes", least, most)}
	for _, n := range top.DataPlanes() {
		e.planes = append(e.planes, n.Name)
	}
	e.Phase(plan.BringUp,
		harness.BringUp{},
		harness.Configure{Generation: 1, Routes: e.routes},
		harness.AwaitServing{Nodes: e.planes, Generation: 1, Steady: true},
		harness.AwaitSnapshot{Generation: 1},
	)
	return e
}

// promptly plans for a wait that needs no reconnect and no delay of an export.
func (e *exportPlan) promptly(a plan.Action) { e.By(e.Now()+time.Second, a) }

// change makes the next generation the newest.
func (e *exportPlan) change() {
	e.generation++
	e.Then(harness.Change{Generation: e.generation})
}

// replacing makes four changes of which the last comes while another one waits for its
// delay, also where that is a second: the first is exported at once, the second a second
// after it, the third waits then. A control plane pushes changes together that are closer
// to each other.
func (e *exportPlan) replacing() {
	for i := range 4 {
		if i > 0 {
			e.Then(harness.Hold{For: e.draw.Duration("apart", 340*time.Millisecond, 360*time.Millisecond), Why: "the next change is pushed by itself"})
		}
		e.change()
	}
}

// served waits until all data planes serve the newest generation.
func (e *exportPlan) served() {
	e.promptly(harness.AwaitServing{Nodes: e.planes, Generation: e.generation})
}

// stored waits until it is exported, which may take as long as is said.
func (e *exportPlan) stored(within time.Duration) {
	e.By(e.Now()+within, harness.AwaitSnapshot{Generation: e.generation})
}

// soon is how long an export takes that nothing stands in the way of.
func (e *exportPlan) soon() time.Duration { return e.timers.ExportDelay + time.Second }

// hold lets the state last for about as long as is said.
func (e *exportPlan) hold(name string, least time.Duration, why string) {
	e.Then(harness.Hold{For: e.draw.Duration(name, least, least+time.Second/2), Why: why})
}

// boot adds a data plane that has nothing but what was exported, with traffic to every
// route of it.
func (e *exportPlan) boot(name string) {
	e.promptly(harness.ScaleOut{
		Nodes:  []topology.Node{{Name: name, Role: topology.DataPlane, Import: true}},
		Faults: []fault.Spec{{Kind: fault.Reset, Edge: e.top.CPEdge(name)}},
	})
	e.Then(
		harness.AwaitServing{Nodes: []string{name}, Generation: e.generation},
		harness.StartTraffic{Nodes: []string{name}},
	)
	e.hold("traffic to "+name, time.Second, "traffic to what was exported")
	e.planes = append(e.planes, name)
}

// finish heals what is left, changes once more and waits until that is everywhere.
func (e *exportPlan) finish() (topology.Topology, []plan.Step) {
	e.Phase("recovery", harness.Heal{})
	e.change()
	e.Then(harness.AwaitServing{Nodes: e.planes, Generation: e.generation})
	e.stored(e.soon())
	e.Then(harness.Hold{For: time.Second, Why: "traffic after the recovery"}, harness.StopTraffic{})
	return e.top, e.Steps()
}

func planExportCoalesces(draw plan.Source, timers history.Profile) (topology.Topology, []plan.Step) {
	e := planExport(draw, timers, exported, 30, 50)
	e.Phase("steady", harness.StartTraffic{Nodes: e.planes})
	e.generation++
	e.Then(harness.Configure{Generation: e.generation, Routes: e.routes, Disabled: 3})
	e.served()
	e.stored(e.soon())
	for range draw.Between("changes", 4, 6) {
		e.change()
		e.hold("pause", timers.ExportDelay/20, "the next change comes inside the delay")
	}
	for range 2 {
		e.served()
		e.stored(e.soon())
		e.hold("quiet", timers.ExportDelay, "the next change is exported at once")
		e.replacing()
	}
	e.served()
	e.stored(e.soon())
	connecting := []topology.Node{
		{Name: "dp-2", Role: topology.DataPlane, Import: true},
		{Name: "dp-3", Role: topology.DataPlane, Import: true},
	}
	e.Then(harness.ScaleOut{Nodes: connecting})
	e.planes = append(e.planes, "dp-2", "dp-3")
	e.served()
	e.hold("nothing changes", 2*timers.ExportDelay, "nothing has changed, and nothing is to be exported")
	e.Phase("outage", harness.Inject{Faults: []fault.Spec{{Kind: fault.PlaneEmpty, Edge: e.top.CPEdge(backup)}}})
	e.hold("empty", 2*timers.ExportDelay, "an empty configuration is no backup")
	e.boot("dp-4")
	e.Then(harness.Heal{Targets: []string{e.top.CPEdge(backup).String()}})
	e.hold("pushed anew", timers.ReconnectMax+2*timers.ExportDelay, "what is pushed to a backup node that comes back is exported already")
	return e.finish()
}

// exportStoreDown takes the store from the backup node for several export delays.
var exportStoreDown = harness.Scenario{
	Name:      "export-store-down",
	Summary:   "the store is gone for the backup node while the configuration changes, and returns; then it denies it everything for a while",
	Labels:    []label.Label{label.Export, label.Nightly, label.Storage},
	Promises:  []string{"G3", "G6", "G13"},
	Exercises: []string{"G3.1", "G6.1", "G6.2", "G6.3", "G6.4", "G6.5", "G13.3", "G13.6"},
	Plan:      planExportStoreDown,
}

func planExportStoreDown(draw plan.Source, timers history.Profile) (topology.Topology, []plan.Step) {
	e := planExport(draw, timers, exported, 20, 40)
	downs := []fault.Spec{
		{Kind: fault.Exit, Edge: e.top.StoreEdge(backup)},
		{Kind: fault.Reset, Edge: e.top.StoreEdge(backup)},
		{Kind: fault.StoreStatus, Node: backup, Status: 503},
		{Kind: fault.StoreRefuses, Node: backup},
	}
	e.Phase("steady", harness.StartTraffic{Nodes: []string{running1}})
	e.change()
	e.served()
	e.stored(e.soon())
	denials := []fault.Spec{
		{Kind: fault.StoreStatus, Node: backup, Status: 403},
		{Kind: fault.CredentialRevoked, Node: backup},
		{Kind: fault.StoreExpired, Node: backup},
	}
	for _, kinds := range [][]fault.Spec{downs, denials} {
		e.Phase("outage", harness.Inject{Faults: []fault.Spec{kinds[draw.Between("down", 0, len(kinds)-1)]}})
		e.change()
		e.served()
		e.hold("down", 3*timers.ExportDelay, "the change cannot be written")
		e.change()
		e.served()
		e.hold("still down", 3*timers.ExportDelay, "nor can the next")
		e.Phase("return", harness.Heal{})
		e.stored(8 * time.Second)
	}
	e.boot("dp-2")
	return e.finish()
}
