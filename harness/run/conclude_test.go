// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package run

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"blackout/harness/fault"
	"blackout/harness/history"
	"blackout/harness/oracle"
	"blackout/harness/plan"
	"blackout/reports"
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
