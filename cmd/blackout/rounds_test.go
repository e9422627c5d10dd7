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
	"blackout/harness/fault"
	"blackout/harness/plan"
	"blackout/harness/run"
	"blackout/harness/topology"
	"blackout/reports/slo"
	"blackout/scenarios"
)

// samples counts, by SLI, what a plan will give to measure.
func samples(p plan.Plan) map[string]int {
	outages, starts, changes, streams, planes, rate := 0, 0, 0, 0, 0, 0
	var began, away, started time.Duration
	wiped, gone, fresh := "", "", 0                                               // a data plane, and how many in this outage are new
	patience := p.Profile.DialTimeout + p.Profile.NoConfiguration + 5*time.Second // with which a start is judged
	for i, step := range p.Steps {
		if step.Phase == "outage" && p.Steps[i-1].Phase != "outage" {
			began = step.At
		}
		switch a := step.Action.(type) {
		case harness.StartTraffic:
			streams, planes, rate = 2*len(a.Nodes), len(a.Nodes), a.Rate
		case harness.Change:
			if step.Phase != "outage" {
				changes++ // that is exported at once
			}
		case harness.Inject:
			if a.Faults[0].Kind == fault.DiskWiped {
				wiped = a.Faults[0].Node
			}
		case harness.Become:
			if n, stays := a.Topology.Node(wiped); !stays {
				gone = wiped
			} else if gone == wiped && n.Import {
				fresh, started = fresh+1, step.At
			}
		case harness.Heal:
			outages++
			away += step.At - began
			if step.At-started >= patience {
				starts += fresh
			}
			wiped, gone, fresh = "", "", 0
		}
	}
	requests := int(away/time.Second) * streams * rate
	return map[string]int{
		"proxy-availability": requests, "client-availability": requests, "wrong-configuration": requests,
		"data-plane-rto": starts, "snapshot-staleness": changes, "recovery-point": outages, "recovery-time": outages,
		"store-reads-after-boot": int(p.Length()/time.Second) * planes, "latency-ratio": int(steady(p) / time.Second),
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

// TestRoundsSuffice for the tier that they are for, with some to spare: one sample more
// or less must not decide what a run of an hour proves.
func TestRoundsSuffice(t *testing.T) {
	t.Parallel()
	for tier, rounds := range map[string]int{"nightly": 65, "evidence": 310} {
		doc, err := slo.Read(filepath.Join("..", "..", "fixtures", "slo", tier+".yaml"))
		if err != nil {
			t.Fatal(err)
		}
		for timers, profile := range topology.Profiles {
			scenario, err := scenarios.Find("scaleout-rounds")
			if err == nil {
				scenario, err = scenario.WithRounds(rounds)
			}
			if err != nil {
				t.Fatal(err)
			}
			scenario.Budget = 24 * time.Hour
			p, err := scenario.NewPlan(7, profile)
			if err != nil {
				t.Fatal(err)
			}
			have := samples(p)
			for _, o := range doc.Objectives {
				if o.MinSamples == 0 {
					continue
				}
				if n, known := have[o.Indicator]; !known || n < o.MinSamples+o.MinSamples/50+1 {
					t.Errorf("%d rounds with the timers %s give %d samples of %s; %s takes %d", rounds, timers, n, o.Indicator, o.Name, o.MinSamples)
				}
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
		{"scaleout-rounds", "310", run.ExitUsage}, // without a budget
		{"nemesis", "4", run.ExitHeld},
		{"nemesis", "1000000000", run.ExitUsage},
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
