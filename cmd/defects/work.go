// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"blackout/harness"
	"blackout/harness/defect"
	"blackout/harness/label"
	"blackout/harness/plan"
	"blackout/harness/run"
	"blackout/harness/topology"
	"blackout/scenarios"
)

// trial is one run of the harness.
type trial struct {
	Defect   string `json:"defect,omitempty"` // empty: the good gateway
	Scenario string `json:"scenario"`
	Seed     uint64 `json:"seed"`
}

// String is "rereads-store in cp-outage-scale-out, seed 7".
func (t trial) String() string {
	return fmt.Sprintf("%s in %s, seed %d", cmp.Or(t.Defect, "the good gateway"), t.Scenario, t.Seed)
}

// lane are runs that follow one another.
type lane struct {
	defect      defect.Defect // without a name: the good gateway
	trials      []trial
	untilCaught bool // one that catches is enough
}

// allScenarios is what a preamble says of a defect that some scenario must catch.
const allScenarios = "all"

// lanes are the runs of a defect: each scenario that it names must catch it, and of
// a family, or of all, one must. The error names what is unknown.
func lanes(d defect.Defect, named []string, seed uint64) ([]lane, error) {
	var out []lane
	for _, name := range named {
		chosen, some, err := chosen(name)
		if err != nil {
			return nil, fmt.Errorf("%w: defect %s: %w", run.ErrUsage, d.Name, err)
		}
		l := lane{defect: d, untilCaught: some}
		for _, s := range chosen {
			l.trials = append(l.trials, trial{d.Name, s.Name, seed})
		}
		out = append(out, l)
	}
	return out, nil
}

// chosen are the scenarios of a name, and whether it is one of several.
func chosen(name string) (found []harness.Scenario, some bool, err error) {
	if name == allScenarios {
		return quickestFirst(scenarios.All), true, nil
	}
	families := make([]string, len(scenarios.Families))
	for i, f := range scenarios.Families {
		if string(f.Label) == name && len(f.Scenarios) > 0 {
			return quickestFirst(f.Scenarios), true, nil
		}
		families[i] = string(f.Label)
	}
	s, err := scenarios.Find(name)
	if err != nil {
		return nil, false, fmt.Errorf("%w; the families are %s; or all", err, strings.Join(families, ", "))
	}
	return []harness.Scenario{s}, false, nil
}

// quickestFirst are scenarios by how long they are planned to last, those for every
// change first.
func quickestFirst(all []harness.Scenario) []harness.Scenario {
	length := func(s harness.Scenario) time.Duration {
		p, err := s.NewPlan(0, topology.Profiles["fast"])
		if err != nil || slices.Contains(s.Labels, label.Nightly) {
			return p.Length() + time.Hour
		}
		return p.Length()
	}
	sorted := slices.Clone(all)
	slices.SortStableFunc(sorted, func(a, b harness.Scenario) int { return cmp.Compare(length(a), length(b)) })
	return sorted
}

// cleanLanes are the runs of the good gateway: each scenario in turn, so that an
// early look at the table sees all of them.
func cleanLanes(r repetitions, seed uint64) []lane {
	draw := plan.NewSource(seed)
	most := 0
	for _, s := range scenarios.All {
		most = max(most, r.of(s.Name))
	}
	var out []lane
	for i := range most {
		for _, s := range scenarios.All {
			if i < r.of(s.Name) {
				drawn := draw.Between(fmt.Sprintf("repetition %d of %s", i+1, s.Name), 1, 1<<31-1)
				out = append(out, lane{trials: []trial{{"", s.Name, uint64(drawn)}}})
			}
		}
	}
	return out
}
