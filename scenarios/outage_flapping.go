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

// outageFlapping is a control plane that does not stay: the links to it come and go,
// then its process is killed right after it acknowledged a change, and at last it is
// killed again and again.
var outageFlapping = harness.Scenario{
	Name:     "outage-flapping",
	Summary:  "links to the control plane come and go, and its process dies right after a change and again and again",
	Labels:   []label.Label{label.Outage, label.Nightly},
	Promises: []string{"G4", "G10", "G13"},
	Exercises: []string{
		"G4.3", "G4.5", "G10.1", "G10.2", "G10.4", "G10.6", "G13.3",
	},
	Plan: planOutageFlapping,
}

func planOutageFlapping(draw plan.Source, timers history.Profile) (topology.Topology, []plan.Step) {
	running := []string{running1, running2, "dp-3"}
	everyone := append([]string{backup}, running...)
	top := topology.Topology{}.With(
		topology.Node{Name: "cp", Role: topology.ControlPlane},
		topology.Node{Name: backup, Role: topology.DataPlane, Export: true},
	)
	for _, name := range running {
		top = top.With(topology.Node{Name: name, Role: topology.DataPlane, Import: true})
	}
	// turns are times in pairs: down and up. Down lasts no longer than a reconnect, so
	// that some turns are over before anybody has dialled again.
	turns := func(use string, pairs int) (times []time.Duration) {
		at := time.Duration(0)
		for i := range pairs {
			at += draw.Duration(fmt.Sprintf("%s: up %d", use, i), timers.ReconnectMin, 2*timers.ReconnectMax)
			times = append(times, at)
			at += draw.Duration(fmt.Sprintf("%s: down %d", use, i), timers.ReconnectMin, timers.ReconnectMax)
			times = append(times, at)
		}
		return times
	}
	var flaps []fault.Spec
	for _, name := range running {
		flaps = append(flaps, fault.Spec{Kind: fault.Flapping, Edge: top.CPEdge(name), Times: turns(name, 5)})
	}
	crashes := turns("crashes", 2)
	flapped, acknowledged, newest := 3, 4, 5
	t := plan.NewTimetable(timers)
	bringUp(t, everyone, draw.Between("routes", 20, 60))
	t.Phase("steady",
		harness.StartTraffic{Nodes: running, Rate: 25},
		harness.Hold{For: draw.Duration("steady", time.Second, 2*time.Second), Why: "traffic before the outage"},
	)
	t.Phase("flapping",
		harness.Inject{Faults: flaps},
		harness.Change{Generation: flapped},
		harness.Hold{For: 10 * timers.ReconnectMax, Why: "links come and go"},
		harness.Heal{},
		harness.AwaitServing{Nodes: everyone, Generation: flapped},
	)
	t.Phase("outage",
		harness.Change{Generation: acknowledged},
		harness.Inject{Faults: []fault.Spec{{Kind: fault.Kill, Node: "cp"}}},
		harness.Hold{For: 2*timers.ReconnectMax + draw.Duration("outage", 0, time.Second), Why: "data planes dial in vain"},
		harness.Heal{},
		harness.AwaitServing{Nodes: everyone, Generation: acknowledged},
	)
	t.Phase("crashes",
		harness.Inject{Faults: []fault.Spec{{Kind: fault.CrashLoop, Node: "cp", Times: crashes}}},
		harness.Hold{For: crashes[len(crashes)-1], Why: "the control plane crashes again and again"},
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
