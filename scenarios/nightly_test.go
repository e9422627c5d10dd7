// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package scenarios

import (
	"slices"
	"testing"

	"blackout/harness"
	"blackout/harness/fault"
	"blackout/harness/history"
	"blackout/harness/plan"
	"blackout/harness/topology"
)

// TestRounds: in the rounds of one seed, every two levels of two factors meet
// that can, and the first round needs the fallback.
func TestRounds(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		all := rounds(plan.NewSource(seed), 1)
		if !all[0].imports() {
			t.Errorf("seed %d: nothing imports in the first round, %+v", seed, all[0])
		}
		meets := func(what string, f func(round) bool) {
			if !slices.ContainsFunc(all, f) {
				t.Errorf("seed %d: no round has %s", seed, what)
			}
		}
		for _, cut := range cutModes {
			for _, rate := range rates {
				meets("a cut and a rate", func(r round) bool { return r.cut == cut && r.rate == rate })
			}
			for _, g := range growths {
				meets("a cut and a growth", func(r round) bool { return r.cut == cut && r.growth == g })
			}
			for _, first := range changes {
				meets("a cut and a change", func(r round) bool { return r.cut == cut && r.changeFirst == first })
			}
			for _, beside := range besides {
				meets("a cut and another fault", func(r round) bool { return r.cut == cut && r.beside == beside })
			}
		}
		for i, r := range all {
			if r.number != i+1 {
				t.Errorf("seed %d: round %d has number %d", seed, i+1, r.number)
			}
		}
	}
}

// TestNemesisOfAllRounds: also the longest nemesis heals, keeps its times in order
// and cuts everybody off in each round.
func TestNemesisOfAllRounds(t *testing.T) {
	t.Parallel()
	number := 0
	long := nemesis
	long.Plan = func(draw plan.Source, timers history.Profile) (topology.Topology, []plan.Step) {
		number = len(rounds(draw, 1)) + 5
		return planNemesis(draw, timers, number)
	}
	p, err := long.NewPlan(7, topology.Profiles["fast"])
	if err != nil {
		t.Fatal(err)
	}
	cuts := make(map[fault.Kind]int)
	befallen := make(map[fault.Kind]int)
	injections, nodes := 0, len(p.Topology.DataPlanes())
	for _, s := range p.Steps {
		switch a := s.Action.(type) {
		case harness.ScaleOut:
			nodes += len(a.Nodes)
		case harness.Inject:
			if len(a.Faults) == 1 {
				befallen[a.Faults[0].Kind]++
				continue
			}
			injections++
			cuts[a.Faults[0].Kind]++
			if len(a.Faults) != nodes {
				t.Errorf("step %d cuts %d edges of %d data planes", s.Number, len(a.Faults), nodes)
			}
		}
	}
	if len(befallen) != len(besides)-1 {
		t.Errorf("beside the cuts: %v", befallen)
	}
	if injections != number || len(cuts) != len(cutModes) {
		t.Errorf("%d cuts in %d rounds, of kinds %v", injections, number, cuts)
	}
}

// TestDrawsOfANemesisAreNamedApart: two rounds do not share their draws.
func TestDrawsOfANemesisAreNamedApart(t *testing.T) {
	t.Parallel()
	draw := plan.NewSource(7)
	edge := topology.Edge{From: "dp-1", To: "cp"}
	first := round{number: 1, cut: fault.Latency}.fault(draw, edge)
	second := round{number: 2, cut: fault.Latency}.fault(draw, edge)
	other := round{number: 1, cut: fault.Latency}.fault(draw, topology.Edge{From: "dp-2", To: "cp"})
	if first.Delay == second.Delay || first.Delay == other.Delay {
		t.Errorf("delays %s, %s and %s", first.Delay, second.Delay, other.Delay)
	}
}
