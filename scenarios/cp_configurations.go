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

// badConfigurations is a control plane that pushes what no data plane should serve:
// nothing at all, more than fits, what is not valid, or what it had long ago. Only
// the last is for it to say. What was pushed neither replaces what serves, from the
// control plane or from the cache, nor is it kept for the next start or exported.
var badConfigurations = harness.Scenario{
	Name:     "cp-bad-configurations",
	Summary:  "the control plane pushes an empty, an oversized, an invalid and an older configuration, each to data planes of its own, some of which are restarted",
	Labels:   []label.Label{label.ControlPlane, label.Nightly, label.ScaleOut},
	Promises: []string{"G1", "G3", "G4", "G6", "G10", "G12", "G13"},
	Exercises: []string{
		"G1.9", "G3.1", "G3.5", "G3.6", "G4.3", "G4.7", "G4.12", "G6.4", "G10.1", "G10.2", "G10.4", "G10.5", "G10.7", "G10.9", "G12.2", "G13.3",
	},
	Plan: planBadConfigurations,
}

// The data planes, by what they are pushed.
const (
	overfed  = "dp-1" // more than it takes
	misled   = "dp-2" // an invalid configuration, and is restarted
	emptied  = "dp-3" // one without entities, and is restarted
	taken    = "dp-4" // an older one
	overfed2 = "dp-5" // is added, and pushed more than it takes
	misled2  = "dp-6" // is added, and pushed an invalid one
)

func planBadConfigurations(draw plan.Source, timers history.Profile) (topology.Topology, []plan.Step) {
	may := func(name string) topology.Node {
		return topology.Node{Name: name, Role: topology.DataPlane, Import: true}
	}
	top := topology.Topology{}.With(
		topology.Node{Name: "cp", Role: topology.ControlPlane},
		topology.Node{Name: backup, Role: topology.DataPlane, Export: true},
		may(overfed), topology.Node{Name: misled, Role: topology.DataPlane}, may(emptied), may(taken), // misled has its cache alone
	)
	old, good, newest := 1, 2, 3
	invalid := draw.Between("invalid generation", 100, 999)
	on := func(node string, kind fault.Kind, generation int) fault.Spec {
		return fault.Spec{Kind: kind, Edge: top.CPEdge(node), Generation: generation}
	}
	running := []string{overfed, misled, emptied, taken}
	everyone := append([]string{backup, overfed2, misled2}, running...)
	t := plan.NewTimetable(timers)
	t.Phase(plan.BringUp,
		harness.BringUp{},
		harness.Configure{Generation: old, Routes: draw.Between("routes", 20, 60), Guarded: true},
		harness.Change{Generation: good},
		harness.AwaitServing{Nodes: append([]string{backup}, running...), Generation: good, Steady: true},
		harness.AwaitSnapshot{Generation: good, Steady: true},
	)
	t.Phase("steady",
		harness.StartTraffic{Nodes: running},
		harness.Hold{For: draw.Duration("steady", time.Second, 2*time.Second), Why: "traffic before anything is pushed"},
	)
	t.Phase("outage",
		harness.Inject{Faults: []fault.Spec{
			on(overfed, fault.PlaneOversized, 0), on(misled, fault.PlaneInvalid, invalid), on(backup, fault.PlaneInvalid, invalid),
			on(emptied, fault.PlaneEmpty, 0), on(taken, fault.PlaneOlder, old),
		}},
	)
	began := t.Now()
	t.Then(
		harness.Hold{For: timers.ReconnectMax + timers.ExportDelay, Why: "what was pushed could be kept, and exported"},
		harness.Inject{Faults: []fault.Spec{{Kind: fault.Restart, Node: misled}, {Kind: fault.Restart, Node: emptied}}},
		harness.ScaleOut{
			Nodes:  []topology.Node{may(overfed2), may(misled2)},
			Faults: []fault.Spec{on(overfed2, fault.PlaneOversized, 0), on(misled2, fault.PlaneInvalid, invalid)},
		},
		harness.AwaitServing{Nodes: []string{overfed2, misled2, misled, emptied}, Generation: good},
		harness.StartTraffic{Nodes: []string{overfed2, misled2}},
		harness.AwaitServing{Nodes: []string{taken}, Generation: old},
	)
	t.Then(harness.Hold{For: max(began+patience(timers)-t.Now(), time.Second), Why: "what is pushed again and again becomes no better"})
	t.Phase("recovery",
		harness.Heal{},
		harness.Change{Generation: newest},
		harness.AwaitServing{Nodes: everyone, Generation: newest},
		harness.Hold{For: time.Second, Why: "traffic after the recovery"},
		harness.StopTraffic{},
	)
	return top, t.Steps()
}
