// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package scenarios

import (
	"encoding/json"
	"strings"
	"testing"

	"blackout/harness/topology"
)

func TestPlans(t *testing.T) {
	t.Parallel()
	for _, s := range All {
		for name, timers := range topology.Profiles {
			for seed := range uint64(20) {
				first, err := s.NewPlan(seed, timers)
				if err != nil {
					t.Fatalf("%s, %s, seed %d: %v", s.Name, name, seed, err)
				}
				again, err := s.NewPlan(seed, timers)
				if err != nil {
					t.Fatal(err)
				}
				a, errA := json.Marshal(first)
				b, errB := json.Marshal(again)
				if errA != nil || errB != nil || string(a) != string(b) {
					t.Fatalf("%s, seed %d: two plans of one seed differ, or cannot be written: %v %v", s.Name, seed, errA, errB)
				}
			}
		}
	}
}

func TestSeedsDiffer(t *testing.T) {
	t.Parallel()
	seen := make(map[string]bool)
	for seed := range uint64(5) {
		p, err := outageScaleOut.NewPlan(seed, topology.Profiles["fast"])
		if err != nil {
			t.Fatal(err)
		}
		p.Seed = 0
		b, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		seen[string(b)] = true
	}
	if len(seen) < 4 {
		t.Errorf("5 seeds drew %d different plans", len(seen))
	}
}

func TestFindNamesTheValidOnes(t *testing.T) {
	t.Parallel()
	if _, err := Find("no-such"); err == nil || !strings.Contains(err.Error(), "cp-outage-scale-out") {
		t.Errorf("error %v does not name the valid scenarios", err)
	}
	if s, err := Find("cp-outage-scale-out"); err != nil || s.Name != "cp-outage-scale-out" {
		t.Errorf("Find: %v, %v", s.Name, err)
	}
}
