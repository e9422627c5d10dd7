// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"fmt"
	"math"
	"slices"
	"strconv"

	"blackout/harness/oracle"
	"blackout/reports/objective"
	"blackout/reports/stats"
)

// regressionLevel is the corrected p-value below which an SLI has regressed.
const regressionLevel = 0.05

// Regression says which SLIs are worse than in the runs before, and which of the
// differences chance explains. It changes no verdict and no exit code.
type Regression struct {
	Level    float64          `json:"level"`    // of the corrected p-value, below which an SLI has regressed
	Compared []ComparedSLI    `json:"compared"` // that Holm's correction is over
	Not      []NotComparedSLI `json:"not_compared"`
}

// ComparedSLI is the SLI of an objective against that of all runs before together.
type ComparedSLI struct {
	Objective string  `json:"objective"`
	Test      string  `json:"test"`
	Runs      int     `json:"runs"` // of the baseline that it was measured in
	Now       Counted `json:"now"`
	Before    Counted `json:"before"`
	P         float64 `json:"p"`           // one-sided: that chance alone makes this run as bad
	Corrected float64 `json:"p_corrected"` // after Holm, over all that were compared
	Regressed bool    `json:"regressed"`
}

// Counted is what was compared on one side.
type Counted struct {
	Samples int      `json:"samples"`
	Bad     *int     `json:"bad"`    // of a share
	Median  *float64 `json:"median"` // of values, in their unit; null also where it had not come
}

// NotComparedSLI is the SLI of an objective that could not be compared.
type NotComparedSLI struct {
	Objective string `json:"objective"`
	Why       string `json:"why"`
}

// regression compares the SLIs of a run with those of the runs before.
func regression(m Model, runs []EarlierRun) Regression {
	r := Regression{Level: regressionLevel, Compared: []ComparedSLI{}, Not: []NotComparedSLI{}}
	alike := sameSLO(m, runs)
	for _, v := range m.Objectives {
		one, why := compareSLI(m, v, alike)
		if why != "" {
			r.Not = append(r.Not, NotComparedSLI{v.Name, why})
			continue
		}
		r.Compared = append(r.Compared, one)
	}
	p := make([]float64, len(r.Compared))
	for i, c := range r.Compared {
		p[i] = c.P
	}
	for i, corrected := range stats.Holm(p) {
		r.Compared[i].Corrected, r.Compared[i].Regressed = corrected, corrected < regressionLevel
	}
	return r
}

// compareSLI compares one, or says why it does not.
func compareSLI(m Model, v objective.Verdict, alike []EarlierRun) (c ComparedSLI, why string) {
	switch {
	case v.Kind != objective.Share && v.Kind != objective.Values:
		return c, "only shares and times are compared"
	case asStatus(v.Status) == oracle.Invalid:
		return c, "it is INVALID in this run"
	case v.Samples == 0:
		return c, notMeasured
	case len(alike) == 0:
		return c, "no run before had the same SLO file"
	}
	c.Objective = v.Name
	var before []EarlierObjective
	elsewhere := ""
	for _, r := range alike {
		o, ok := r.objective(v.Name)
		if !ok || o.Kind != v.Kind || asStatus(o.Status) == oracle.Invalid || o.Samples == 0 {
			continue
		}
		if other := incomparable(m, v.Kind, r); other != "" {
			elsewhere = other
			continue
		}
		before = append(before, o)
	}
	if c.Runs = len(before); c.Runs == 0 && elsewhere != "" {
		return c, elsewhere
	}
	if v.Kind == objective.Share {
		return c.share(v, before)
	}
	return c.values(v, before, m.Seed)
}

// neverMeasured is said of what the runs before cannot be compared in.
const neverMeasured = "no run before measured it"

// share compares counts.
func (c ComparedSLI) share(v objective.Verdict, before []EarlierObjective) (_ ComparedSLI, why string) {
	bad := 0
	for _, o := range before {
		c.Before.Samples += o.Samples
		bad += min(o.Bad, o.Samples)
	}
	if c.Before.Samples == 0 {
		return c, neverMeasured
	}
	c.Test = "Fisher's exact test"
	c.Now, c.Before.Bad = Counted{Samples: v.Samples, Bad: &v.Bad}, &bad
	c.P = stats.MoreBad(v.Bad, v.Samples, bad, c.Before.Samples)
	return c, ""
}

// values compares values.
func (c ComparedSLI) values(v objective.Verdict, before []EarlierObjective, seed uint64) (_ ComparedSLI, why string) {
	now, pooled := numbers(v.Values), []float64{}
	for _, o := range before {
		pooled = append(pooled, numbers(o.Values)...)
	}
	switch {
	case len(now) == 0:
		return c, notMeasured
	case len(pooled) == 0:
		return c, neverMeasured
	}
	p, exact := stats.Higher(now, pooled, seed)
	c.P, c.Test = p, "Mann-Whitney test, exact"
	if !exact {
		c.Test = "Mann-Whitney test, 9999 permutations"
	}
	c.Now, c.Before = Counted{Samples: len(now), Median: median(now)}, Counted{Samples: len(pooled), Median: median(pooled)}
	return c, ""
}

// numbers are values, of which those that had not come exceed every other.
func numbers(values []*float64) []float64 {
	out := make([]float64, len(values))
	for i, v := range values {
		out[i] = math.Inf(1)
		if v != nil {
			out[i] = *v
		}
	}
	return out
}

// median is the lower one of values, of which there is one; nil if it had not come.
func median(values []float64) *float64 {
	sorted := slices.Sorted(slices.Values(values))
	middle := sorted[(len(sorted)-1)/2]
	if math.IsInf(middle, 1) {
		return nil
	}
	return &middle
}

// regressed are the names of those that are worse.
func (r Regression) regressed() []string {
	var names []string
	for _, c := range r.Compared {
		if c.Regressed {
			names = append(names, fmt.Sprintf("%s (p %s)", c.Objective, pValue(c.Corrected)))
		}
	}
	return names
}

// sentence says what is worse than in the runs before.
func (r Regression) sentence() string {
	if len(r.Compared) == 0 {
		return "Regressed: unknown, no SLI could be compared with earlier runs."
	}
	says, runs := "none", 0
	if names := r.regressed(); len(names) > 0 {
		says = list(names)
	}
	for _, c := range r.Compared {
		runs = max(runs, c.Runs)
	}
	return fmt.Sprintf("Regressed against %s: %s; %s compared, corrected after Holm.", count(runs, "earlier run"), says, count(len(r.Compared), "SLI"))
}

// pValue is a p-value, rounded up.
func pValue(p float64) string {
	const digits = 1e4
	if p < 1/digits {
		return "< 0.0001"
	}
	return fmt.Sprintf("%.4f", math.Min(1, math.Ceil(p*digits-1e-6)/digits))
}

func (m Model) regressionTable() table {
	t := table{
		head: []string{"Objective", "Result", "This run", "Runs before", "p", "p corrected", "Test"},
		none: "No SLI could be compared.",
	}
	unit := func(name string) string {
		i := slices.IndexFunc(m.Objectives, func(v objective.Verdict) bool { return v.Name == name })
		if i < 0 {
			return ""
		}
		return m.Objectives[i].Unit
	}
	for _, c := range m.Baseline.Regression.Compared {
		result := "✓ not regressed"
		if c.Regressed {
			result = "✗ regressed"
		}
		u := unit(c.Objective)
		t.rows = append(t.rows, []string{c.Objective, result, c.Now.words(u), c.Before.words(u) + ", in " + count(c.Runs, "run"), pValue(c.P), pValue(c.Corrected), c.Test})
	}
	for _, n := range m.Baseline.Regression.Not {
		t.rows = append(t.rows, []string{n.Objective, "– not compared", n.Why, "", "", "", ""})
	}
	return t
}

// words is what was compared on one side.
func (c Counted) words(unit string) string {
	switch {
	case c.Bad != nil:
		return strconv.Itoa(*c.Bad) + " bad of " + strconv.Itoa(c.Samples)
	case c.Median == nil:
		return strconv.Itoa(c.Samples) + ", median: never"
	}
	return fmt.Sprintf("%d, median %.3f %s", c.Samples, *c.Median, unit)
}
