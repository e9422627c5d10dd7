// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package scenarios

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"blackout/harness"
	"blackout/harness/history"
	"blackout/harness/label"
	"blackout/harness/plan"
	"blackout/harness/topology"
)

// TestPlans: a seed gives one plan, byte for byte, and the plan that a run saves is
// the plan that it can be replayed from.
func TestPlans(t *testing.T) {
	t.Parallel()
	for _, s := range append(slices.Clone(All), Start) {
		for name, timers := range topology.Profiles {
			for seed := range uint64(20) {
				first, again := saved(t, s, seed, timers), saved(t, s, seed, timers)
				if !bytes.Equal(first, again) {
					t.Fatalf("%s, %s, seed %d: two plans of one seed differ", s.Name, name, seed)
				}
				back, err := harness.DecodePlan(first, harness.DefaultBudget)
				if err != nil {
					t.Fatalf("%s, %s, seed %d: %v", s.Name, name, seed, err)
				}
				if replayed := encode(t, back); !bytes.Equal(first, replayed) {
					t.Fatalf("%s, %s, seed %d: read back, the plan is\n%s\nit was\n%s", s.Name, name, seed, replayed, first)
				}
			}
		}
	}
}

// saved is a scenario's plan as a run saves it.
func saved(t *testing.T, s harness.Scenario, seed uint64, timers history.Profile) []byte {
	t.Helper()
	p, err := s.NewPlan(seed, timers)
	if err != nil {
		t.Fatal(err)
	}
	return encode(t, p)
}

func encode(t *testing.T, p plan.Plan) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := p.Encode(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
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
		seen[string(encode(t, p))] = true
	}
	if len(seen) < 4 {
		t.Errorf("5 seeds drew %d different plans", len(seen))
	}
}

// TestLabels: every scenario can be chosen by its family, first of all, is for every
// change or for the night, and a fast one is fast.
func TestLabels(t *testing.T) {
	t.Parallel()
	for _, f := range Families {
		for _, s := range f.Scenarios {
			if len(s.Labels) == 0 || s.Labels[0] != f.Label {
				t.Errorf("%s has the labels %v: the first is that of its family, %s", s.Name, s.Labels, f.Label)
			}
		}
	}
	for _, s := range All {
		fast, nightly := slices.Contains(s.Labels, label.Fast), slices.Contains(s.Labels, label.Nightly)
		if len(s.Labels) == 0 || fast == nightly {
			t.Errorf("%s has the labels %v", s.Name, s.Labels)
		}
		if !fast {
			continue
		}
		for seed := range uint64(20) {
			p, err := s.NewPlan(seed, topology.Profiles["fast"])
			if err != nil {
				t.Fatal(err)
			}
			if p.Length() > time.Minute {
				t.Errorf("%s is called %s, and lasts %s with seed %d", s.Name, label.Fast, p.Length(), seed)
			}
		}
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
