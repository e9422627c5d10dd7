// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"blackout/harness"
	"blackout/harness/plan"
	"blackout/harness/run"
	"blackout/harness/topology"
	"blackout/reports/slo"
	"blackout/scenarios"
)

// samples counts, by SLI, what a plan will give to measure.
func samples(t *testing.T, p plan.Plan) map[string]int {
	t.Helper()
	outages, starts, changes, streams, planes := 0, 0, 0, 0, 0
	rate, away := 0, time.Duration(0)
	var began time.Duration
	for i, step := range p.Steps {
		switch a := step.Action.(type) {
		case harness.StartTraffic:
			streams += 2 * len(a.Nodes)
			planes, rate = len(a.Nodes), a.Rate
		case harness.Change:
			if step.Phase != "outage" {
				changes++ // that is exported at once
			}
		case harness.Become:
			if step.Phase == "outage" && len(a.Topology.Nodes) == len(p.Topology.Nodes) {
				starts++
			}
		case harness.Heal:
			outages++
			away += step.At - began
		}
		if step.Phase == "outage" && p.Steps[i-1].Phase != "outage" {
			began = step.At
		}
	}
	requests := int(away/time.Second) * streams * rate
	return map[string]int{
		"proxy-availability": requests, "client-availability": requests, "wrong-configuration": requests,
		"data-plane-rto": starts, "snapshot-staleness": changes, "recovery-point": outages, "recovery-time": outages,
		"store-reads-after-boot": int(p.Length()/time.Second) * planes, "latency-ratio": int(steady(p) / time.Second),
		"measurement-validity": 1,
	}
}

// steady is how long a plan has traffic before its first outage.
func steady(p plan.Plan) time.Duration {
	for _, step := range p.Steps {
		if step.Phase == "outage" {
			return step.At
		}
	}
	return p.Length()
}

// TestRoundsSuffice for the tier that they are for, with a tenth to spare where what is
// counted is not what the plan says to the number.
func TestRoundsSuffice(t *testing.T) {
	t.Parallel()
	for tier, rounds := range map[string]int{"nightly": 60, "evidence": 299} {
		doc, err := slo.Read(filepath.Join("..", "..", "fixtures", "slo", tier+".yaml"))
		if err != nil {
			t.Fatal(err)
		}
		scenario, err := scenarios.Find("scaleout-rounds")
		if err == nil {
			scenario, err = scenario.WithRounds(rounds)
		}
		if err != nil {
			t.Fatal(err)
		}
		scenario.Budget = 2 * time.Hour
		p, err := scenario.NewPlan(7, topology.Profiles["fast"])
		if err != nil {
			t.Fatal(err)
		}
		have := samples(t, p)
		for _, o := range doc.Objectives {
			n, known := have[o.Indicator]
			if o.MinSamples > 1000 {
				n -= n / 10
			}
			if !known || n < o.MinSamples {
				t.Errorf("%d rounds give %d samples of %s; %s takes %d", rounds, n, o.Indicator, o.Name, o.MinSamples)
			}
		}
	}
}

// TestRounds are asked for where there are some.
func TestRounds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		scenario, rounds string
		code             int
	}{
		{"scaleout-rounds", "2", run.ExitHeld},
		{"soak-cut-heal", "20", run.ExitHeld},
		{"scaleout-rounds", "-1", run.ExitUsage},
		{"scaleout-rounds", "299", run.ExitUsage}, // without a budget
		{"cp-outage-scale-out", "2", run.ExitUsage},
	} {
		if code := execute(t.Context(), []string{"run", c.scenario, "--rounds", c.rounds, "--engine", "local", "--dry-run"}); code != c.code {
			t.Errorf("%s of %s rounds ends with %d, not %d", c.scenario, c.rounds, code, c.code)
		}
	}
}

// TestObjectivesDocument: the runs that docs/objectives.md shows can be made.
func TestObjectivesDocument(t *testing.T) {
	t.Parallel()
	runs := regexp.MustCompile(`(?m)^bin/blackout (run [^#\n]*)`).FindAllStringSubmatch(document(t, "docs", "objectives.md"), -1)
	for _, line := range runs {
		args := strings.Fields(strings.ReplaceAll(line[1], "fixtures/", "../../fixtures/"))
		if code := execute(t.Context(), append(args, "--engine", "local", "--dry-run")); code != run.ExitHeld {
			t.Errorf("%q ends with %d", line[0], code)
		}
	}
	if len(runs) < 4 {
		t.Errorf("it shows %d runs", len(runs))
	}
}
