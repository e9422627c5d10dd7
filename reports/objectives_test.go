// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"blackout/harness/history"
	"blackout/harness/oracle"
	"blackout/reports/objective"
	"blackout/reports/slo"
)

// keptWith is a real run, of the recordings that are kept, with the SLO file of a tier.
func keptWith(tier string) func() Input {
	return func() Input {
		rec, err := history.Load(filepath.Join("..", "fixtures", "recordings", "v2"))
		if err != nil {
			panic(err)
		}
		// It is older than the control of the machine, without which nothing is PROVEN.
		rec.Events = slices.Insert(rec.Events, len(rec.Events)-1, history.Event{At: rec.Events[len(rec.Events)-1].At, Kind: history.Metric, Node: "upstream", Text: history.ControlRequests, Value: 100})
		result, err := oracle.Judge(rec, nil)
		if err != nil {
			panic(err)
		}
		doc, err := slo.Read(filepath.Join("..", "fixtures", "slo", tier+".yaml"))
		if err != nil {
			panic(err)
		}
		result.Verdicts = held().Result.Verdicts // those of today's oracles change with every clause that they learn
		return Input{Recording: rec, Result: result, Environment: environment(), SLO: &doc}
	}
}

// told is an SLI that every time measures what it is told.
func told(name string, m objective.Measurement) objective.SLI {
	return objective.SLI{Name: name, Kind: objective.Count, Samples: "answers", Phases: []string{"run"},
		Measure: func(objective.Run, objective.Query) objective.Measurement { return m }}
}

// withObjectives is a run with an invariant for each of some measurements.
func withObjectives(in Input, measured ...objective.Measurement) Input {
	never := 0.0
	in.SLO = &slo.Document{Name: "told.yaml", Tier: "ci"}
	for i, m := range measured {
		sli := told(fmt.Sprintf("sli-%d", i), m)
		in.Indicators = append(in.Indicators, sli)
		in.SLO.Objectives = append(in.SLO.Objectives, slo.Objective{Name: fmt.Sprintf("o%d", i), Indicator: sli.Name, Limit: &never, Invariant: true, Confidence: 0.95, MinSamples: 20})
	}
	return in
}

// The measurements that give an invariant each of its verdicts.
var (
	provenOne    = objective.Measurement{Total: 20}
	brokenOne    = objective.Measurement{Bad: 1, Total: 20, Evidence: []oracle.Evidence{{At: sec(3), Text: hostile}}}
	openOne      = objective.Measurement{Total: 10}
	blindOne     = objective.Measurement{Total: 20, Doubt: "nobody looked"}
	unmeasuredOf = objective.Measurement{Missing: "nothing was there"}
)

// TestOutcomeWithObjectives: the run is as bad as its worst promise or objective, in the
// order of the exit codes.
func TestOutcomeWithObjectives(t *testing.T) {
	t.Parallel()
	partly := held()
	partly.Result.Verdicts[0].Status = oracle.NotMeasured
	for _, c := range []struct {
		name string
		in   Input
		want oracle.Status
		says string
	}{
		{"all proven", withObjectives(sound(held()), provenOne, provenOne), oracle.Held, "Proven: all of 2 objectives of told.yaml."},
		{"one open", withObjectives(sound(held()), provenOne, openOne), NotProven, "Of 2 objectives of told.yaml: 1 not proven (o1), 1 proven."},
		{"one not measured", withObjectives(sound(held()), openOne, unmeasuredOf), oracle.NotMeasured, "1 not measured (o1), 1 not proven (o0)"},
		{"one blind", withObjectives(sound(held()), blindOne, unmeasuredOf), oracle.Invalid, "1 invalid (o0), 1 not measured (o1)"},
		{"one broken", withObjectives(sound(held()), blindOne, brokenOne), oracle.Violated, "1 violated (o1), 1 invalid (o0)"},
		{"a promise broken", withObjectives(violated(), provenOne), oracle.Violated, "broken: G10"},
		{"a promise not measured", withObjectives(sound(partly), openOne), oracle.NotMeasured, "1 not proven (o0)"},
	} {
		m := Build(c.in)
		if m.Outcome.Status != c.want || !strings.Contains(m.Outcome.Sentence, c.says) {
			t.Errorf("%s: %s: %s, want %s: %s", c.name, m.Outcome.Status, m.Outcome.Sentence, c.want, c.says)
		}
	}
}

// sound is a run of which nothing makes the recording void.
func sound(in Input) Input {
	rec := *in.Recording
	rec.Events = append([]history.Event{}, rec.Events...)
	rec.Events = append(rec.Events, history.Event{At: sec(21), Kind: history.RunEnd, OK: true})
	in.Recording = &rec
	return in
}

// TestObjectivesInEveryFormat: each rendering names every objective and its verdict.
func TestObjectivesInEveryFormat(t *testing.T) {
	t.Parallel()
	m := Build(withObjectives(sound(held()), provenOne, brokenOne, openOne, blindOne, unmeasuredOf))
	var summary bytes.Buffer
	if err := Summary(&summary, m); err != nil {
		t.Fatal(err)
	}
	shown := map[string]string{"summary": summary.String()}
	for name, render := range renderers {
		content, err := render(m)
		if err != nil {
			t.Fatal(err)
		}
		shown[name] = string(content)
	}
	for name, content := range shown {
		for i, status := range []string{"PROVEN", "VIOLATED", "NOT PROVEN", "INVALID", "NOT MEASURED"} {
			if name == "junit" && status == "PROVEN" {
				continue // a case without a failure
			}
			if !strings.Contains(content, fmt.Sprintf("o%d", i)) || !strings.Contains(content, status) {
				t.Errorf("%s does not show o%d, %s", name, i, status)
			}
		}
		if (name == "html" || name == "markdown" || name == "junit") && strings.Contains(content, "<script>alert") {
			t.Errorf("%s shows a node's text unescaped", name)
		}
	}
	if n := strings.Count(shown["junit"], "<failure"); n != 2 {
		t.Errorf("JUnit has %d failures, want VIOLATED and NOT PROVEN", n)
	}
}

// TestNothingOfObjectivesWithoutAFile: a report without an SLO file speaks of none.
func TestNothingOfObjectivesWithoutAFile(t *testing.T) {
	t.Parallel()
	m := Build(held())
	if m.SLO != nil || m.Objectives == nil || len(m.Objectives) > 0 {
		t.Errorf("%+v, %+v", m.SLO, m.Objectives)
	}
	for name, render := range renderers {
		content, err := render(m)
		if err != nil {
			t.Fatal(err)
		}
		if name != "json" && strings.Contains(strings.ToLower(string(content)), "objective") {
			t.Errorf("%s speaks of objectives", name)
		}
	}
}

// TestReportIsReadBack: what is written as report.json is the model.
func TestReportIsReadBack(t *testing.T) {
	t.Parallel()
	m := Build(keptWith("nightly")())
	content, err := renderJSON(m)
	if err != nil {
		t.Fatal(err)
	}
	var back Model
	if err := json.Unmarshal(content, &back); err != nil {
		t.Fatal(err)
	}
	again, err := renderJSON(back)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(content, again) {
		t.Error("what is read back is another model")
	}
}

// TestPanicOfAnIndicatorIsTheCallers: one's own indicator must not end the program past
// those who recover.
func TestPanicOfAnIndicatorIsTheCallers(t *testing.T) {
	t.Parallel()
	in := withObjectives(keptWith("ci")(), objective.Measurement{})
	in.Indicators[0].Measure = func(objective.Run, objective.Query) objective.Measurement { panic("of one's own") }
	defer func() {
		if p := recover(); p != "of one's own" {
			t.Errorf("recovered %v", p)
		}
	}()
	Build(in)
	t.Error("it does not panic")
}
