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

// certificates lets data planes and their control plane not take each other for
// nodes of one cluster. No retry mends that; yet who mends it does so from outside,
// so that a data plane falls back and goes on dialling.
var certificates = harness.Scenario{
	Name:     "cp-certificates",
	Summary:  "cluster certificates are wrong, have expired, or are rotated at the control plane alone, data planes are added meanwhile",
	Labels:   []label.Label{label.ControlPlane, label.Nightly, label.ScaleOut},
	Promises: []string{"G1", "G2", "G3", "G4", "G10", "G13"},
	Exercises: []string{
		"G1.1", "G1.6", "G2.1", "G2.5", "G3.1", "G4.1", "G4.3", "G4.7",
		"G10.1", "G10.2", "G10.4", "G10.5", "G10.9", "G13.1", "G13.2", "G13.3",
	},
	Plan: planCertificates,
}

// The data planes that are added.
const (
	stranger  = "dp-3" // has another cluster's certificate
	outdated  = "dp-4" // has one that has expired
	strangest = "dp-5" // has another cluster's, and may not import
	behind    = "dp-6" // is added after the control plane's was rotated
)

// settling is more than a new data plane may take until it has turned to the store.
func settling(p history.Profile) time.Duration {
	return p.DialTimeout + p.NoConfiguration + 7*time.Second
}

func planCertificates(draw plan.Source, timers history.Profile) (topology.Topology, []plan.Step) {
	top := topology.Topology{}.With(
		topology.Node{Name: "cp", Role: topology.ControlPlane},
		topology.Node{Name: backup, Role: topology.DataPlane, Export: true},
		topology.Node{Name: running1, Role: topology.DataPlane, Import: true},
		topology.Node{Name: running2, Role: topology.DataPlane, Import: true},
	)
	on := func(node string, kind fault.Kind) fault.Spec { return fault.Spec{Kind: kind, Node: node} }
	may := func(name string) topology.Node {
		return topology.Node{Name: name, Role: topology.DataPlane, Import: true}
	}
	residents := []string{backup, running1, running2}
	strangers := []string{stranger, outdated, strangest}
	restarted := []fault.Kind{fault.CertificateWrong, fault.CertificateExpired}[draw.Between("certificate after a restart", 0, 1)]
	good, missed, returned, last := 2, 3, 4, 5
	t := plan.NewTimetable(timers)
	bringUp(t, residents, draw.Between("routes", 20, 60))
	t.Phase("steady",
		harness.StartTraffic{Nodes: []string{running1, running2}},
		harness.Hold{For: draw.Duration("steady", time.Second, 2*time.Second), Why: "traffic before the outage"},
	)
	t.Phase("outage",
		harness.Inject{Faults: []fault.Spec{on(running1, restarted)}},
		harness.ScaleOut{
			Nodes:  []topology.Node{may(stranger), may(outdated), {Name: strangest, Role: topology.DataPlane, Account: true}},
			Faults: []fault.Spec{on(stranger, fault.CertificateWrong), on(outdated, fault.CertificateExpired), on(strangest, fault.CertificateWrong)},
		},
	)
	began := t.Now()
	t.Then(
		harness.AwaitServing{Nodes: []string{stranger, outdated}, Generation: good},
		harness.StartTraffic{Nodes: []string{stranger, outdated}},
		harness.Change{Generation: missed},
		harness.AwaitSnapshot{Generation: missed},
	)
	t.Then(harness.Hold{For: max(began+settling(timers)-t.Now(), time.Second), Why: "who is refused goes on dialling"})
	t.Phase("recovery",
		harness.Heal{},
		harness.Change{Generation: returned},
		harness.AwaitServing{Nodes: append(residents, strangers...), Generation: returned},
		harness.AwaitSnapshot{Generation: returned},
	)
	t.Phase("rotation",
		harness.Inject{Faults: []fault.Spec{on(running2, fault.CertificateRotated)}},
		harness.ScaleOut{Nodes: []topology.Node{may(behind)}},
	)
	began = t.Now()
	t.Then(
		harness.AwaitServing{Nodes: []string{behind}, Generation: returned},
		harness.StartTraffic{Nodes: []string{behind}},
	)
	t.Then(harness.Hold{For: max(began+settling(timers)-t.Now(), time.Second), Why: "nobody has the new certificate yet"})
	t.Phase("second recovery",
		harness.Heal{},
		harness.Change{Generation: last},
		harness.AwaitServing{Nodes: append(append(residents, strangers...), behind), Generation: last},
		harness.Hold{For: time.Second, Why: "traffic after the recovery"},
		harness.StopTraffic{},
	)
	return top, t.Steps()
}
