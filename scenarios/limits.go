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

// limits are the scenarios of the family limits.
var limits = []harness.Scenario{manyRoutes, mostRoutes, payloadLimit, fleet}

// manyRoutes is an outage with a configuration of ten thousand routes: what is
// imported must be all of it, and in time.
var manyRoutes = harness.Scenario{
	Name:     "limits-10k",
	Summary:  "a data plane is added during an outage and imports ten thousand routes",
	Labels:   []label.Label{label.Limits, label.Nightly, label.Outage, label.ScaleOut},
	Promises: []string{"G2", "G3", "G4", "G10"},
	Exercises: []string{
		"G2.1", "G3.1", "G4.3", "G10.1", "G10.2", "G10.4",
	},
	Plan: planManyRoutes,
}

func planManyRoutes(draw plan.Source, timers history.Profile) (topology.Topology, []plan.Step) {
	const added = importer
	top := pair()
	good, newest := 1, 2
	t := plan.NewTimetable(timers)
	settle(t, good, 9_998) // beside the probed and the guarded one
	t.Phase("steady",
		harness.StartTraffic{Nodes: []string{running1}, Rate: 20},
		harness.Hold{For: draw.Duration("steady", time.Second, 2*time.Second), Why: "traffic before the outage"},
	)
	t.Phase("outage",
		harness.Inject{Faults: cutAll(top, backup, running1)},
		harness.ScaleOut{
			Nodes:  []topology.Node{{Name: added, Role: topology.DataPlane, Import: true}},
			Faults: []fault.Spec{{Kind: fault.Reset, Edge: top.CPEdge(added)}},
		},
		harness.AwaitServing{Nodes: []string{added}, Generation: good},
		harness.StartTraffic{Nodes: []string{added}, Rate: 50},
		harness.Change{Generation: newest},
		harness.Hold{For: draw.Duration("outage", 4*time.Second, 6*time.Second), Why: "traffic to routes from the first to the last"},
	)
	t.Phase("recovery",
		harness.Heal{},
		harness.AwaitServing{Nodes: []string{backup, running1, added}, Generation: newest},
		harness.Hold{For: 2 * time.Second, Why: "traffic after the recovery"},
		harness.StopTraffic{},
	)
	return top, t.Steps()
}
