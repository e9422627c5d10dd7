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

// outageLong is an outage that lasts: who backs off further and further, or gives
// up, does not come back from it in time. The configuration is large enough for its
// apply to be seen in traffic.
var outageLong = harness.Scenario{
	Name:     "outage-long",
	Summary:  "the control plane is gone for longer than twenty of the longest reconnect delays",
	Labels:   []label.Label{label.Outage, label.Nightly, label.ScaleOut},
	Promises: []string{"G4", "G10", "G13"},
	Exercises: []string{
		"G4.1", "G4.2", "G4.3", "G4.5", "G4.6", "G4.7", "G4.10", "G4.11", "G10.1", "G10.2", "G10.4", "G10.5", "G10.6", "G10.10", "G13.3",
	},
	Plan: planOutageLong,
}

func planOutageLong(draw plan.Source, timers history.Profile) (topology.Topology, []plan.Step) {
	running := []string{running1, running2, "dp-3", "dp-4"}
	added := []string{"dp-5", "dp-6"}
	top := topology.Topology{}.With(
		topology.Node{Name: "cp", Role: topology.ControlPlane},
		topology.Node{Name: backup, Role: topology.DataPlane, Export: true},
	)
	for _, name := range running {
		top = top.With(topology.Node{Name: name, Role: topology.DataPlane, Import: true})
	}
	kinds := []fault.Kind{fault.Reset, fault.Reset, fault.Blackhole, fault.Exit}
	cuts := []fault.Spec{{Kind: fault.Exit, Edge: top.CPEdge(backup)}}
	for i, name := range draw.Shuffle("order of cuts", running) {
		cuts = append(cuts, fault.Spec{Kind: kinds[i], Edge: top.CPEdge(name)})
	}
	var out harness.ScaleOut
	for i, name := range added {
		out.Nodes = append(out.Nodes, topology.Node{Name: name, Role: topology.DataPlane, Import: i == 0})
		out.Faults = append(out.Faults, fault.Spec{Kind: fault.Reset, Edge: top.CPEdge(name)})
	}
	everyone := append([]string{backup}, append(running, added...)...)
	residents := everyone[:1+len(running)]
	good, newer, newest := 2, 3, 4
	t := plan.NewTimetable(timers)
	bringUp(t, residents, draw.Between("routes", 800, 1000))
	t.Phase("steady",
		harness.StartTraffic{Nodes: running, Rate: 20},
		harness.Hold{For: 5*time.Second + 2*timers.PingInterval + draw.Duration("steady", 0, time.Second), Why: "traffic before the outage, and pings that tell the control plane who has what"},
	)
	t.Phase("outage", harness.Inject{Faults: cuts})
	began := t.Now()
	t.Then(
		out,
		harness.AwaitServing{Nodes: added[:1], Generation: good},
		harness.StartTraffic{Nodes: added[:1], Rate: 20},
		harness.Change{Generation: newer},
		harness.Hold{For: 5 * timers.ReconnectMax, Why: "data planes dial in vain"},
		harness.Change{Generation: newest},
	)
	long := 20*timers.ReconnectMax + draw.Duration("outage", 0, 2*timers.ReconnectMax)
	if left := began + long - t.Now(); left > 0 {
		t.Then(harness.Hold{For: left, Why: "they do so for as long as it takes"})
	}
	t.Phase("recovery",
		harness.Heal{},
		harness.AwaitServing{Nodes: everyone, Generation: newest},
		harness.AwaitSnapshot{Generation: newest},
		harness.Hold{For: time.Second, Why: "traffic after the recovery"},
		harness.StopTraffic{},
	)
	return top, t.Steps()
}
