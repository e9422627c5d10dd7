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

// second is the backup node that comes second, so that the first leads.
const second = "backup-2"

// shortLease is how long a backup node that leads may be silent: short, so that others
// take over soon, and not so short that a busy machine makes it look dead.
const shortLease = 6 * time.Second

// takenOver is how long a take-over lasts, and what is exported then.
const takenOver = 2*shortLease + 2*time.Second

// leased is a backup node with the short lease.
func leased(name string) topology.Node {
	return topology.Node{
		Name: name, Role: topology.DataPlane, Export: true,
		Parameters: map[string]string{"blackout_fallback_lease": shortLease.String()},
	}
}

// planLeaders brings two backup nodes up, of which the first leads.
func planLeaders(draw plan.Source, timers history.Profile) *exportPlan {
	top := topology.Topology{}.With(
		topology.Node{Name: "cp", Role: topology.ControlPlane},
		leased(backup),
		topology.Node{Name: running1, Role: topology.DataPlane, Import: true},
	)
	e := planExport(draw, timers, top, 80, 90)
	e.planes = append(e.planes, second)
	e.Then(
		harness.ScaleOut{Nodes: []topology.Node{leased(second)}},
		harness.AwaitServing{Nodes: []string{second}, Generation: e.generation, Steady: true},
	)
	e.Phase("steady", harness.StartTraffic{Nodes: []string{running1}})
	const turns = 4
	for range turns {
		e.hold("turn", shortLease/turns, "a lease that is not renewed runs out, or is taken")
		e.change()
	}
	e.served()
	e.stored(e.soon())
	return e
}

// exportLeaderPaused freezes the backup node that leads while an upload of its is on
// its way, which arrives after another has taken over and written; then that one, which
// is about to write.
var exportLeaderPaused = harness.Scenario{
	Name:      "export-leader-paused",
	Summary:   "the backup node that leads is frozen with an upload on its way, another takes over and is frozen too, and both go on",
	Labels:    []label.Label{label.Export, label.Nightly, label.Storage},
	Promises:  []string{"G3", "G6", "G9"},
	Exercises: []string{"G3.1", "G6.1", "G6.3", "G6.4", "G9.1", "G9.2", "G9.3"},
	Plan:      planExportLeaderPaused,
}

func planExportLeaderPaused(draw plan.Source, timers history.Profile) (topology.Topology, []plan.Step) {
	e := planLeaders(draw, timers)
	e.Phase("outage", harness.Inject{Faults: []fault.Spec{trickle(e.top.StoreEdge(backup), takenOver+4*time.Second)}})
	e.change()
	e.served()
	e.Then(harness.Inject{Faults: []fault.Spec{{Kind: fault.Pause, Node: backup}}})
	e.change()
	e.stored(takenOver)
	e.Then(harness.Heal{Targets: []string{backup}})
	e.hold("late", 5*time.Second, "what was on its way arrives")
	e.Then(harness.Heal{})
	e.change()
	e.served()
	e.stored(e.soon())
	// Some stores let nobody write while an upload is on its way. The next to lead is
	// frozen with one to make: the first of two changes is exported at once.
	e.Phase("second outage")
	e.change()
	e.change()
	e.Then(harness.Inject{Faults: []fault.Spec{{Kind: fault.Pause, Node: second}}})
	e.stored(takenOver)
	e.Then(harness.Heal{Targets: []string{second}})
	e.hold("stale", 2*time.Second, "what it was about to write is old")
	e.boot("dp-2")
	return e.finish()
}

// exportLeaderLost takes from the backup node that leads first its store, then its
// control plane, and then its life: each time the other takes over, and goes on leading
// when the first is back.
var exportLeaderLost = harness.Scenario{
	Name:      "export-leader-lost",
	Summary:   "the backup node that leads loses its store, the next its control plane, and the next is killed",
	Labels:    []label.Label{label.Export, label.Nightly, label.Outage},
	Promises:  []string{"G3", "G6", "G9", "G13"},
	Exercises: []string{"G3.1", "G6.1", "G6.2", "G6.3", "G6.4", "G6.5", "G9.1", "G9.2", "G13.3", "G13.6"},
	Plan:      planExportLeaderLost,
}

func planExportLeaderLost(draw plan.Source, timers history.Profile) (topology.Topology, []plan.Step) {
	e := planLeaders(draw, timers)
	for _, cut := range []fault.Spec{
		{Kind: fault.Exit, Edge: e.top.StoreEdge(backup)},
		{Kind: fault.Exit, Edge: e.top.CPEdge(second)},
		{Kind: fault.Kill, Node: backup},
	} {
		e.Phase("outage", harness.Inject{Faults: []fault.Spec{cut}})
		e.change()
		e.stored(takenOver)
		if cut.Kind == fault.Kill {
			continue
		}
		e.Then(harness.Heal{})
		e.hold("back", shortLease, "the one that led is back, and may look at the lease")
		e.change()
		e.stored(e.soon())
	}
	e.boot("dp-2")
	return e.finish()
}

// exportDual lets a control plane and a data plane export to one place, which Kong's
// documentation advises against.
var exportDual = harness.Scenario{
	Name:      "export-dual",
	Summary:   "control plane and data plane both export; the data plane loses the control plane, and then many connect to that and nothing changes",
	Labels:    []label.Label{label.Export, label.Nightly, label.Outage},
	Promises:  []string{"G3", "G5", "G6", "G7", "G9"},
	Exercises: []string{"G3.1", "G5.1", "G5.3", "G6.1", "G6.2", "G6.3", "G6.4", "G6.5", "G7.1", "G9.1"},
	Plan:      planExportDual,
}

func planExportDual(draw plan.Source, timers history.Profile) (topology.Topology, []plan.Step) {
	top := topology.Topology{}.With(
		topology.Node{Name: "cp", Role: topology.ControlPlane, Export: true},
		topology.Node{Name: backup, Role: topology.DataPlane, Export: true},
		topology.Node{Name: running1, Role: topology.DataPlane, Import: true},
	)
	e := planExport(draw, timers, top, 20, 40)
	e.Phase("steady", harness.StartTraffic{Nodes: []string{running1}})
	for range draw.Between("changes", 3, 5) {
		e.change()
		e.hold("pause", timers.ExportDelay/20, "the next change comes inside the delay")
	}
	e.served()
	e.stored(e.soon())
	e.hold("nothing changes", 2*timers.ExportDelay, "nothing has changed, and nothing is to be exported")
	e.Phase("outage", harness.Inject{Faults: []fault.Spec{{Kind: fault.Exit, Edge: e.top.CPEdge(backup)}}})
	e.change()
	e.stored(takenOver)
	var crowd harness.ScaleOut
	var names []string
	for i := range draw.Between("crowd", 6, 8) {
		names = append(names, fmt.Sprintf("dp-%d", i+3))
		crowd.Nodes = append(crowd.Nodes, topology.Node{Name: names[i], Role: topology.DataPlane, Import: true})
	}
	e.Then(crowd, harness.AwaitServing{Nodes: names, Generation: e.generation})
	e.planes = append(e.planes, names...)
	e.hold("many have connected", 2*timers.ExportDelay, "nothing has changed, and the control plane is to export nothing")
	e.boot("dp-2")
	return e.finish()
}
