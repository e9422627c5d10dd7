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

// scaleOutStorm adds data planes in two crowds beside full traffic: one while the
// control plane is dark, one just as it returns. Nobody may storm it, and nobody may
// be slower for it who serves already.
var scaleOutStorm = harness.Scenario{
	Name:     "scaleout-storm",
	Summary:  "many data planes are added at once during the outage, and more while the control plane returns, beside full traffic",
	Labels:   []label.Label{label.ScaleOut, label.Nightly, label.Outage},
	Promises: []string{"G1", "G2", "G3", "G4", "G10", "G13"},
	Exercises: []string{
		"G1.1", "G1.3", "G2.1", "G2.3", "G3.1", "G4.1", "G4.2", "G4.3", "G4.5", "G4.6", "G4.9",
		"G10.1", "G10.3", "G10.4", "G10.5", "G10.6", "G13.1", "G13.2", "G13.3",
	},
	Plan: planScaleOutStorm,
}

func planScaleOutStorm(draw plan.Source, timers history.Profile) (topology.Topology, []plan.Step) {
	top := topology.Topology{}.With(
		topology.Node{Name: "cp", Role: topology.ControlPlane},
		topology.Node{Name: backup, Role: topology.DataPlane, Export: true},
		topology.Node{Name: running1, Role: topology.DataPlane, Import: true},
	)
	cut := func(kind fault.Kind, node string) fault.Spec { return fault.Spec{Kind: kind, Edge: top.CPEdge(node)} }
	crowd := func(names ...string) (out harness.ScaleOut) {
		for _, name := range names {
			out.Nodes = append(out.Nodes, topology.Node{Name: name, Role: topology.DataPlane, Import: true})
			out.Faults = append(out.Faults, cut(fault.Reset, name))
		}
		return out
	}
	first, second := []string{"dp-2", "dp-3", "dp-4"}, []string{"dp-6", "dp-7", "dp-8"}
	const waiting = "dp-5" // may not import
	early := crowd(first...)
	early.Nodes = append(early.Nodes, topology.Node{Name: waiting, Role: topology.DataPlane})
	early.Faults = append(early.Faults, cut(fault.Reset, waiting))
	good, newest := 2, 3
	t := plan.NewTimetable(timers)
	bringUp(t, []string{backup, running1}, draw.Between("routes", 80, 120))
	t.Phase("steady",
		harness.StartTraffic{Nodes: []string{running1}, Rate: 100},
		harness.Hold{For: draw.Duration("steady", time.Second, 2*time.Second), Why: "traffic before the outage"},
	)
	t.Phase("outage",
		harness.Inject{Faults: []fault.Spec{cut(fault.Exit, backup), cut(fault.Reset, running1)}},
		early,
		harness.AwaitServing{Nodes: first, Generation: good},
		harness.StartTraffic{Nodes: append([]string{waiting}, first...), Rate: 20},
		harness.Change{Generation: newest},
		harness.Hold{For: 10*timers.ReconnectMax + draw.Duration("outage", 0, time.Second), Why: "all of them dial in vain"},
		crowd(second...),
	)
	t.Phase("recovery",
		harness.Heal{},
		harness.AwaitServing{Nodes: append(append([]string{backup, running1, waiting}, first...), second...), Generation: newest},
		harness.AwaitSnapshot{Generation: newest},
		harness.Hold{For: 2 * timers.ReconnectMax, Why: "who is connected stays so"},
		harness.StopTraffic{},
	)
	return top, t.Steps()
}
