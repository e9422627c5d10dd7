// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package scenarios

import (
	"fmt"
	"time"

	"blackout/harness"
	"blackout/harness/fault"
	"blackout/harness/history"
	"blackout/harness/label"
	"blackout/harness/plan"
	"blackout/harness/topology"
)

// scaleOutRounds has outage after outage, each with changes before it and a data plane
// without a cache in it: what happens once in an outage is proven by many of them.
var scaleOutRounds = harness.Scenario{
	Name:     "scaleout-rounds",
	Summary:  "outage after outage, each with changes before it and a brand-new data plane in it: 65 rounds are for fixtures/slo/nightly.yaml, 310 for evidence.yaml",
	Labels:   []label.Label{label.ScaleOut, label.Nightly, label.Outage, label.Export, label.Disk},
	Promises: []string{"G1", "G2", "G3", "G4", "G6", "G10", "G13"},
	Exercises: []string{
		"G1.1", "G1.3", "G2.1", "G2.3", "G3.1", "G4.3", "G4.5", "G6.1", "G10.1", "G10.2", "G10.3", "G10.4", "G10.5", "G10.6", "G13.3",
	},
	Plan:   planScaleOutRounds(3),
	Rounds: planScaleOutRounds,
}

// What the tiers nightly and evidence take beside an outage and a start in each round: 299
// changes that are exported in time, as many seconds before the first outage and in all
// of them as it takes to compare latencies, and data planes watched for 8 hours in 299
// rounds. At roundsRate, 12 streams then send more than 299 572 requests during outages.
const (
	roundsPlanes  = 6
	roundsRate    = 10 // requests a second of each stream
	roundsChanges = 299
	mostChanges   = 5 // in a round: there are more rounds where there are more to be made
	mostSteady    = 36 * time.Second
	steadyRound   = 600 * time.Millisecond
	roundsOutage  = 3 * time.Second // from when the new data plane serves at the latest
)

func planScaleOutRounds(rounds int) harness.Planner {
	changes := min((roundsChanges+rounds-1)/rounds, mostChanges)
	return func(draw plan.Source, timers history.Profile) (topology.Topology, []plan.Step) {
		const diskSize = 16 << 20 // bytes
		top := topology.Topology{}.With(
			topology.Node{Name: "cp", Role: topology.ControlPlane},
			topology.Node{Name: backup, Role: topology.DataPlane, Export: true},
		)
		var planes []string
		for i := range roundsPlanes {
			planes = append(planes, fmt.Sprintf("dp-%d", i+1))
			top = top.With(topology.Node{Name: planes[i], Role: topology.DataPlane, Import: true, Disk: diskSize})
		}
		everyone := append([]string{backup}, planes...)
		t := plan.NewTimetable(timers)
		bringUp(t, everyone, draw.Between("routes", 80, 120))
		t.Phase("steady",
			harness.StartTraffic{Nodes: planes, Rate: roundsRate},
			harness.Hold{For: min(time.Duration(rounds)*steadyRound, mostSteady), Why: "traffic before the first outage"},
		)
		for i, generation := 0, 2; i < rounds; i++ {
			if i > 0 {
				t.Phase("steady")
			}
			for range changes {
				generation++
				t.Then(harness.Change{Generation: generation}, harness.AwaitSnapshot{Generation: generation})
			}
			renewed := planes[i%roundsPlanes]
			var cuts []fault.Spec
			for _, node := range draw.Shuffle(fmt.Sprintf("order of cut %d", i+1), everyone) {
				kind := fault.Exit
				if node == renewed {
					kind = fault.Reset // a proxy that is gone does not see who dials it
				}
				cuts = append(cuts, fault.Spec{Kind: kind, Edge: top.CPEdge(node)})
			}
			t.Phase("outage",
				harness.Inject{Faults: cuts},
				harness.Inject{Faults: []fault.Spec{{Kind: fault.DiskWiped, Node: renewed}}},
				harness.Become{Topology: top.Without(renewed)},
				harness.Become{Topology: top},
				harness.AwaitServing{Nodes: []string{renewed}, Generation: generation},
				harness.Change{Generation: generation + 1},
				harness.Hold{For: roundsOutage, Why: "requests enough for the objectives"},
			)
			generation++
			t.Phase("recovery",
				harness.Heal{},
				harness.AwaitServing{Nodes: everyone, Generation: generation},
				harness.AwaitSnapshot{Generation: generation},
			)
		}
		t.Then(
			harness.Hold{For: time.Second, Why: "traffic after the recovery"},
			harness.StopTraffic{},
		)
		return top, t.Steps()
	}
}
