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

// incompatiblePlugin is a control plane that configures a plugin which some of its data
// planes do not run. They cannot be given that configuration, neither by the control
// plane nor by the snapshot that others wrote of it; what they have they serve on.
var incompatiblePlugin = harness.Scenario{
	Name:     "cp-incompatible-plugin",
	Summary:  "the control plane configures a plugin that some data planes lack; it goes dark, data planes with and without the plugin are added, and it returns",
	Labels:   []label.Label{label.ControlPlane, label.Nightly, label.Outage, label.ScaleOut},
	Promises: []string{"G2", "G3", "G4", "G10", "G13"},
	Exercises: []string{
		"G2.1", "G3.1", "G4.1", "G4.3", "G4.5", "G10.1", "G10.2", "G10.4", "G13.2", "G13.3", "G13.7",
	},
	Plan: planIncompatiblePlugin,
}

// The data planes, by what they run.
const (
	lacking  = "dp-2"
	complete = "dp-3" // is added
	lacking2 = "dp-4" // is added
)

// missingPlugin is the one that those that lack one lack, and otherPlugins are what they
// run.
const (
	missingPlugin = "response-transformer"
	otherPlugins  = "key-auth,rate-limiting"
)

func planIncompatiblePlugin(draw plan.Source, timers history.Profile) (topology.Topology, []plan.Step) {
	may := func(name, plugins string) topology.Node {
		n := topology.Node{Name: name, Role: topology.DataPlane, Import: true}
		if plugins != "" {
			n.Parameters = map[string]string{"plugins": plugins}
		}
		return n
	}
	top := topology.Topology{}.With(
		topology.Node{Name: "cp", Role: topology.ControlPlane},
		topology.Node{Name: backup, Role: topology.DataPlane, Export: true},
		may(running1, ""), may(lacking, otherPlugins),
	)
	added := harness.ScaleOut{Nodes: []topology.Node{may(complete, ""), may(lacking2, otherPlugins)}}
	for _, n := range added.Nodes {
		added.Faults = append(added.Faults, fault.Spec{Kind: fault.Reset, Edge: top.CPEdge(n.Name)})
	}
	with, without := 3, 4
	routes := draw.Between("routes", 20, 60)
	t := plan.NewTimetable(timers)
	bringUp(t, []string{backup, running1, lacking}, routes)
	t.Phase("steady",
		harness.StartTraffic{Nodes: []string{running1, lacking}},
		harness.Hold{For: draw.Duration("steady", time.Second, 2*time.Second), Why: "traffic before there is the plugin"},
		harness.Configure{Generation: with, Routes: routes, Plugin: missingPlugin},
		harness.AwaitServing{Nodes: []string{backup, running1}, Generation: with},
		harness.AwaitSnapshot{Generation: with},
		harness.Hold{For: patience(timers), Why: "who lacks the plugin is not given it, and listed"},
	)
	t.Phase("outage",
		harness.Inject{Faults: cutAll(top, backup, running1, lacking)},
		added,
		harness.AwaitServing{Nodes: []string{complete}, Generation: with},
		harness.StartTraffic{Nodes: []string{complete, lacking2}},
	)
	t.By(t.Now()+patience(timers), harness.AwaitAttempts{Nodes: []string{complete, lacking2}, Attempts: draw.Between("attempts", 5, 7)})
	t.Phase("recovery",
		harness.Heal{},
		harness.AwaitServing{Nodes: []string{running1, complete}, Generation: with},
		harness.Hold{For: 2 * timers.ReconnectMax, Why: "who lacks the plugin is connected again and still not given it"},
		harness.Configure{Generation: without, Routes: routes},
		harness.AwaitServing{Nodes: []string{backup, running1, lacking, complete, lacking2}, Generation: without},
		harness.Hold{For: time.Second, Why: "traffic after the recovery"},
		harness.StopTraffic{},
	)
	return top, t.Steps()
}
