// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"math"
	"strings"
	"testing"
	"time"

	"blackout/reports/objective"
	"blackout/reports/slo"
	"blackout/reports/stats"
)

// available is an objective of 99.9 %, of which some of 3000 requests were bad.
func available(bad int) objective.Verdict {
	target, lower := 0.999, stats.Lower(3000-bad, 3000, 0.95)
	return objective.Verdict{Name: "a", Kind: objective.Share, Phase: objective.Outage, Target: &target, Confidence: 0.95, Samples: 3000, SamplesName: "requests", Bad: bad, Lower: &lower}
}

func near(a, b float64) bool { return math.Abs(a-b) <= 1e-9*math.Max(math.Abs(a), math.Abs(b)) }

// TestBudget checks the figures against their arithmetic by hand: 0.1 % of 30 days is
// 2592 s.
func TestBudget(t *testing.T) {
	t.Parallel()
	month := &slo.Document{Name: "a.yaml", Window: "30d", Length: 30 * 24 * time.Hour}
	twice := []ControlPlaneOutage{{From: sec(10), To: sec(30)}, {From: sec(50), To: sec(150)}} // 60 s on average
	got := budgets(month, []objective.Verdict{available(6)}, twice)[0]
	if !near(got.Allowed, 3) || !near(*got.Used, 2) || !near(*got.Share, 0.002) || got.Missing != "" {
		t.Errorf("%+v", got)
	}
	if *got.Failing < int64(2591*time.Second) || *got.Failing > int64(2592*time.Second) {
		t.Errorf("allowance %s, want 43m12s", time.Duration(*got.Failing))
	}
	if got.Like.Outage != time.Minute || !near(got.Like.Measured, 0.002*60/2592) || !near(got.Hour.Measured, 0.002*3600/2592) {
		t.Errorf("like this %+v, an hour %+v", got.Like, got.Hour)
	}
	if got.Like.AtMost <= got.Like.Measured || !near(got.Hour.AtMost, got.Like.AtMost*60) {
		t.Errorf("bounds: like this %+v, an hour %+v", got.Like, got.Hour)
	}
}

// TestBudgetWithoutFailure: where nothing failed, the cost is bounded from above all the
// same.
func TestBudgetWithoutFailure(t *testing.T) {
	t.Parallel()
	month := &slo.Document{Name: "a.yaml", Window: "30d", Length: 30 * 24 * time.Hour}
	got := budgets(month, []objective.Verdict{available(0)}, []ControlPlaneOutage{{From: 0, To: sec(60)}})[0]
	if got.Hour.Measured != 0 || *got.Used != 0 || !near(got.Hour.AtMost, stats.Upper(0, 3000, 0.95)*3600/2592) {
		t.Errorf("%+v, an hour %+v", got, got.Hour)
	}
	cells := strings.Join(got.costRow("hour", *got.Hour), "; ")
	for _, want := range []string{"0% of the budget of 30d", "at most 0.139%", "at most 0.0999% bad", "43m12s"} {
		if !strings.Contains(cells, want) {
			t.Errorf("%q does not say %q", cells, want)
		}
	}
}

// TestBudgetSaysWhatIsMissing: no figure is made up.
func TestBudgetSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	month, outage := slo.Document{Window: "30d", Length: 30 * 24 * time.Hour}, []ControlPlaneOutage{{From: 0, To: sec(60)}}
	steady, invalid, nothing := available(0), available(0), available(0)
	steady.Phase = objective.Steady
	invalid.Status, invalid.Reason = objective.Invalid, "nobody saw the fault"
	nothing.Samples, nothing.Lower, nothing.Reason = 0, nil, "no request was due"
	for _, c := range []struct {
		name    string
		doc     slo.Document
		verdict objective.Verdict
		outages []ControlPlaneOutage
		want    string
	}{
		{"another phase", month, steady, outage, "not measured during outages"},
		{"no window", slo.Document{}, available(0), outage, "names no window"},
		{"no outage", month, available(0), nil, "never gone"},
		{"invalid", month, invalid, outage, "nobody saw the fault"},
		{"nothing", month, nothing, outage, "no request was due"},
	} {
		got := budgets(&c.doc, []objective.Verdict{c.verdict}, c.outages)[0]
		if got.Like != nil || got.Hour != nil || !strings.Contains(got.Missing, c.want) {
			t.Errorf("%s: %+v, want it to say %q", c.name, got, c.want)
		}
	}
	count := available(0)
	count.Kind = objective.Count
	if got := budgets(&month, []objective.Verdict{count}, outage); len(got) != 0 {
		t.Errorf("a count has a budget: %+v", got)
	}
}

func TestShares(t *testing.T) {
	t.Parallel()
	for share, want := range map[float64][2]string{
		0: {"0%", "0%"}, 0.00099999: {"0.1%", "0.1%"}, 0.000998001: {"0.0998%", "0.0999%"}, 1.3888: {"139%", "139%"}, 0.0000044444: {"0.000444%", "0.000445%"},
	} {
		if got := [2]string{roundedShare(share), raisedShare(share)}; got != want {
			t.Errorf("%v: %v, want %v", share, got, want)
		}
	}
	if got := shareText(1 - 0.99999); got != "0.001%" {
		t.Errorf("1-0.99999: %s", got)
	}
	if got := atMostText((1 - 0.9999) * 30_000); got != "3" {
		t.Errorf("0.01%% of 30000: %s", got)
	}
}
