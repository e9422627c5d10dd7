// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"blackout/reports/objective"
	"blackout/reports/slo"
)

// counts are a share's good and bad requests, times are values.
func counts(bad, total int) objective.Measurement {
	return objective.Measurement{Bad: bad, Total: total}
}

func times(seconds ...float64) objective.Measurement {
	var m objective.Measurement
	for _, s := range seconds {
		m.Values = append(m.Values, objective.Value{Value: s, Never: s < 0})
	}
	return m
}

// measured is a run with two shares and one SLI of times.
func measured(a, b, c objective.Measurement) Input {
	in := sound(held())
	limit := 5.0
	in.SLO = &slo.Document{Name: "measured.yaml", Tier: "ci", Source: []byte("the file")}
	for i, m := range []objective.Measurement{a, b, c} {
		sli := told([]string{"one", "other", "rto"}[i], m)
		o := slo.Objective{Name: sli.Name, Indicator: sli.Name, Target: 0.5, Confidence: 0.95, MinSamples: 1}
		sli.Kind = objective.Share
		if i == 2 {
			sli.Kind, sli.Unit, o.Limit = objective.Values, "s", &limit
		}
		in.Indicators, in.SLO.Objectives = append(in.Indicators, sli), append(in.SLO.Objectives, o)
	}
	return in
}

// ordinary is how such a run is, day by day.
func ordinary() Input {
	return measured(counts(10, 1000), counts(0, 1000), times(1, 1.1, 1.2, 0.9))
}

func days(n int, change func(*Model)) []Model {
	var runs []Model
	for i := 1; i <= n; i++ {
		runs = append(runs, daysBefore(i, ordinary(), change))
	}
	return runs
}

func TestRegression(t *testing.T) {
	t.Parallel()
	elsewhere := func(m *Model) { m.Environment.Host = "ci-2" }
	for _, c := range []struct {
		name      string
		now       Input
		before    []Model
		regressed []string
		not       []string // each SLI that is not compared, and why
	}{
		{"as ever", ordinary(), days(5, nil), nil, nil},
		{"a share is worse", measured(counts(40, 1000), counts(0, 1000), times(1, 1, 1, 1)), days(5, nil), []string{"one"}, nil},
		{"a share is better", measured(counts(0, 1000), counts(0, 1000), times(1, 1, 1, 1)), days(5, nil), nil, nil},
		{"a little worse", measured(counts(17, 1000), counts(0, 1000), times(1, 1, 1, 1)), days(5, nil), nil, nil}, // p 0.038: not after the correction
		{"one of none", measured(counts(10, 1000), counts(1, 1000), times(1, 1, 1, 1)), days(5, nil), nil, nil},
		{"times are longer", measured(counts(10, 1000), counts(0, 1000), times(2, 3, 2, 3)), days(5, nil), []string{"rto"}, nil},
		{"times never came", measured(counts(10, 1000), counts(0, 1000), times(-1, -1, -1, -1)), days(5, nil), []string{"rto"}, nil},
		{"all is worse", measured(counts(90, 1000), counts(90, 1000), times(2, 3, 2, 3)), days(5, nil), []string{"one", "other", "rto"}, nil},
		{"no run before", ordinary(), nil, nil, []string{"one: no run before had the same SLO file", "other: no run before had the same SLO file", "rto: no run before had the same SLO file"}},
		{"on another host", measured(counts(90, 1000), counts(0, 1000), times(9, 9, 9, 9)), days(5, elsewhere), []string{"one"}, []string{"rto: another host, or not recorded"}},
		{"by another file", measured(counts(90, 1000), counts(0, 1000), times(9, 9, 9, 9)), days(5, func(m *Model) { m.SLO.SHA256 = "other" }), nil,
			[]string{"one: no run before had the same SLO file", "other: no run before had the same SLO file", "rto: no run before had the same SLO file"}},
		{"badly measured before", measured(counts(90, 1000), counts(0, 1000), times(1, 1, 1, 1)), days(5, func(m *Model) { m.Objectives[0].Status = objective.Invalid }), nil,
			[]string{"one: no run before measured it"}},
		{"of before values were kept", ordinary(), days(5, func(m *Model) { m.Objectives[2].Values = nil }), nil, []string{"rto: no run before measured it"}},
		{"badly measured", measured(objective.Measurement{Bad: 90, Total: 1000, Doubt: "nobody looked"}, counts(0, 1000), times(1, 1, 1, 1)), days(5, nil), nil,
			[]string{"one: it is INVALID in this run"}},
		{"not measured", measured(objective.Measurement{Missing: "no request"}, counts(0, 1000), times()), days(5, nil), nil,
			[]string{"one: not measured", "rto: not measured"}},
	} {
		m := Build(withBaseline(c.now, c.before...))
		r := m.Baseline.Regression
		var regressed, not []string
		for _, one := range r.Compared {
			if one.Regressed {
				regressed = append(regressed, one.Objective)
			}
			if one.Corrected < one.P || one.Regressed != (one.Corrected < 0.05) || one.Runs == 0 {
				t.Errorf("%s: %+v", c.name, one)
			}
		}
		for _, one := range r.Not {
			not = append(not, one.Objective+": "+one.Why)
		}
		if !slices.Equal(regressed, c.regressed) || !slices.Equal(not, c.not) || len(r.Compared)+len(r.Not) != 3 {
			t.Errorf("%s: regressed %q, want %q; not compared %q, want %q; %+v", c.name, regressed, c.regressed, not, c.not, r.Compared)
		}
		// A regression is shown, and judges nothing.
		alone := Build(c.now)
		if m.Outcome != alone.Outcome || !reflect.DeepEqual(m.Objectives, alone.Objectives) {
			t.Errorf("%s: the baseline changed a verdict", c.name)
		}
	}
}

// TestRegressionIsShown: how many were compared, the corrected p, and what regressed.
func TestRegressionIsShown(t *testing.T) {
	t.Parallel()
	m := Build(withBaseline(measured(counts(40, 1000), counts(0, 1000), times(1, 1, 1, 1)), days(5, nil)...))
	if got := answerTo(t, m, "Is it new?"); !strings.Contains(got, "Regressed against 5 earlier runs: one (p < 0.0001); 3 SLIs compared, corrected after Holm.") {
		t.Errorf("the answer: %q", got)
	}
	for name, render := range map[string]func(Model) ([]byte, error){"html": renderHTML, "markdown": renderMarkdown} {
		content, err := render(m)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"Against the last runs", "✗ regressed", "✓ not regressed", "40 bad of 1000", "50 bad of 5000, in 5 runs", "20, median 1.000", "Mann-Whitney"} {
			if !strings.Contains(string(content), want) {
				t.Errorf("%s does not show %q", name, want)
			}
		}
	}
}

// TestRegressionOfManyValues: values that are drawn from follow the run's seed.
func TestRegressionOfManyValues(t *testing.T) {
	t.Parallel()
	many := func(slower float64) objective.Measurement {
		var m objective.Measurement
		for i := range 200 {
			m.Values = append(m.Values, objective.Value{Value: slower + float64(i%17)/10})
		}
		return m
	}
	in := measured(counts(0, 10), counts(0, 10), many(1.3))
	var before []Model
	for i := 1; i <= 20; i++ {
		before = append(before, daysBefore(i, measured(counts(0, 10), counts(0, 10), many(1)), nil))
	}
	m := Build(withBaseline(in, before...))
	got := m.Baseline.Regression.Compared[2]
	if got.Now.Samples != objective.MaxValues || got.Before.Samples != 20*objective.MaxValues || !got.Regressed || !strings.Contains(got.Test, "9999 permutations") {
		t.Errorf("%+v", got)
	}
	if again := Build(withBaseline(in, before...)); !reflect.DeepEqual(again.Baseline, m.Baseline) {
		t.Error("the same input was compared otherwise")
	}
}
