// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package run

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"blackout/harness"
	"blackout/harness/fault"
	"blackout/harness/history"
	"blackout/harness/oracle"
	"blackout/harness/plan"
	"blackout/reports"
	"blackout/reports/objective"
	"blackout/reports/slo"
)

// concluding is a run whose experiment is over, with a small recording.
func concluding(t *testing.T) *runner {
	t.Helper()
	r := &runner{dir: t.TempDir(), plan: plan.Plan{Promises: []string{"G13"}}, options: Options{Repeat: func(string) string { return "" }}}
	rec, err := history.Create(filepath.Join(r.dir, recordingDir), history.Header{
		Nodes:   []history.Node{{Name: "cp", Role: "control_plane"}, {Name: "dp-1", Role: "data_plane"}},
		Streams: []history.Stream{{Name: "dp-1", Node: "dp-1"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	rec.Event(history.Event{Kind: history.NodeStart, Node: "dp-1"})
	rec.Event(history.Event{Kind: history.FaultInject, Fault: 1, Edge: "dp-1>cp", Text: string(fault.Exit)})
	rec.Event(history.Event{Kind: history.FaultWitness, Fault: 1, Edge: "dp-1>cp", OK: true})
	rec.Request(history.Request{Status: 200, Generation: 1})
	rec.Event(history.Event{Kind: history.RunEnd, OK: true})
	if err := rec.Close(); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestConclude(t *testing.T) {
	t.Parallel()
	r := concluding(t)
	result, err := r.conclude(nil, false)
	if code := ExitCode(result, err); code != ExitHeld || len(result.Files) == 0 {
		t.Errorf("exit code %d (%v), %v written; %+v", code, err, result.Files, result.Oracle)
	}
}

// TestConcludeWithObjectives: what an SLO file asks for is judged, by an SLI of one's own
// too, and the file is kept as it was.
func TestConcludeWithObjectives(t *testing.T) {
	t.Parallel()
	r := concluding(t)
	never := 0.0
	r.options.SLO = &slo.Document{Name: "mine.yaml", Tier: "ci", Source: []byte("# mine"), Objectives: []slo.Objective{
		{Name: "calm", Indicator: "storms", Limit: &never, Invariant: true, Confidence: 0.95, MinSamples: 2},
	}}
	r.options.Indicators = []objective.SLI{{Name: "storms", Kind: objective.Count, Samples: "days", Phases: []string{"run"},
		Measure: func(objective.Run, objective.Query) objective.Measurement { return objective.Measurement{Total: 1} }}}
	if err := r.options.checkSLO(); err != nil {
		t.Fatal(err)
	}
	result, err := r.conclude(nil, false)
	if code := ExitCode(result, err); code != ExitNotProven || len(result.Model.Objectives) != 1 || *result.Model.Objectives[0].Needed != 1 {
		t.Errorf("exit code %d (%v): %+v", code, err, result.Model.Objectives)
	}
	for range 2 { // the second takes the first one's place
		if err := KeepSLO(r.dir, *r.options.SLO); err != nil {
			t.Fatal(err)
		}
		r.options.SLO.Name = "yours.yaml"
	}
	path, err := KeptSLO(r.dir)
	if text, readErr := os.ReadFile(path); err != nil || readErr != nil || string(text) != "# mine" || filepath.Base(path) != "yours.yaml" {
		t.Errorf("kept %s: %q, %v, %v", path, text, err, readErr)
	}
	if path, err := KeptSLO(t.TempDir()); path != "" || err != nil {
		t.Errorf("of a run without: %q, %v", path, err)
	}
	r.options.Indicators = nil
	if err := r.options.checkSLO(); !errors.Is(err, ErrUsage) || !strings.Contains(err.Error(), "storms") {
		t.Errorf("an SLI that is not there: %v", err)
	}
}

// TestReportThatCannotBeWritten is the harness's failure, whatever was held.
func TestReportThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	for _, name := range []string{reports.JSONFile, reports.MarkdownFile, reports.HTMLFile, reports.JUnitFile, reports.CTRFFile, reports.MetricsFile} {
		r := concluding(t)
		if err := os.Mkdir(filepath.Join(r.dir, name), 0o755); err != nil { // root can write any file, but no directory
			t.Fatal(err)
		}
		result, err := r.conclude(nil, false)
		if code := ExitCode(result, err); code != ExitHarness || !strings.Contains(err.Error(), name) {
			t.Errorf("%s cannot be written: exit code %d, %v", name, code, err)
		}
	}
}

// TestDamagedRecordingIsInvalid: what the disk did not keep is not judged.
func TestDamagedRecordingIsInvalid(t *testing.T) {
	t.Parallel()
	r := concluding(t)
	path := filepath.Join(r.dir, recordingDir, "requests.bin")
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	result, err := r.conclude(nil, false)
	if code := ExitCode(result, err); code != ExitInvalid || result.Oracle.Verdicts[0].Status != oracle.Invalid {
		t.Errorf("exit code %d, %v, %+v", code, err, result.Oracle)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	result, err = r.conclude(errors.New("and the experiment failed"), false)
	if code := ExitCode(result, err); code != ExitHarness {
		t.Errorf("without its requests: exit code %d, %v", code, err)
	}
}

// TestOpenedIsTold: whoever looks on while the run goes on is told where, when there is
// something to read.
func TestOpenedIsTold(t *testing.T) {
	t.Parallel()
	var told string
	o := Options{Opened: func(dir string, environment reports.Environment) {
		source, err := history.Open(dir)
		if err != nil {
			t.Error(err)
			return
		}
		told = source.Header.Run + " of " + environment.Gateway
		if err := source.Close(); err != nil {
			t.Error(err)
		}
	}}
	r := &runner{id: "r1", dir: t.TempDir(), gateway: "reference gateway", options: o}
	err := r.openRecording(&harness.Setup{})
	if err := errors.Join(err, r.rec.Close()); err != nil {
		t.Fatal(err)
	}
	if told != "r1 of reference gateway" {
		t.Errorf("told %q", told)
	}
}

// neighbour leaves the report of a run of the same series beside a run that is over,
// begun a day before it.
func neighbour(t *testing.T, r *runner, name string, status oracle.Status) {
	t.Helper()
	result, err := r.conclude(nil, false)
	if err != nil {
		t.Fatal(err)
	}
	m := result.Model
	m.Run, m.Started, m.Promises = name, m.Started.AddDate(0, 0, -1), slices.Clone(m.Promises)
	m.Promises[0].Status = status
	text, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	leave(t, filepath.Join(filepath.Dir(r.dir), name, reports.JSONFile), text)
}

func leave(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestConcludeKeepsTheBaseline: the runs beside a run are kept with it, and its report
// says what is new. One that cannot be read is named, and fails nothing.
func TestConcludeKeepsTheBaseline(t *testing.T) {
	t.Parallel()
	r := concluding(t)
	neighbour(t, r, "before", oracle.Violated)
	leave(t, filepath.Join(filepath.Dir(r.dir), "torn", reports.JSONFile), []byte("{"))
	result, err := r.conclude(nil, false)
	if code := ExitCode(result, err); code != ExitHeld {
		t.Fatalf("exit code %d: %v", code, err)
	}
	kept, err := reports.ReadBaseline(r.dir, result.Model.Run)
	if err != nil || kept == nil || len(kept.Runs) != 1 || kept.Runs[0].Dir != "before" || len(kept.NotRead) != 1 || !strings.HasPrefix(kept.NotRead[0], "torn/") {
		t.Errorf("kept %+v, %v", kept, err)
	}
	if l := result.Model.Baseline; l == nil || len(l.News) != 1 || l.News[0].Is != reports.Fixed {
		t.Errorf("the report has %+v", l)
	}
	if err := os.RemoveAll(filepath.Join(r.dir, reports.BaselineFile)); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(r.dir, reports.BaselineFile), 0o755); err != nil {
		t.Fatal(err)
	}
	if result, err := r.conclude(nil, false); ExitCode(result, err) != ExitHarness || !strings.Contains(err.Error(), "keep the baseline") {
		t.Errorf("a baseline that cannot be written: %v", err)
	}
}
