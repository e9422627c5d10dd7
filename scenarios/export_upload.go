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

// exportKilledUpload makes uploads slow, so that traffic meets one, and so that the
// backup node can be killed in the midst of another. It is started again on a
// configuration that has not changed since.
var exportKilledUpload = harness.Scenario{
	Name:      "export-killed-upload",
	Summary:   "the backup node is killed in the midst of an upload, and started again",
	Labels:    []label.Label{label.Export, label.Nightly, label.Storage},
	Promises:  []string{"G3", "G6"},
	Exercises: []string{"G3.1", "G6.1", "G6.3", "G6.4", "G6.6"},
	Plan:      planExportKilledUpload,
}

// sliver is of what size the pieces are in which a slow upload arrives, in bytes: less
// than the head of a request, so that a witness without a body meets the fault too.
const sliver = 250

// trickle makes an upload last for about as long as is said.
func trickle(edge topology.Edge, upload time.Duration) fault.Spec {
	return fault.Spec{
		Kind: fault.Slicing, Edge: edge, Direction: fault.Upstream,
		Bytes: sliver, Delay: (upload * sliver / snapshotFloor).Round(time.Millisecond),
	}
}

func planExportKilledUpload(draw plan.Source, timers history.Profile) (topology.Topology, []plan.Step) {
	e := planExport(draw, timers, exported, 80, 90)
	edge := e.top.StoreEdge(backup)
	e.Phase("steady", harness.StartTraffic{Nodes: e.planes})
	e.Phase("outage", harness.Inject{Faults: []fault.Spec{trickle(edge, 4*time.Second)}})
	e.change()
	e.served()
	e.stored(8 * time.Second)
	e.Then(harness.StopTraffic{}, harness.StartTraffic{Nodes: []string{running1}})
	e.change()
	e.served()
	e.hold("upload", time.Second/2, "the upload has begun, and has not ended")
	e.Then(
		harness.Inject{Faults: []fault.Spec{{Kind: fault.Kill, Node: backup}}},
		harness.Heal{Targets: []string{edge.String()}},
		harness.Hold{For: time.Second, Why: "nobody finds half of an object"},
		harness.Heal{Targets: []string{backup}},
	)
	e.stored(5 * time.Second)
	e.boot("dp-2")
	return e.finish()
}
