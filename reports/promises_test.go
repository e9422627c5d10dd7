// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"bytes"
	"strings"
	"testing"

	"blackout/harness/history"
	"blackout/harness/oracle"
)

// judged builds the model of verdicts alone.
func judged(result oracle.Result, exercises ...string) Model {
	return Build(Input{Recording: &history.Recording{}, Result: result, Exercises: exercises})
}

func TestOutcome(t *testing.T) {
	t.Parallel()
	trusted := []oracle.Check{{Name: "lag", OK: true}}
	verdicts := func(statuses ...oracle.Status) []oracle.Verdict {
		var vs []oracle.Verdict
		for _, s := range statuses {
			vs = append(vs, oracle.Verdict{Promise: "G1", Status: s})
		}
		return vs
	}
	for _, c := range []struct {
		name   string
		result oracle.Result
		want   oracle.Status
		says   string
	}{
		{"all held", oracle.Result{Validity: trusted, Verdicts: verdicts(oracle.Held, oracle.Held)}, oracle.Held, "Every promise"},
		{"nothing judged", oracle.Result{Validity: trusted}, oracle.NotMeasured, "No promise was judged"},
		{"nobody checked", oracle.Result{Verdicts: verdicts(oracle.Held)}, oracle.Invalid, "nobody checked"},
		{"not measured", oracle.Result{Validity: trusted, Verdicts: verdicts(oracle.Held, oracle.NotMeasured)}, oracle.NotMeasured, "G1"},
		{"invalid before not measured", oracle.Result{Validity: trusted, Verdicts: verdicts(oracle.NotMeasured, oracle.Invalid)}, oracle.Invalid, "G1"},
		{"violated before invalid", oracle.Result{Validity: trusted, Verdicts: verdicts(oracle.Held, oracle.Invalid, oracle.Violated)}, oracle.Violated, "1 of 3 promises was broken"},
		{"a verdict without a status", oracle.Result{Validity: trusted, Verdicts: verdicts("")}, oracle.Invalid, "G1"},
		{"a check failed", oracle.Result{Validity: []oracle.Check{{Name: "lag"}}, Verdicts: verdicts(oracle.Held)}, oracle.Held, "Validity checks failed: lag"},
		{"open clause", oracle.Result{Validity: trusted, Verdicts: []oracle.Verdict{{Status: oracle.Held,
			Clauses: []oracle.Clause{{ID: "G1.2", Status: oracle.NotMeasured}}}}}, oracle.Held, "Not exercised: G1.2"},
	} {
		o := judged(c.result).Outcome
		if o.Status != c.want || !strings.Contains(o.Sentence, c.says) {
			t.Errorf("%s: %s, %q; want %s and %q", c.name, o.Status, o.Sentence, c.want, c.says)
		}
	}
}

// TestPartlyMeasured: a promise can be NOT MEASURED although clauses of it were
// held, because one that the scenario is there to exercise was not measured.
func TestPartlyMeasured(t *testing.T) {
	t.Parallel()
	clause := func(id string, status oracle.Status) oracle.Clause {
		return oracle.Clause{ID: id, Status: status, Opportunities: 1, Unit: "nodes", Reason: "why not " + id}
	}
	held, one, two := clause("G13.1", oracle.Held), clause("G13.2", oracle.NotMeasured), clause("G13.4", oracle.NotMeasured)
	for _, c := range []struct {
		name      string
		status    oracle.Status
		clauses   []oracle.Clause
		exercises []string
		sentence  string // of the outcome
		open      string // of the promise's line
	}{
		{"the scenario's clauses are known", oracle.NotMeasured, []oracle.Clause{held, one, two}, []string{"G13.1", "G13.2"},
			"G13 was measured only in part: G13.2 should have been measured and was not.",
			"G13.2 should have been measured and was not; not exercised: G13.4"},
		{"several are missing", oracle.NotMeasured, []oracle.Clause{held, one, two}, []string{"G13.2", "G13.4"},
			"G13 was measured only in part: G13.2, G13.4 should have been measured and were not.",
			"G13.2, G13.4 should have been measured and were not"},
		{"only one can be the reason", oracle.NotMeasured, []oracle.Clause{held, one}, nil,
			"G13 was measured only in part: G13.2 should have been measured and was not.",
			"G13.2 should have been measured and was not"},
		{"which one is not known", oracle.NotMeasured, []oracle.Clause{held, one, two}, nil,
			"G13 was measured only in part: at least one of G13.2, G13.4 should have been measured and was not.",
			"at least one of G13.2, G13.4 should have been measured and was not"},
		{"nothing was measured", oracle.NotMeasured, []oracle.Clause{one, two}, nil,
			"The run was asked about G13 and never exercised it.", "not exercised: G13.2, G13.4"},
		{"nothing asked for is missing", oracle.Held, []oracle.Clause{held, two}, []string{"G13.1"},
			"The promise asked for held. Not exercised: G13.4.", "not exercised: G13.4"},
	} {
		m := judged(oracle.Result{Validity: []oracle.Check{{OK: true}},
			Verdicts: []oracle.Verdict{{Promise: "G13", Status: c.status, Clauses: c.clauses}}}, c.exercises...)
		if m.Outcome.Status != c.status || m.Outcome.Sentence != c.sentence {
			t.Errorf("%s: outcome %s, %q, want %s, %q", c.name, m.Outcome.Status, m.Outcome.Sentence, c.status, c.sentence)
		}
		if got := leftOpen(m.Promises[0]); got != c.open {
			t.Errorf("%s: left open %q, want %q", c.name, got, c.open)
		}
		text := summaryOf(t, m)
		for _, want := range []string{"; " + c.open + "\n", c.sentence} {
			if !strings.Contains(text, want) {
				t.Errorf("%s: the summary lacks %q:\n%s", c.name, want, text)
			}
		}
		for _, id := range m.Promises[0].Missed {
			if want := id + " NOT MEASURED: why not " + id; !strings.Contains(text, want) {
				t.Errorf("%s: the summary lacks %q:\n%s", c.name, want, text)
			}
		}
	}
}

func TestOutcomeNamesBothSorts(t *testing.T) {
	t.Parallel()
	part := oracle.Verdict{Promise: "G13", Status: oracle.NotMeasured,
		Clauses: []oracle.Clause{{ID: "G13.1", Status: oracle.Held}, {ID: "G13.2", Status: oracle.NotMeasured}}}
	m := judged(oracle.Result{Verdicts: []oracle.Verdict{{Promise: "G5", Status: oracle.NotMeasured}, part, {Promise: "G6", Status: oracle.NotMeasured}}})
	want := "G13 was measured only in part: G13.2 should have been measured and was not. The run was asked about G5, G6 and never exercised them."
	if m.Outcome.Sentence != want {
		t.Errorf("outcome %q, want %q", m.Outcome.Sentence, want)
	}
}

func summaryOf(t *testing.T, m Model) string {
	t.Helper()
	var b bytes.Buffer
	if err := Summary(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestSummaryRepeats: whatever the outcome, the last line says how to do it
// again.
func TestSummaryRepeats(t *testing.T) {
	t.Parallel()
	for name, input := range inputs {
		in := input()
		want := "again: " + recordedOr(in.Environment.Repeat) + "\n"
		if text := summaryOf(t, Build(in)); strings.Count(text, "again: ") != 1 || !strings.HasSuffix(text, "\n"+want) {
			t.Errorf("%s: the summary does not end with one %q:\n%s", name, want, text)
		}
	}
}

// TestUnits: they are named as the oracle names them, whatever the count.
func TestUnits(t *testing.T) {
	t.Parallel()
	for want, p := range map[string][]oracle.Clause{
		"none":                          {{Unit: "starts"}},
		"starts: 1":                     {{Opportunities: 1, Unit: "starts"}},
		"starts: 3, failed reads: 1":    {{Opportunities: 1, Unit: "starts"}, {Opportunities: 1, Unit: "failed reads"}, {Opportunities: 2, Unit: "starts"}},
		"changes to ready: 1, nodes: 2": {{Opportunities: 1, Unit: "changes to ready"}, {Opportunities: 2, Unit: "nodes"}},
		"4":                             {{Opportunities: 4}},
	} {
		if got := opportunities(Promise{Verdict: oracle.Verdict{Clauses: p}}); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	m := judged(oracle.Result{Verdicts: []oracle.Verdict{{Promise: "G1", Clauses: []oracle.Clause{{ID: "G1.1", Opportunities: 1, Unit: "starts"}}}}})
	page, err := renderHTML(m)
	if err != nil {
		t.Fatal(err)
	}
	summary, err := renderMarkdown(m)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"HTML": strings.ReplaceAll(string(page), "\u00a0", " "), "Markdown": string(summary), "terminal": summaryOf(t, m)} {
		if strings.Contains(text, "1 starts") || !strings.Contains(text, "starts: 1") {
			t.Errorf("%s does not say \"starts: 1\"", name)
		}
	}
}
