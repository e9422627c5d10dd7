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

// storageBothDown takes store and control plane away, and brings one back before the
// other. Where that is the store nothing happens, since a read that failed is not
// repeated; where it is the control plane, data planes serve.
var storageBothDown = harness.Scenario{
	Name:     "storage-both-down",
	Summary:  "store and control plane are down when data planes are added; for some the store heals first, for others the control plane",
	Labels:   storageLabels(label.Nightly),
	Promises: []string{"G1", "G2", "G4", "G10", "G13"},
	Exercises: []string{
		"G1.1", "G1.2", "G2.2", "G2.3", "G4.1", "G4.2", "G4.3", "G10.1", "G10.2", "G10.3", "G10.4", "G13.1", "G13.2", "G13.3",
	},
	Plan: planStorageBothDown,
}

func planStorageBothDown(draw plan.Source, timers history.Profile) (topology.Topology, []plan.Step) {
	r := beginStorage(draw, timers, storageResidents...)
	store := func(kind fault.Kind, node string) fault.Spec {
		return fault.Spec{Kind: kind, Edge: r.top.StoreEdge(node)}
	}
	r.darken(store(fault.Exit, backup), store(fault.Exit, running1))
	storeFirst := r.add(
		importing("dp-2", store(fault.Reset, "dp-2")),
		importing("dp-3", store(fault.Blackhole, "dp-3")),
		importing("dp-4", store(fault.Exit, "dp-4")),
	)
	planeFirst := r.add(
		importing("dp-5", store(fault.Reset, "dp-5")),
		importing("dp-6", store(fault.Exit, "dp-6")),
	)
	newcomers := append(storeFirst, planeFirst...)
	attempts := draw.Between("attempts", 6, 8)
	var stores, planes []string
	for _, node := range storeFirst {
		stores = append(stores, r.top.StoreEdge(node).String())
	}
	for _, node := range planeFirst {
		planes = append(planes, r.top.CPEdge(node).String())
	}
	r.Then(
		harness.AwaitAttempts{Nodes: newcomers, Attempts: attempts},
		harness.Heal{Targets: stores},
	)
	r.hold("store", 5, "the store is back, and nobody may read it")
	r.Then(
		harness.Change{Generation: storageNewest},
		harness.Heal{Targets: planes},
		harness.AwaitServing{Nodes: planeFirst, Generation: storageNewest},
		harness.StartTraffic{Nodes: planeFirst},
	)
	r.hold("plane", 3, "some serve, the others wait")
	return r.recover(append(r.serving(), newcomers...))
}

// storageAfterBoot changes the bucket behind data planes that have imported, while
// control plane and store come and go: none of them looks there again.
var storageAfterBoot = harness.Scenario{
	Name:     "storage-after-boot",
	Summary:  "data planes import; then the bucket is changed, and control plane and store are lost and healed twice more",
	Labels:   storageLabels(label.Nightly),
	Promises: []string{"G1", "G2", "G3", "G4", "G10", "G13"},
	Exercises: []string{
		"G1.1", "G1.2", "G1.3", "G2.1", "G2.3", "G2.4", "G3.1", "G3.6", "G4.3", "G10.1", "G10.2", "G10.3", "G10.4", "G10.5", "G10.6", "G13.3",
	},
	Plan: planStorageAfterBoot,
}

func planStorageAfterBoot(draw plan.Source, timers history.Profile) (topology.Topology, []plan.Step) {
	r := beginStorage(draw, timers, storageResidents...)
	r.darken()
	imported := r.add(importing("dp-2"), importing("dp-3"))
	generation := storageNewest
	planted := draw.Between("planted generation", 100, 500)
	plant := func() { planted++; r.Then(harness.Plant{Generation: planted}) }
	r.Then(
		harness.AwaitServing{Nodes: imported, Generation: storageGood},
		harness.StartTraffic{Nodes: imported},
	)
	plant()
	r.hold("planted", 3, "nobody may follow the planted object")
	for cycle, kinds := range [][2]fault.Kind{{fault.Reset, fault.Exit}, {fault.Exit, fault.Reset}} {
		everyone := append(r.serving(), imported...)
		r.Then(
			harness.Change{Generation: generation},
			harness.Heal{},
			harness.AwaitServing{Nodes: everyone, Generation: generation},
			harness.AwaitSnapshot{Generation: generation},
		)
		generation++
		var faults []fault.Spec
		for _, node := range append([]string{running1}, imported...) {
			faults = append(faults, fault.Spec{Kind: kinds[0], Edge: r.top.CPEdge(node)}, fault.Spec{Kind: kinds[1], Edge: r.top.StoreEdge(node)})
		}
		r.Then(harness.Inject{Faults: faults})
		plant()
		r.hold([]string{"first", "second"}[cycle], 3, "control plane and store are gone")
		var stores []string
		for _, node := range append([]string{running1}, imported...) {
			stores = append(stores, r.top.StoreEdge(node).String())
		}
		r.Then(harness.Heal{Targets: stores})
		r.hold([]string{"first, with the store", "second, with the store"}[cycle], 3, "the store is back, and nobody may look")
	}
	r.Then(harness.Change{Generation: generation})
	r.Phase("recovery",
		harness.Heal{},
		harness.AwaitServing{Nodes: append(r.serving(), imported...), Generation: generation},
		harness.AwaitSnapshot{Generation: generation},
		harness.Hold{For: 2 * time.Second, Why: "traffic after the recovery"},
		harness.StopTraffic{},
	)
	return r.top, r.Steps()
}
