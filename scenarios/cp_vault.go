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

// vaultReference gives data planes a parameter that refers to a secret which is not
// there. They cannot start, whatever they may import; they say so, and nobody else is
// the worse for it.
var vaultReference = harness.Scenario{
	Name:      "cp-vault",
	Summary:   "data planes are started with a reference to a secret that is not there, beside ones that serve",
	Labels:    []label.Label{label.ControlPlane, label.Nightly, label.ScaleOut},
	Promises:  []string{"G10", "G13"},
	Exercises: []string{"G10.1", "G10.4", "G13.3", "G13.4"},
	Plan:      planVault,
}

// The data planes that cannot start.
const (
	keyless  = "dp-3" // may import
	keyless2 = "dp-4" // may not
)

// references are parameters whose value a node without a secret could do without, so
// that nothing but the reference keeps it from starting.
var references = []string{"cluster_server_name", "proxy_server"}

func planVault(draw plan.Source, timers history.Profile) (topology.Topology, []plan.Step) {
	top := topology.Topology{}.With(
		topology.Node{Name: "cp", Role: topology.ControlPlane},
		topology.Node{Name: backup, Role: topology.DataPlane, Export: true},
		topology.Node{Name: running1, Role: topology.DataPlane, Import: true},
		topology.Node{Name: running2, Role: topology.DataPlane, Import: true},
	)
	first := draw.Between("parameter", 0, len(references)-1)
	missing := func(node string, parameter int) fault.Spec {
		return fault.Spec{Kind: fault.SecretMissing, Node: node, Parameter: references[parameter%len(references)]}
	}
	residents, keylessOnes := []string{backup, running1, running2}, []string{keyless, keyless2}
	good, newest := 1, 2
	t := plan.NewTimetable(timers)
	t.Phase(plan.BringUp,
		harness.BringUp{},
		harness.Configure{Generation: good, Routes: draw.Between("routes", 20, 60)},
		harness.AwaitServing{Nodes: residents, Generation: good, Steady: true},
		harness.AwaitSnapshot{Generation: good, Steady: true},
	)
	t.Phase("steady",
		harness.StartTraffic{Nodes: []string{running1}},
		harness.Hold{For: draw.Duration("steady", time.Second, 2*time.Second), Why: "traffic before the outage"},
	)
	t.Phase("outage",
		harness.Inject{Faults: []fault.Spec{{Kind: fault.Reset, Edge: top.CPEdge(running1)}}},
		harness.ScaleOut{
			Nodes: []topology.Node{
				{Name: keyless, Role: topology.DataPlane, Import: true},
				{Name: keyless2, Role: topology.DataPlane, Account: true},
			},
			Faults: []fault.Spec{missing(keyless, first), missing(keyless2, first+1)},
		},
		harness.Inject{Faults: []fault.Spec{missing(running2, first)}}, // which is started again for it
		harness.Hold{For: 11 * time.Second, Why: "who cannot start has ended by then, and who serves goes on"},
	)
	t.Phase("recovery",
		harness.Heal{},
		harness.Change{Generation: newest},
		harness.AwaitServing{Nodes: append(residents, keylessOnes...), Generation: newest},
		harness.Hold{For: time.Second, Why: "traffic after the recovery"},
		harness.StopTraffic{},
	)
	return top, t.Steps()
}
