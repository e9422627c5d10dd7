// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"blackout/harness/oracle"
	"blackout/reports/objective"
)

// twin is the held run again, changed.
func twin(change func(*Model)) Model {
	m := Build(held())
	m.Run = "held-2"
	change(&m)
	return m
}

// comparisons are those that are kept in testdata.
var comparisons = map[string]func() Comparison{
	"alike": func() Comparison { return Compare(Build(held()), twin(func(*Model) {})) },
	"worse": func() Comparison {
		b := Build(violated())
		b.Promises[1].Clauses[0].Reason, b.Environment.Gateway = hostile, hostile
		return Compare(Build(held()), b)
	},
	"other": func() Comparison {
		return Compare(Build(held()), twin(func(m *Model) { m.Scenario, m.Seed = "cp-outage", 9 }))
	},
}

func TestCompareGolden(t *testing.T) {
	t.Parallel()
	for name, comparison := range comparisons {
		var text bytes.Buffer
		if err := comparison().Text(&text); err != nil {
			t.Fatal(err)
		}
		if strings.ContainsAny(text.String(), "\x1b\u202e") {
			t.Errorf("%s: a control character reached the terminal", name)
		}
		if n := strings.Count(text.String(), clean(hostile)); name == "worse" && n != 2 {
			t.Errorf("hostile text is shown %d times, want twice", n)
		}
		golden(t, filepath.Join("compare", name+".txt"), text.Bytes())
	}
	if err := comparisons["alike"]().Text(brokenWriter{}); !errors.Is(err, errBroken) {
		t.Errorf("got %v, want the writer's error", err)
	}
}

// TestComparable: what two runs must have alike for their figures to be compared.
func TestComparable(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change                  func(*Model)
		share, latency, outages bool
		starts                  bool
		says                    string
	}{
		"the same":        {func(*Model) {}, true, true, true, true, ""},
		"another seed":    {func(m *Model) { m.Seed = 1 }, true, true, true, true, "seeds differ"},
		"other timers":    {func(m *Model) { m.Profile.Name = "kong" }, false, true, false, false, "timers differ"},
		"another engine":  {func(m *Model) { m.Engine = "docker" }, true, false, true, false, "Engine or host"},
		"another host":    {func(m *Model) { m.Environment.Host = "ci-2" }, true, false, true, false, "Engine or host"},
		"fewer CPUs":      {func(m *Model) { m.Environment.CPUs = 1 }, true, false, true, false, "Engine or host"},
		"no host":         {func(m *Model) { m.Environment.Host = "" }, true, false, true, false, "Engine or host"},
		"other scenarios": {func(m *Model) { m.Scenario = "x" }, false, false, false, false, "scenarios differ"},
		"not checked":     {func(m *Model) { m.Validity = nil }, true, true, true, true, "Nobody checked"},
		"badly measured":  {func(m *Model) { m.Validity = []oracle.Check{{Name: "lag"}} }, true, true, true, true, "second run failed: lag"},
	} {
		got := Compare(Build(held()), twin(c.change))
		share, latency := false, false
		for _, n := range got.Traffic {
			share, latency = n.B.Availability != nil, n.B.Latency.P50 != nil
		}
		if share != c.share || latency != c.latency || len(got.Outages) > 0 != c.outages || len(got.Starts) > 0 != c.starts {
			t.Errorf("%s: shares %v, latency %v, %d outages, %d starts", name, share, latency, len(got.Outages), len(got.Starts))
		}
		if said := strings.Join(append(got.NotComparable, got.Notes...), " "); !strings.Contains(said, c.says) || c.says == "" && said != "" {
			t.Errorf("%s: said %q, want %q", name, said, c.says)
		}
	}
}

// TestBasis: what neither run recorded is not known to be the same.
func TestBasis(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		basis Basis
		want  bool
	}{{Basis{"x", "1", "1"}, true}, {Basis{"x", "1", "2"}, false}, {Basis{"x", "", ""}, false}, {Basis{"x", "", "1"}, false}} {
		if c.basis.Same() != c.want {
			t.Errorf("%+v: %v", c.basis, c.basis.Same())
		}
	}
}

// TestWorse: only a verdict gets worse, and which counts first.
func TestWorse(t *testing.T) {
	t.Parallel()
	of := func(statuses ...oracle.Status) Model {
		m := Model{Scenario: "x"}
		for i, s := range statuses {
			id := "G" + string(rune('1'+i))
			m.Promises = append(m.Promises, Promise{Verdict: oracle.Verdict{Promise: id, Status: s, Clauses: []oracle.Clause{{ID: id + ".1", Status: s}}}})
		}
		return m
	}
	const h, v, i, n = oracle.Held, oracle.Violated, oracle.Invalid, oracle.NotMeasured
	for name, c := range map[string]struct {
		a, b Model
		want oracle.Status
	}{
		"both held":                  {of(h), of(h), h},
		"newly violated":             {of(h, h), of(h, v), v},
		"violated before":            {of(v), of(v), h},
		"mended":                     {of(v), of(h), h},
		"violated and not asked":     {of(h), of(h, v), v},
		"violated, once INVALID":     {of(i), of(v), v},
		"violated, not measured yet": {of(n), of(v), v},
		"invalid":                    {of(h), of(i), i},
		"invalid again":              {of(i), of(i), h},
		"not measured":               {of(h), of(n), n},
		"not asked":                  {of(h, h), of(h), n},
		"invalid and not measured":   {of(h, h), of(n, i), i},
		"not measured and invalid":   {of(h, h), of(i, n), i},
		"violated after invalid":     {of(h, h), of(i, v), v},
		"unknown":                    {of(h), of("PERHAPS"), i},
		"of no run that has ended":   {of(h), of(Open), i},
		"nothing judged":             {of(), of(), n},
	} {
		if got := Compare(c.a, c.b).Worse(); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	other := of(h)
	other.Scenario = "y"
	if got := Compare(of(h), other).Worse(); got != n {
		t.Errorf("of two scenarios: %s", got)
	}
	// A clause can be VIOLATED in a promise that was so before.
	a, b := of(v), of(v)
	a.Promises[0].Clauses[0].Status = h
	if got := Compare(a, b).Worse(); got != v {
		t.Errorf("another clause: %s", got)
	}
}

// TestCompareObjectives: those of one SLO file, and which of their changes is for the worse.
func TestCompareObjectives(t *testing.T) {
	t.Parallel()
	of := func(statuses ...objective.Status) Model {
		m := Build(held())
		m.SLO = &SLO{SHA256: "aaaa"}
		for i, s := range statuses {
			m.Objectives = append(m.Objectives, objective.Verdict{Name: fmt.Sprint("o", i), Status: s})
		}
		return m
	}
	const p, v, i, m, n = objective.Proven, objective.Violated, objective.Invalid, objective.NotMeasured, objective.NotProven
	for name, c := range map[string]struct {
		a, b Model
		want oracle.Status
	}{
		"both proven":              {of(p), of(p), oracle.Held},
		"newly violated":           {of(p, n), of(n, v), oracle.Violated},
		"violated before":          {of(v), of(v), oracle.Held},
		"no longer proven":         {of(p), of(n), NotProven},
		"not proven before":        {of(n), of(n), oracle.Held},
		"proven now":               {of(n), of(p), oracle.Held},
		"invalid":                  {of(n), of(i), oracle.Invalid},
		"not measured":             {of(p), of(m), oracle.NotMeasured},
		"not measured, not proven": {of(p, p), of(n, m), oracle.NotMeasured},
		"no longer asked":          {of(p, p), of(p), oracle.NotMeasured},
	} {
		if got := Compare(c.a, c.b); got.Worse() != c.want || len(got.Objectives) != len(c.a.Objectives) {
			t.Errorf("%s: %s, want %s, of %d objectives", name, got.Worse(), c.want, len(got.Objectives))
		}
	}
	other := of(v)
	other.SLO = &SLO{SHA256: "bbbb"}
	for name, b := range map[string]Model{"another file": other, "no file": Build(held())} {
		got := Compare(of(p), b)
		if len(got.Objectives) > 0 || got.Worse() != oracle.Held || !strings.Contains(strings.Join(got.NotComparable, " "), "SLO files differ") {
			t.Errorf("%s: %d objectives, %s, %q", name, len(got.Objectives), got.Worse(), got.NotComparable)
		}
	}
	var text bytes.Buffer
	if err := Compare(of(p), of(n)).Text(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"objectives: 1 changed", "o0  PROVEN  NOT PROVEN", "NOT PROVEN: something"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%q is not in\n%s", want, text.String())
		}
	}
}

func TestCompareLeavesItsInput(t *testing.T) {
	t.Parallel()
	a, b := Build(held()), Build(violated())
	Compare(a, b)
	if !reflect.DeepEqual(a, Build(held())) || !reflect.DeepEqual(b, Build(violated())) {
		t.Error("Compare changed its input")
	}
}
