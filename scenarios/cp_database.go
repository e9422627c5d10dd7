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

// databaseOutage takes the database from a control plane that goes on running. What
// it has read it can still give: a data plane that is added must not notice (it got
// nothing in Kong/kong#6935), nor one that runs, nor the snapshot. Changes fail.
var databaseOutage = harness.Scenario{
	Name:     "cp-database-outage",
	Summary:  "the control plane loses its database, a data plane is added meanwhile, the database returns",
	Labels:   []label.Label{label.ControlPlane, label.Fast, label.ScaleOut},
	Promises: []string{"G1", "G4", "G6", "G10", "G13"},
	Exercises: []string{
		"G1.2", "G4.5", "G6.1", "G6.4", "G10.1", "G10.3", "G10.4", "G10.6", "G13.3",
	},
	Plan: planDatabaseOutage,
}

// databaseCuts are the ways in which the database is lost: nobody answers any more,
// somebody does and hangs up, or nothing comes.
var databaseCuts = []fault.Kind{fault.Exit, fault.Reset, fault.Blackhole}

// newcomer is the data plane that is added.
const newcomer = "dp-2"

// patience is more than a data plane may take for the configuration of a control plane
// that is there, so that one that gets none until the healing got it too late.
func patience(p history.Profile) time.Duration {
	return 2*(p.ReconnectMax+p.DialTimeout) + p.NoConfiguration + 12*time.Second
}

func planDatabaseOutage(draw plan.Source, timers history.Profile) (topology.Topology, []plan.Step) {
	top := topology.Topology{}.WithPostgres().With(
		topology.Node{Name: "cp", Role: topology.ControlPlane},
		topology.Node{Name: backup, Role: topology.DataPlane, Export: true},
		topology.Node{Name: running1, Role: topology.DataPlane, Import: true},
	)
	added := topology.Node{Name: newcomer, Role: topology.DataPlane} // it has no other way to a configuration
	cut := fault.Spec{Kind: databaseCuts[draw.Between("cut", 0, len(databaseCuts)-1)], Edge: topology.DatabaseEdge("cp")}
	residents, newcomers := []string{backup, running1}, []string{newcomer}
	good, lost, newest := 2, 3, 4
	t := plan.NewTimetable(timers)
	bringUp(t, residents, draw.Between("routes", 20, 60))
	t.Phase("steady",
		harness.StartTraffic{Nodes: []string{running1}},
		harness.Hold{For: draw.Duration("steady", time.Second, 2*time.Second), Why: "traffic before the outage"},
	)
	t.Phase("outage",
		harness.Inject{Faults: []fault.Spec{cut}},
		harness.Hold{For: draw.Duration("unread", 2*time.Second, 3*time.Second), Why: "the control plane looks for changes in vain"},
	)
	began := t.Now()
	t.Then(
		harness.ScaleOut{Nodes: []topology.Node{added}},
		harness.AwaitServing{Nodes: newcomers, Generation: good},
		harness.StartTraffic{Nodes: newcomers},
		harness.Change{Generation: lost, MayFail: true},
		harness.Hold{For: timers.ExportDelay + draw.Duration("outage", time.Second, 2*time.Second), Why: "nothing may be made of what is not there"},
	)
	if left := began + patience(timers) - t.Now(); left > 0 {
		t.Then(harness.Hold{For: left, Why: "a data plane that has nothing yet can have nothing else to wait for"})
	}
	t.Phase("recovery",
		harness.Heal{},
		harness.Change{Generation: newest},
		harness.AwaitServing{Nodes: append(residents, newcomers...), Generation: newest},
		harness.AwaitSnapshot{Generation: newest},
		harness.Hold{For: time.Second, Why: "traffic after the recovery"},
		harness.StopTraffic{},
	)
	return top, t.Steps()
}
