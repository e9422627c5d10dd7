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

// silentPlanes is a control plane that can be connected to and gives nothing, in
// each of the ways in which that happens. New data planes must take that for an
// outage too, and running ones must not take it for a configuration.
var silentPlanes = harness.Scenario{
	Name:     "cp-silent",
	Summary:  "the control plane takes connections and gives no configuration, data planes are added meanwhile",
	Labels:   []label.Label{label.ControlPlane, label.Fast, label.ScaleOut},
	Promises: []string{"G1", "G2", "G3", "G4", "G10", "G13"},
	Exercises: []string{
		"G1.7", "G1.8", "G2.1", "G2.3", "G3.1", "G4.1", "G4.2", "G4.3", "G4.7",
		"G10.1", "G10.2", "G10.3", "G10.4", "G10.5", "G13.3",
	},
	Plan: planSilent,
}

// The data planes that are added, by what their control plane does.
const (
	unheard  = "dp-3" // says nothing after TLS
	unpushed = "dp-4" // says nothing after the upgrade
	bare     = "dp-5" // keeps the connection alive and has no database
	sentAway = "dp-6" // is busy
)

// busyStatuses are the answers of a control plane that has no time.
var busyStatuses = []int{429, 503}

func planSilent(draw plan.Source, timers history.Profile) (topology.Topology, []plan.Step) {
	top := topology.Topology{}.With(
		topology.Node{Name: "cp", Role: topology.ControlPlane},
		topology.Node{Name: backup, Role: topology.DataPlane, Export: true},
		topology.Node{Name: running1, Role: topology.DataPlane, Import: true},
		topology.Node{Name: running2, Role: topology.DataPlane, Import: true},
	)
	on := func(node string, kind fault.Kind) fault.Spec { return fault.Spec{Kind: kind, Edge: top.CPEdge(node)} }
	first := draw.Between("first busy status", 0, 1)
	comeAgain := on(running2, fault.PlaneBusy) // whenever it likes
	comeAgain.Status = busyStatuses[first]
	comeLater := on(sentAway, fault.PlaneBusy)
	comeLater.Status, comeLater.RetryAfter = busyStatuses[1-first], time.Second
	added := []string{unheard, unpushed, bare, sentAway}
	var nodes []topology.Node
	for _, name := range added {
		nodes = append(nodes, topology.Node{Name: name, Role: topology.DataPlane, Import: true})
	}
	good, missed, newest := 2, 3, 4
	silences := []fault.Kind{fault.PlaneSilentTLS, fault.PlaneSilentUpgrade}
	t := plan.NewTimetable(timers)
	bringUp(t, []string{backup, running1, running2}, draw.Between("routes", 20, 60))
	t.Phase("steady",
		harness.StartTraffic{Nodes: []string{running1, running2}, Rate: 20},
		harness.Hold{For: draw.Duration("steady", time.Second, 2*time.Second), Why: "traffic before the outage"},
	)
	t.Phase("outage",
		harness.Inject{Faults: []fault.Spec{on(running1, silences[draw.Between("silence", 0, 1)]), comeAgain}},
		harness.ScaleOut{Nodes: nodes, Faults: []fault.Spec{
			on(unheard, fault.PlaneSilentTLS), on(unpushed, fault.PlaneSilentUpgrade), on(bare, fault.PlaneNoDatabase), comeLater,
		}},
	)
	began := t.Now()
	t.Then(
		harness.AwaitServing{Nodes: added, Generation: good},
		harness.StartTraffic{Nodes: added, Rate: 20},
		harness.Change{Generation: missed},
	)
	enough := began + max(patience(timers), 10*timers.ReconnectMax)
	t.Then(harness.Hold{For: enough - t.Now(), Why: "a data plane goes on dialling, and serves what it has"})
	t.Phase("recovery",
		harness.Heal{},
		harness.Change{Generation: newest},
		harness.AwaitServing{Nodes: append([]string{backup, running1, running2}, added...), Generation: newest},
		harness.Hold{For: time.Second, Why: "traffic after the recovery"},
		harness.StopTraffic{},
	)
	return top, t.Steps()
}
