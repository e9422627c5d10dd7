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

// storageFaultsAtCreation adds data planes during one outage, and gives each an illness
// of the store of its own. Whoever gets no snapshot reads once, says why it is not
// ready, serves nothing and is well when the control plane is; the store's own healing,
// which comes before that, changes nothing.
var storageFaultsAtCreation = harness.Scenario{
	Name:     "storage-faults-at-creation",
	Summary:  "data planes are added during an outage, each with an ill store of its own; the store heals, then the control plane",
	Labels:   storageLabels(label.Fast),
	Promises: []string{"G1", "G2", "G3", "G4", "G10", "G13"},
	Exercises: []string{
		"G1.1", "G1.2", "G1.3", "G2.1", "G2.2", "G2.3", "G3.1", "G3.2", "G3.4", "G3.6", "G4.3",
		"G10.1", "G10.2", "G10.3", "G10.4", "G13.1", "G13.2", "G13.3",
	},
	Plan: func(draw plan.Source, timers history.Profile) (topology.Topology, []plan.Step) {
		hanging := importing("dp-hangs", fault.Spec{Kind: fault.StoreHangs, Node: "dp-hangs"})
		hanging.Parameters = map[string]string{"blackout_fallback_read_timeout": "3s"}
		return planStorageFaults(draw, timers,
			importing("dp-refuses", fault.Spec{Kind: fault.StoreRefuses, Node: "dp-refuses"}),
			answering("dp-503", 503, time.Second),
			hanging,
			importing("dp-truncated", fault.Spec{Kind: fault.StoreTruncated, Node: "dp-truncated", Bytes: int64(draw.Between("truncation", snapshotFloor/4, snapshotFloor))}),
			flipped(draw, "dp-flipped"),
			importing("dp-empty", fault.Spec{Kind: fault.StoreEmpty, Node: "dp-empty"}),
			importing("dp-slow", fault.Spec{Kind: fault.StoreSlow, Node: "dp-slow", Rate: slowRate}),
		)
	},
}

// storageRefusalsAtCreation is the same with the answers by which a store denies what
// it has.
var storageRefusalsAtCreation = harness.Scenario{
	Name:     "storage-refusals-at-creation",
	Summary:  "data planes are added during an outage, each denied the snapshot in another way; the store heals, then the control plane",
	Labels:   storageLabels(label.Nightly),
	Promises: []string{"G1", "G2", "G3", "G4", "G5", "G10", "G13"},
	Exercises: []string{
		"G1.1", "G1.2", "G1.3", "G2.1", "G2.2", "G2.3", "G3.1", "G3.6", "G4.3", "G5.1",
		"G10.1", "G10.2", "G10.3", "G10.4", "G13.1", "G13.2", "G13.3",
	},
	Plan: func(draw plan.Source, timers history.Profile) (topology.Topology, []plan.Step) {
		return planStorageFaults(draw, timers,
			answering("dp-403", 403, 0),
			answering("dp-404", 404, 0),
			answering("dp-412", 412, 0),
			answering("dp-429", 429, time.Second),
			importing("dp-skewed", fault.Spec{Kind: fault.StoreSkewed, Node: "dp-skewed", Delay: time.Hour}),
			importing("dp-revoked", fault.Spec{Kind: fault.CredentialRevoked, Node: "dp-revoked"}),
			importing("dp-healthy"),
		)
	},
}

// storageFlippedAtCreation is the same with one bit of the snapshot changed, at a place
// of its own for each: what only a text that no parser takes would give away is noticed
// by luck.
var storageFlippedAtCreation = harness.Scenario{
	Name:     "storage-flipped-at-creation",
	Summary:  "data planes are added during an outage, each sent the snapshot with another bit changed; the store heals, then the control plane",
	Labels:   storageLabels(label.Nightly),
	Promises: []string{"G1", "G2", "G3", "G4", "G10", "G13"},
	Exercises: []string{
		"G1.1", "G1.2", "G1.3", "G2.1", "G2.2", "G2.3", "G3.1", "G3.4", "G3.6", "G4.3",
		"G10.1", "G10.2", "G10.3", "G10.4", "G13.2", "G13.3",
	},
	Plan: func(draw plan.Source, timers history.Profile) (topology.Topology, []plan.Step) {
		return planStorageFaults(draw, timers,
			flipped(draw, "dp-2"), flipped(draw, "dp-3"), flipped(draw, "dp-4"), flipped(draw, "dp-5"), importing("dp-healthy"))
	},
}

// slowRate is that of a slow store, in bytes a second: a snapshot takes some seconds,
// and all of an outage is longer.
const slowRate = 20_000

// answering is a data plane whose store answers everything with a status.
func answering(name string, status int, retryAfter time.Duration) latecomer {
	return importing(name, fault.Spec{Kind: fault.StoreStatus, Node: name, Status: status, RetryAfter: retryAfter})
}

// flipped is a data plane that gets the snapshot with one bit changed.
func flipped(draw plan.Source, name string) latecomer {
	return importing(name, fault.Spec{Kind: fault.StoreFlipped, Node: name, Seed: uint64(draw.Between("bit of "+name, 0, 1<<30))})
}

// planStorageFaults adds data planes of which the last alone gets the snapshot.
func planStorageFaults(draw plan.Source, timers history.Profile, all ...latecomer) (topology.Topology, []plan.Step) {
	r := beginStorage(draw, timers, storageResidents...)
	r.darken()
	names := r.add(all...)
	serving := names[len(names)-1:]
	r.Then(
		harness.AwaitServing{Nodes: serving, Generation: storageGood},
		harness.StartTraffic{Nodes: serving},
	)
	r.hold("ill", 4, "no read is repeated")
	var ill []string
	for _, l := range all {
		if len(l.faults) > 0 {
			ill = append(ill, l.Name)
		}
	}
	r.Then(harness.Heal{Targets: ill})
	r.hold("well", 3, "the store is well, and no read is repeated")
	r.Then(harness.Change{Generation: storageNewest})
	return r.recover(append(r.serving(), names...))
}

// storageSlow has the ways in which a store is slow and nothing worse: a data plane that
// gets the snapshot late serves it all the same, one beside it is none the later, and
// one whose session has expired gets nothing. One is still reading when its control plane
// comes back with something newer: what arrives after that is of no use.
var storageSlow = harness.Scenario{
	Name:     "storage-slow",
	Summary:  "data planes are added during an outage: one from a store in good health, one after an expired session, the others from slow stores, one of them too slow for the control plane's return",
	Labels:   storageLabels(label.Nightly),
	Promises: []string{"G1", "G2", "G3", "G4", "G10", "G13"},
	Exercises: []string{
		"G1.1", "G1.2", "G1.3", "G2.1", "G2.2", "G2.3", "G3.1", "G3.6", "G4.3", "G10.1", "G10.2", "G10.3", "G10.4", "G10.5", "G13.1", "G13.2", "G13.3",
	},
	Plan: planStorageSlow,
}

// overtaken is a data plane whose control plane is faster than its store.
const overtaken = "dp-overtaken"

func planStorageSlow(draw plan.Source, timers history.Profile) (topology.Topology, []plan.Step) {
	r := beginStorage(draw, timers, storageResidents...)
	r.darken()
	edge := func(node string, f fault.Spec) latecomer {
		f.Edge = r.top.StoreEdge(node)
		return importing(node, f)
	}
	names := r.add(
		importing("dp-expired", fault.Spec{Kind: fault.StoreExpired, Node: "dp-expired"}),
		importing("dp-healthy"),
		importing("dp-slow", fault.Spec{Kind: fault.StoreSlow, Node: "dp-slow", Rate: int64(draw.Between("rate", 8_000, 12_000))}),
		edge("dp-narrow", fault.Spec{Kind: fault.Bandwidth, Rate: int64(draw.Between("bandwidth", 15_000, 20_000))}),
		edge("dp-late", fault.Spec{Kind: fault.Latency, Delay: draw.Duration("latency", 100*time.Millisecond, 300*time.Millisecond)}),
		edge("dp-sliced", fault.Spec{Kind: fault.Slicing, Bytes: 1000, Delay: 10 * time.Millisecond}),
		importing(overtaken, fault.Spec{Kind: fault.StoreSlow, Node: overtaken, Rate: int64(draw.Between("slowest rate", 2_500, 3_000))}),
	)
	serving := names[1 : len(names)-1]
	r.Then(
		harness.AwaitServing{Nodes: serving[:1], Generation: storageGood},
		harness.StartTraffic{Nodes: serving[:1]},
		harness.Change{Generation: storageNewest},
		harness.Heal{Targets: []string{r.top.CPEdge(overtaken).String()}},
		harness.AwaitServing{Nodes: []string{overtaken}, Generation: storageNewest},
		harness.StartTraffic{Nodes: []string{overtaken}, Rate: 10},
		harness.Hold{For: 5 * time.Second, Why: "the slow stores' answers arrive"},
		harness.AwaitServing{Nodes: serving, Generation: storageGood},
		harness.StartTraffic{Nodes: serving[1:], Rate: 10},
		harness.Hold{For: 8 * time.Second, Why: "what is read late serves as well, and replaces nothing"},
	)
	return r.recover(append(r.serving(), names...))
}
