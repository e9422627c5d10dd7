// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package scenarios

import (
	"strconv"
	"time"

	"blackout/fixtures"
	"blackout/harness"
	"blackout/harness/fault"
	"blackout/harness/history"
	"blackout/harness/label"
	"blackout/harness/plan"
	"blackout/harness/topology"
)

// payloadLimit takes a configuration that just may be sent through push, export and
// import, and then makes one that may not: the last good one stays in force, also for a
// data plane that starts meanwhile, and somebody says why.
var payloadLimit = harness.Scenario{
	Name:     "limits-payload",
	Summary:  "a configuration just under cluster_max_payload goes through push, snapshot and import; one just over it is sent to nobody, and a data plane is added meanwhile",
	Labels:   []label.Label{label.Limits, label.Nightly, label.Outage, label.ScaleOut},
	Promises: []string{"G2", "G3", "G4", "G6", "G10", "G13"},
	Exercises: []string{
		"G2.1", "G3.1", "G4.3", "G4.5", "G4.9", "G6.1", "G6.3", "G10.1", "G10.2", "G10.4", "G10.6", "G13.3", "G13.8",
	},
	Plan: planPayloadLimit,
}

// The least `cluster_max_payload` that Kong 3.9 takes, bytes, and a padding by which a
// configuration comes close to it from either side. What is not padding has room below.
const (
	leastPayload = 4 << 20
	underPayload = leastPayload - 2*fixtures.PieceSize
	overPayload  = leastPayload + 2*fixtures.PieceSize
)

func planPayloadLimit(draw plan.Source, timers history.Profile) (topology.Topology, []plan.Step) {
	const added, beside = "dp-2", "dp-3"
	limited := map[string]string{"cluster_max_payload": strconv.Itoa(leastPayload)}
	top := pair()
	for i := range top.Nodes {
		top.Nodes[i].Parameters = limited
	}
	may := func(name string) topology.Node {
		return topology.Node{Name: name, Role: topology.DataPlane, Import: true, Parameters: limited}
	}
	under, changed, over, last := 1, 2, 3, 4
	routes := draw.Between("routes", 20, 60)
	t := plan.NewTimetable(timers)
	t.Phase(plan.BringUp,
		harness.BringUp{},
		harness.Configure{Generation: under, Routes: routes, Padding: underPayload},
		harness.AwaitServing{Nodes: []string{backup, running1}, Generation: under, Steady: true},
		harness.AwaitSnapshot{Generation: under, Steady: true},
	)
	t.Phase("steady",
		harness.StartTraffic{Nodes: []string{running1}},
		harness.Hold{For: draw.Duration("steady", time.Second, 2*time.Second), Why: "traffic before the outage"},
	)
	t.Phase("outage",
		harness.Inject{Faults: cutAll(top, backup, running1)},
		harness.ScaleOut{Nodes: []topology.Node{may(added)}, Faults: []fault.Spec{{Kind: fault.Reset, Edge: top.CPEdge(added)}}},
		harness.AwaitServing{Nodes: []string{added}, Generation: under},
		harness.StartTraffic{Nodes: []string{added}},
		harness.Change{Generation: changed},
		harness.Hold{For: draw.Duration("outage", 2*time.Second, 4*time.Second), Why: "traffic to who imported"},
	)
	t.Phase("recovery",
		harness.Heal{},
		harness.AwaitServing{Nodes: []string{backup, running1, added}, Generation: changed},
		harness.AwaitSnapshot{Generation: changed},
	)
	t.Phase("outage",
		harness.Configure{Generation: over, Routes: routes, Padding: overPayload},
		harness.ScaleOut{Nodes: []topology.Node{may(beside)}},
		harness.AwaitServing{Nodes: []string{beside}, Generation: changed},
		harness.StartTraffic{Nodes: []string{beside}},
		harness.Hold{For: patience(timers), Why: "what is too large reaches nobody, and everybody serves on"},
	)
	t.Phase("recovery",
		harness.Configure{Generation: last, Routes: routes, Padding: underPayload},
		harness.AwaitServing{Nodes: []string{backup, running1, added, beside}, Generation: last},
		harness.AwaitSnapshot{Generation: last},
		harness.Hold{For: time.Second, Why: "traffic after the recovery"},
		harness.StopTraffic{},
	)
	return top, t.Steps()
}
