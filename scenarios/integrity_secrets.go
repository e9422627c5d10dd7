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

// credentialsKept asks for a route that needs a key whatever a data plane's
// configuration came from: a connection that is gone, its cache, the snapshot.
// Without the key, and with a wrong one, it must stay shut, and open with the right
// one. Meanwhile nobody writes a secret and nothing new listens.
var credentialsKept = harness.Scenario{
	Name:     "integrity-credentials",
	Summary:  "a route needs a key while data planes run on, restart from their caches and start from the snapshot during an outage",
	Labels:   []label.Label{label.Integrity, label.Nightly, label.Outage, label.ScaleOut},
	Promises: []string{"G3", "G10", "G12"},
	Exercises: []string{
		"G3.1", "G3.6", "G10.1", "G10.2", "G10.5", "G10.9", "G12.1", "G12.2", "G12.3",
	},
	Plan: planCredentialsKept,
}

func planCredentialsKept(draw plan.Source, timers history.Profile) (topology.Topology, []plan.Step) {
	const restarted, added = running2, importer
	top := pair().With(topology.Node{Name: restarted, Role: topology.DataPlane, Import: true})
	before := []string{backup, running1, restarted}
	old, good, newest := 1, 2, 3
	probe := func(nodes ...string) harness.StartTraffic {
		return harness.StartTraffic{Nodes: nodes, Rate: 20, Streams: harness.WithKeys()}
	}
	t := plan.NewTimetable(timers)
	t.Phase(plan.BringUp,
		harness.BringUp{},
		harness.Configure{Generation: old, Routes: draw.Between("routes", 20, 60), Guarded: true},
		harness.AwaitServing{Nodes: before, Generation: old, Steady: true},
		harness.Change{Generation: good},
		harness.AwaitServing{Nodes: before, Generation: good, Steady: true},
		harness.AwaitSnapshot{Generation: good, Steady: true},
	)
	t.Phase("steady",
		probe(running1, restarted),
		harness.Hold{For: draw.Duration("steady", 4*time.Second, 5*time.Second), Why: "traffic before the outage, and a look at what listens"},
	)
	t.Phase("outage",
		harness.Inject{Faults: cutAll(top, before...)},
		harness.Inject{Faults: []fault.Spec{{Kind: fault.Restart, Node: restarted}}},
		harness.ScaleOut{
			Nodes:  []topology.Node{{Name: added, Role: topology.DataPlane, Import: true}},
			Faults: []fault.Spec{{Kind: fault.Reset, Edge: top.CPEdge(added)}},
		},
		harness.AwaitServing{Nodes: []string{restarted, added}, Generation: good},
		probe(added),
		harness.Change{Generation: newest},
		harness.Hold{For: draw.Duration("outage", 5*time.Second, 6*time.Second), Why: "requests with and without the key"},
	)
	t.Phase("recovery",
		harness.Heal{},
		harness.AwaitServing{Nodes: append(before, added), Generation: newest},
		harness.Hold{For: time.Second, Why: "traffic after the recovery"},
		harness.StopTraffic{},
	)
	return top, t.Steps()
}
