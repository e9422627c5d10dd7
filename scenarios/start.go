// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package scenarios

import (
	"blackout/harness"
	"blackout/harness/history"
	"blackout/harness/label"
	"blackout/harness/plan"
	"blackout/harness/topology"
)

// Start brings a whole topology up until every data plane serves the first
// configuration, and no more. Nothing goes wrong in it, so that nothing can be
// judged: it is for counting starts, and is not one of [All].
var Start = harness.Scenario{
	Name:    "start",
	Summary: "a whole topology comes up and serves its first configuration",
	Labels:  []label.Label{label.Fast},
	Plan: func(draw plan.Source, _ history.Profile) (topology.Topology, []plan.Step) {
		var serving []string
		for _, n := range residents.Nodes {
			if n.Role == topology.DataPlane {
				serving = append(serving, n.Name)
			}
		}
		var steps []plan.Step
		for _, a := range []plan.Action{
			harness.BringUp{},
			harness.Configure{Generation: 1, Routes: draw.Between("routes", 20, 120)},
			harness.AwaitServing{Nodes: serving, Generation: 1, Steady: true},
			harness.AwaitSnapshot{Generation: 1, Steady: true},
		} {
			steps = append(steps, plan.Step{Phase: plan.BringUp, Action: a})
		}
		return residents, steps
	},
}
