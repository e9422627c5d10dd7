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

// outageCutModes cuts running data planes off at once, each in another way. A change
// comes meanwhile: whom it can reach has to take it, the others go on with what they
// have.
var outageCutModes = harness.Scenario{
	Name:     "outage-cut-modes",
	Summary:  "running data planes lose the control plane at once, each in another way, and a change comes meanwhile",
	Labels:   []label.Label{label.Outage, label.Fast},
	Promises: []string{"G4", "G10", "G13"},
	Exercises: []string{
		"G4.3", "G4.5", "G4.7", "G4.8", "G10.1", "G10.2", "G10.4", "G10.6", "G10.10", "G13.3",
	},
	Plan: planOutageCutModes,
}

func planOutageCutModes(draw plan.Source, timers history.Profile) (topology.Topology, []plan.Step) {
	top := topology.Topology{}.With(
		topology.Node{Name: "cp", Role: topology.ControlPlane},
		topology.Node{Name: backup, Role: topology.DataPlane, Export: true},
	)
	planes := []string{running1, running2, "dp-3", "dp-4", "dp-5", "dp-6"}
	for _, name := range planes {
		top = top.With(topology.Node{Name: name, Role: topology.DataPlane, Import: true})
	}
	// Through the first two a change still comes, through the others none does.
	kinds := []fault.Kind{fault.HalfOpen, fault.Latency, fault.Exit, fault.Blackhole, fault.Reset, fault.Drop}
	order := draw.Shuffle("order of cuts", planes)
	reached, kept := order[:2], order[2:]
	var cuts []fault.Spec
	for i, name := range order {
		cut := fault.Spec{Kind: kinds[i], Edge: top.CPEdge(name)}
		if cut.Kind == fault.Latency {
			cut.Delay = draw.Duration("delay", 60*time.Millisecond, 120*time.Millisecond)
		}
		cuts = append(cuts, cut)
	}
	everyone := append([]string{backup}, planes...)
	good, meanwhile, newest := 2, 3, 4
	t := plan.NewTimetable(timers)
	bringUp(t, everyone, draw.Between("routes", 20, 60))
	t.Phase("steady",
		harness.StartTraffic{Nodes: planes, Rate: 20},
		harness.Hold{For: draw.Duration("steady", time.Second, 2*time.Second), Why: "traffic before the outage"},
	)
	t.Phase("outage",
		harness.Inject{Faults: cuts},
		harness.Change{Generation: meanwhile},
		harness.AwaitServing{Nodes: reached, Generation: meanwhile},
		harness.AwaitServing{Nodes: kept, Generation: good},
		harness.Hold{
			For: timers.Silence + timers.PingInterval + 3*(timers.ReconnectMax+timers.DialTimeout) + draw.Duration("outage", 0, time.Second),
			Why: "everybody notices, and dials again",
		},
	)
	t.Phase("recovery",
		harness.Heal{},
		harness.Change{Generation: newest},
		harness.AwaitServing{Nodes: everyone, Generation: newest},
		harness.AwaitSnapshot{Generation: newest},
		harness.Hold{For: time.Second, Why: "traffic after the recovery"},
		harness.StopTraffic{},
	)
	return top, t.Steps()
}
