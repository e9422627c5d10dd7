// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package objective

import (
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"blackout/harness/history"
	"blackout/reports/slo"
	"blackout/reports/stats"
)

// counted is an SLI of a kind that measures what it is told.
func counted(kind Kind, m Measurement) SLI {
	return SLI{Name: "told", Kind: kind, Samples: "samples", Unit: "s", Phases: []string{"run"}, Measure: func(Run, Query) Measurement { return m }}
}

func verdictOf(kind Kind, m Measurement, goals ...goal) Verdict {
	return Judge(Run{}, slo.Document{Objectives: []slo.Objective{about("told", goals...)}}, []SLI{counted(kind, m)})[0]
}

// TestShares: what is proven of shares, violated and left open, at the edges.
func TestShares(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		bad, n int
		goals  []goal
		want   Status
		needed int
	}{
		{0, 2995, []goal{target(0.999)}, Proven, 0},
		{0, 2994, []goal{target(0.999)}, NotProven, 1},
		{1, 4742, []goal{target(0.999)}, Proven, 0},
		{1, 4741, []goal{target(0.999)}, NotProven, 1},
		{1, 2995, []goal{target(0.999)}, NotProven, 1747},
		{0, 5000, []goal{target(0.999), least(6000)}, NotProven, 1000},
		{9, 2000, []goal{target(0.999)}, Violated, 0},
		{5, 5, []goal{target(0.5)}, Violated, 0},
		{2, 2, []goal{target(0.5)}, NotProven, 9},
		{1, 1, []goal{target(0.5)}, NotProven, 7},
		{0, 0, []goal{target(0.5)}, NotMeasured, 0},
	} {
		v := verdictOf(Share, Measurement{Bad: c.bad, Total: c.n}, c.goals...)
		needed := 0
		if v.Needed != nil {
			needed = *v.Needed
		}
		if v.Status != c.want || needed != c.needed {
			t.Errorf("%d bad of %d: %s and %d more, want %s and %d: %s", c.bad, c.n, v.Status, needed, c.want, c.needed, v.Reason)
		}
		if v.Status == NotProven {
			if again := verdictOf(Share, Measurement{Bad: c.bad, Total: c.n + needed}, c.goals...); again.Status != Proven {
				t.Errorf("with %d more it is %s", needed, again.Status)
			}
		}
	}
}

// TestNoVerdictContradictsItsBounds over many counts.
func TestNoVerdictContradictsItsBounds(t *testing.T) {
	t.Parallel()
	for n := 1; n < 400; n += 3 {
		for bad := 0; bad <= n; bad += 1 + n/9 {
			v := verdictOf(Share, Measurement{Bad: bad, Total: n}, target(0.9))
			proven, violated := *v.Lower >= 0.9, *v.Upper < 0.9
			if (v.Status == Proven) != proven || (v.Status == Violated) != violated || *v.Lower > *v.Estimate || *v.Upper < *v.Estimate {
				t.Fatalf("%d bad of %d: %s with the bounds %g and %g", bad, n, v.Status, *v.Lower, *v.Upper)
			}
		}
	}
}

// TestInvariants: one counterexample is enough, and none is not always.
func TestInvariants(t *testing.T) {
	t.Parallel()
	slow, fast, lost := Value{Value: 6, Text: "slow"}, Value{Value: 5}, Value{Never: true, Text: "lost"}
	for name, c := range map[string]struct {
		v    Verdict
		want Status
		says string
	}{
		"none":               {verdictOf(Count, Measurement{Total: 20}, never(0)), Proven, "86.08%"},
		"one":                {verdictOf(Count, Measurement{Bad: 1, Total: 20}, never(0)), Violated, "1 counterexamples"},
		"one of those let":   {verdictOf(Count, Measurement{Bad: 1, Total: 20}, never(1)), Proven, "1 of 20"},
		"too few":            {verdictOf(Count, Measurement{Total: 20}, never(0), least(30)), NotProven, "10 more"},
		"more than samples":  {verdictOf(Count, Measurement{Bad: 30, Total: 20}, never(0)), Violated, "30 counter"},
		"nothing":            {verdictOf(Count, Measurement{Missing: "nobody looked"}, never(0)), NotMeasured, "nobody looked"},
		"a bad measurement":  {verdictOf(Count, Measurement{Bad: 1, Total: 9, Doubt: "blind"}, never(0)), Invalid, "blind"},
		"values within":      {verdictOf(Values, Measurement{Values: []Value{fast, fast}}, never(5)), Proven, "22.36%"},
		"a value beyond":     {verdictOf(Values, Measurement{Values: []Value{fast, slow}}, never(5)), Violated, "slow"},
		"a value that never": {verdictOf(Values, Measurement{Values: []Value{fast, lost}}, never(5)), Violated, "lost"},
		"half beyond":        {verdictOf(Values, Measurement{Values: []Value{fast, slow}}, limit(5), target(0.5)), NotProven, "1 of 2"},
		"a gate":             {verdictOf(Gate, Measurement{Total: 9}, never(0)), Proven, "all of 9"},
	} {
		if c.v.Status != c.want || !strings.Contains(c.v.Reason, c.says) {
			t.Errorf("%s: %s, %s; want %s, %s", name, c.v.Status, c.v.Reason, c.want, c.says)
		}
	}
	if v := verdictOf(Values, Measurement{Values: []Value{slow, fast, lost}}, never(5)); *v.Worst != 6 || v.Bad != 2 {
		t.Errorf("the worst is %g, %d are bad", *v.Worst, v.Bad)
	}
}

// TestRatios: the bounds decide, not the point.
func TestRatios(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		lower, upper float64
		blocks       int
		goals        []goal
		want         Status
	}{
		{0.9, 1.2, 30, nil, Proven}, {0.9, 1.3, 30, nil, NotProven}, {1.26, 1.3, 30, nil, Violated},
		{0.9, 1.2, 30, []goal{least(60)}, NotProven}, {0, 0, 2, nil, NotProven},
	} {
		d := Degradation{Degradation: stats.Degradation{Point: 1.25, Lower: c.lower, Upper: c.upper, Blocks: c.blocks}, Baseline: stats.Degradation{Blocks: 3}}
		if v := verdictOf(Ratio, Measurement{Ratio: &d}, append(c.goals, limit(1.25))...); v.Status != c.want {
			t.Errorf("from %g to %g of %d: %s, want %s: %s", c.lower, c.upper, c.blocks, v.Status, c.want, v.Reason)
		}
	}
	d := Degradation{Degradation: stats.Degradation{Point: 1, Lower: 1, Upper: 1, Blocks: 30}, Baseline: stats.Degradation{Blocks: 2}}
	if v := verdictOf(Ratio, Measurement{Ratio: &d}, limit(1.25)); v.Status != NotProven || !strings.Contains(v.Reason, "compared with itself") {
		t.Errorf("without a baseline: %s, %s", v.Status, v.Reason)
	}
}

// TestValuesAreKept: a report keeps values for later runs to be compared with, by time,
// and of many some from everywhere.
func TestValuesAreKept(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 3, MaxValues, MaxValues + 1, 200} {
		var m Measurement
		for i := range n { // latest first; every third never came
			m.Values = append(m.Values, Value{At: history.Time(n - i), Value: float64(n - i), Never: (n-i)%3 == 0})
		}
		v := verdictOf(Values, m, target(0.5), limit(1))
		if v.Values == nil || len(v.Values) != min(n, MaxValues) || v.Samples != n {
			t.Fatalf("%d of %d values are kept: %v", len(v.Values), n, v.Values)
		}
		for i, kept := range v.Values {
			at := i*n/len(v.Values) + 1
			if came := at%3 != 0; (kept != nil) != came || came && *kept != float64(at) {
				t.Errorf("of %d values the kept value %d is another than value %d", n, i+1, at)
			}
		}
	}
	if v := verdictOf(Share, Measurement{Total: 3}, target(0.5)); v.Values == nil || len(v.Values) > 0 {
		t.Errorf("a share keeps %v", v.Values)
	}
}

// TestGeneral: what is said of outages in general is counted in outages.
func TestGeneral(t *testing.T) {
	t.Parallel()
	v := verdictOf(Share, Measurement{Total: 1_000_000, Episodes: 59, Clean: 59}, target(0.999))
	if g := v.General; g.Outages != 59 || *g.Lower < 0.95 || *g.Lower > 0.951 || !strings.Contains(g.Text, "at least 95.04% are clean: 59 of 59") {
		t.Errorf("%+v", g)
	}
	if g := verdictOf(Share, Measurement{Total: 10}, target(0.5)).General; g.Lower != nil || !strings.Contains(g.Text, "says nothing about outages in general") {
		t.Errorf("%+v", g)
	}
}

// TestCheck: what a file asks for in a way that cannot be judged.
func TestCheck(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		goal slo.Objective
		says string
	}{
		{about("uptime", target(0.9)), "no SLI is named"},
		{about("proxy-availability", limit(1)), "make it a ratioMetric"},
		{about("data-plane-rto", target(0.9)), "make it a thresholdMetric"},
		{about("data-plane-rto", limit(5)), "either a share must be within the value"},
		{about("wrong-configuration", limit(0)), "counts what should not happen"},
		{about("measurement-validity", limit(0)), "counts what should not happen"},
		{about("latency-ratio", never(1.1)), "is one figure"},
		{about("latency-ratio", limit(1.1), target(0.9)), "is one figure"},
		{about("data-plane-rto", never(5), in("steady")), "not measured in the phase"},
		{about("data-plane-rto", never(5), with("percentile", "99")), "has no parameter"},
		{about("latency-ratio", limit(1.1), with("percentile", "100")), "no number above 0 and below 100"},
		{about("latency-ratio", limit(1.1), with("baseline", "x")), "no number above 1"},
		{about("proxy-availability", target(0.9), with("deadline", "-1s")), "is no time"},
		{about("recovery-point", never(0), with("beyond", "lunch")), "write export-delay"},
	} {
		doc := slo.Document{Objectives: []slo.Objective{c.goal}}
		if err := Check(doc, All); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", c.goal.Name, err, c.says)
		}
		if v := Judge(Run{}, doc, All)[0]; v.Status != Invalid || !strings.Contains(v.Reason, c.says) {
			t.Errorf("judged unchecked, it is %s: %s", v.Status, v.Reason)
		}
	}
	for _, o := range goodGoals {
		if err := Check(slo.Document{Objectives: []slo.Objective{o}}, All); err != nil {
			t.Error(err)
		}
	}
}

// TestJudgeIsPure: the same recording gives the same verdicts, whatever the order of
// maps.
func TestJudgeIsPure(t *testing.T) {
	t.Parallel()
	run, err := newTape().run()
	if err != nil {
		t.Fatal(err)
	}
	doc := slo.Document{Objectives: goodGoals}
	first := Judge(run, doc, All)
	for range 5 {
		again, err := newTape().run()
		if err != nil {
			t.Fatal(err)
		}
		if other := Judge(again, doc, All); !reflect.DeepEqual(first, other) {
			t.Fatalf("judged again:\n%+v\n%+v", first, other)
		}
	}
}

// TestAllAreWhole: every SLI has what files and reports need, and a name of its own.
func TestAllAreWhole(t *testing.T) {
	t.Parallel()
	names := make(map[string]bool)
	for _, s := range All {
		if s.Name == "" || s.Kind == "" || s.Samples == "" || len(s.Phases) == 0 || s.Measure == nil || names[s.Name] || s.Kind == Values && s.Unit == "" {
			t.Errorf("%+v", s)
		}
		names[s.Name] = true
	}
}

// TestAllAreDocumented, with their parameters.
func TestAllAreDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/objectives.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "## The indicators")
	for _, s := range All {
		_, row, found := strings.Cut(table, "\n| `"+s.Name+"` |")
		row, _, _ = strings.Cut(row, "\n")
		for parameter := range s.Parameters {
			found = found && strings.Contains(row, "`"+parameter)
		}
		if !found {
			t.Errorf("docs/objectives.md does not list %s with its parameters", s.Name)
		}
	}
}

func ExampleSLI() {
	// How many processes ended though nobody ended them, of all that were started.
	deaths := SLI{
		Name: "unasked-ends", Kind: Count, Samples: "starts", Phases: []string{"run"},
		Measure: func(r Run, _ Query) Measurement {
			m := Measurement{Missing: "no process was started"}
			for _, e := range r.Recording.Events {
				switch e.Kind {
				case "node.start":
					m.Total++
				case "node.exit":
					m.Bad++
				}
			}
			return m
		},
	}
	// It is asked for like any other: in a file, by sli: unasked-ends.
	limit := 0.0
	doc := slo.Document{Objectives: []slo.Objective{{Name: "no-deaths", Indicator: "unasked-ends", Limit: &limit, Invariant: true, Confidence: 0.95}}}
	run, err := newTape().run()
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, v := range Judge(run, doc, append(All, deaths)) {
		fmt.Printf("%s: %s, %d of %d\n", v.Name, v.Status, v.Bad, v.Samples)
	}
	// Output: no-deaths: PROVEN, 0 of 4
}
