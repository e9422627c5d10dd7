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

// storageOtherVersion has objects of other versions in the bucket: beside the right one,
// as an upgrade leaves them behind, and in its place. Beside them is a store that is
// behind with the object itself: what it shows was exported once, and is served until the
// control plane returns.
var storageOtherVersion = harness.Scenario{
	Name:     "storage-other-version",
	Summary:  "data planes are added during an outage; other versions' objects lie beside theirs, for one there is no other, and one is shown an older state of its own",
	Labels:   storageLabels(label.Nightly),
	Promises: []string{"G1", "G2", "G3", "G4", "G5", "G10", "G13"},
	Exercises: []string{
		"G1.1", "G1.3", "G2.1", "G2.2", "G2.3", "G3.1", "G3.6", "G4.3", "G5.1", "G5.2", "G10.1", "G10.3", "G13.2", "G13.3",
	},
	Plan: planStorageOtherVersion,
}

func planStorageOtherVersion(draw plan.Source, timers history.Profile) (topology.Topology, []plan.Step) {
	r := beginStorage(draw, timers, storageResidents...)
	r.darken()
	for i, version := range draw.Shuffle("order of leftovers", []string{"3.8.1", "3.9.0", "3.9.2", "3.10.0"}) {
		r.Then(harness.Plant{Generation: 100*(i+1) + draw.Between("generation of "+version, 0, 99), Version: version})
	}
	names := r.add(
		importing("dp-beside"),
		importing("dp-instead", fault.Spec{Kind: fault.StoreOtherVersion, Node: "dp-instead"}),
		answering("dp-404", 404, 0),
		importing("dp-stale", fault.Spec{Kind: fault.StoreStale, Node: "dp-stale", Generation: storageOld}),
	)
	r.Then(
		harness.AwaitServing{Nodes: names[:1], Generation: storageGood},
		harness.AwaitServing{Nodes: names[3:], Generation: storageOld},
		harness.StartTraffic{Nodes: []string{names[0], names[3]}},
	)
	r.hold("others", 5, "another version's object is nobody's")
	r.Then(harness.Change{Generation: storageNewest})
	return r.recover(append(r.serving(), names...))
}

// storageAccounts has data planes import with an account that may read and nothing more:
// what it may not, the harness has tried.
var storageAccounts = harness.Scenario{
	Name:     "storage-accounts",
	Summary:  "a write with a reader's account is refused, and data planes with such accounts import during an outage",
	Labels:   storageLabels(label.Nightly),
	Promises: []string{"G1", "G2", "G3", "G4", "G5", "G7", "G10", "G13"},
	Exercises: []string{
		"G1.1", "G1.3", "G2.1", "G2.3", "G3.1", "G4.3", "G5.1", "G5.3", "G7.1", "G7.2", "G10.1", "G13.1", "G13.3",
	},
	Plan: planStorageAccounts,
}

func planStorageAccounts(draw plan.Source, timers history.Profile) (topology.Topology, []plan.Step) {
	r := beginStorage(draw, timers, storageResidents...)
	r.darken()
	r.Then(harness.TryWrite{})
	bystanding := latecomer{Node: topology.Node{Name: "dp-4", Role: topology.DataPlane, Account: true}}
	names := r.add(importing("dp-2"), importing("dp-3"), bystanding)
	r.Then(
		harness.AwaitServing{Nodes: names[:2], Generation: storageGood},
		harness.StartTraffic{Nodes: names[:2]},
	)
	r.hold("served", 5, "whoever imported has no more to do with the store")
	r.Then(
		harness.TryWrite{},
		harness.Change{Generation: storageNewest},
	)
	return r.recover(append(r.serving(), names...))
}

// storageUnknownCA has data planes reach the store over TLS. Whose store shows a
// certificate that it cannot trust tells it nothing and takes nothing from it, and does
// not try for ever; one beside it imports.
var storageUnknownCA = harness.Scenario{
	Name:     "storage-unknown-ca",
	Summary:  "data planes that reach the store over TLS are added during an outage; to some it shows a stranger's certificate",
	Labels:   storageLabels(label.Nightly),
	Promises: []string{"G1", "G2", "G3", "G4", "G8", "G10", "G13"},
	Exercises: []string{
		"G1.1", "G1.3", "G2.1", "G2.2", "G2.3", "G3.1", "G4.3", "G8.1", "G10.1", "G10.3", "G13.2", "G13.3",
	},
	Plan: planStorageUnknownCA,
}

func planStorageUnknownCA(draw plan.Source, timers history.Profile) (topology.Topology, []plan.Step) {
	r := beginStorage(draw, timers, storageResidents...)
	r.darken()
	overTLS := func(name string, faults ...fault.Spec) latecomer {
		l := importing(name, faults...)
		l.StoreTLS = true
		return l
	}
	names := r.add(
		overTLS("dp-trusting"),
		overTLS("dp-unknown", fault.Spec{Kind: fault.StoreUnknownCA, Node: "dp-unknown"}),
		overTLS("dp-other", fault.Spec{Kind: fault.StoreOtherHost, Node: "dp-other"}),
	)
	r.Then(
		harness.AwaitServing{Nodes: names[:1], Generation: storageGood},
		harness.StartTraffic{Nodes: names[:1]},
	)
	r.hold("strange", 5, "nobody tells a stranger anything")
	r.Then(
		harness.Heal{Targets: names[1:]},
		harness.Hold{For: 3 * time.Second, Why: "the store shows its own certificate, and no read is repeated"},
		harness.Change{Generation: storageNewest},
	)
	return r.recover(append(r.serving(), names...))
}

// storageEncryption has the backup node ask for encryption by the store's own keys, and
// data planes import what was encrypted.
var storageEncryption = harness.Scenario{
	Name:     "storage-encryption",
	Summary:  "the backup node asks the store to encrypt the snapshot; data planes that are added during an outage import it",
	Labels:   storageLabels(label.Nightly),
	Promises: []string{"G1", "G2", "G3", "G4", "G6", "G8", "G10", "G13"},
	Exercises: []string{
		"G1.1", "G1.3", "G2.1", "G2.3", "G3.1", "G4.3", "G6.1", "G6.3", "G8.2", "G10.1", "G13.3",
	},
	Plan: planStorageEncryption,
}

func planStorageEncryption(draw plan.Source, timers history.Profile) (topology.Topology, []plan.Step) {
	r := beginStorage(draw, timers,
		topology.Node{Name: "cp", Role: topology.ControlPlane},
		topology.Node{Name: backup, Role: topology.DataPlane, Export: true, Encryption: topology.AES256},
		topology.Node{Name: running1, Role: topology.DataPlane, Import: true},
	)
	r.darken()
	names := r.add(importing("dp-2"), importing("dp-3"))
	r.Then(
		harness.AwaitServing{Nodes: names, Generation: storageGood},
		harness.StartTraffic{Nodes: names},
	)
	r.hold("served", 4, "what was encrypted serves")
	r.Then(harness.Change{Generation: storageNewest})
	return r.recover(append(r.serving(), names...))
}
