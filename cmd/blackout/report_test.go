// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"blackout/harness/run"
	"blackout/reports"
)

// sloFile is the CI tier's SLO file with one change.
func sloFile(t *testing.T, old, changed string) string {
	t.Helper()
	text := document(t, "fixtures", "slo", "ci.yaml")
	if !strings.Contains(text, old) {
		t.Fatalf("ci.yaml does not have %q", old)
	}
	path := filepath.Join(t.TempDir(), "slo.yaml")
	if err := os.WriteFile(path, []byte(strings.Replace(text, old, changed, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// finished is a run's directory that holds nothing but a kept recording.
func finished(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "recording"), os.DirFS(filepath.Join("..", "..", "reports", "testdata", "runs", "not-proven", "recording"))); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestReport writes the report of a finished run again, without objectives, with those
// of a file, and with those of the file that was kept.
func TestReport(t *testing.T) {
	t.Parallel()
	dir := finished(t)
	ci := filepath.Join("..", "..", "fixtures", "slo", "ci.yaml")
	if o := blackout(t, "report", dir); o.code != run.ExitHeld || strings.Contains(o.out, "objectives") || !strings.Contains(o.out, "report: "+filepath.Join(dir, reports.HTMLFile)) {
		t.Errorf("without an SLO file: %+v", o)
	}
	first := blackout(t, "report", dir, "--slo", ci)
	if first.code != run.ExitNotProven || !strings.Contains(first.out, "objectives of ci.yaml, tier ci") || !strings.Contains(first.out, "data-plane-rto") {
		t.Errorf("with one: %+v", first)
	}
	before := files(t, dir)
	again := blackout(t, "report", dir)
	if again.code != first.code || again.out != first.out {
		t.Errorf("written again: %+v", again)
	}
	for name, content := range files(t, dir) {
		if !bytes.Equal(content, before[name]) {
			t.Errorf("%s is another when it is written again", name)
		}
	}
	out := t.TempDir()
	if o := blackout(t, "report", dir, "--out", out); o.code != first.code || !strings.Contains(o.out, out) {
		t.Errorf("elsewhere: %+v", o)
	}
	if path, err := run.KeptSLO(out); err != nil || filepath.Base(path) != "ci.yaml" {
		t.Errorf("elsewhere, the file is not kept: %q, %v", path, err)
	}
}

// files are the contents of a directory's own files.
func files(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "*.*"))
	if err != nil || len(found) < 4 {
		t.Fatalf("%v, %v", found, err)
	}
	all := make(map[string][]byte)
	for _, path := range found {
		if all[filepath.Base(path)], err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// TestReportSaysWhatCannotBeRead: a file of the run that is damaged is not passed over.
func TestReportSaysWhatCannotBeRead(t *testing.T) {
	t.Parallel()
	for name, breakIt := range map[string]func(dir string) error{
		"report.json": func(dir string) error { return os.WriteFile(filepath.Join(dir, reports.JSONFile), []byte("{"), 0o600) },
		"slo":         func(dir string) error { return os.Mkdir(filepath.Join(dir, "slo"), 0o755) },
	} {
		dir := finished(t)
		if err := breakIt(dir); err != nil {
			t.Fatal(err)
		}
		if o := blackout(t, "report", dir); o.code != run.ExitUsage || !strings.Contains(o.errors, name) || strings.Count(o.errors, "\n") != 1 {
			t.Errorf("%s: %+v", name, o)
		}
	}
}

// TestDryRunSaysWhatIsToBeProven, and that the command that repeats it does.
func TestDryRunSaysWhatIsToBeProven(t *testing.T) {
	t.Parallel()
	ci := filepath.Join("..", "..", "fixtures", "slo", "ci.yaml")
	o := blackout(t, "run", scenario, "--seed", "7", "--engine", "local", "--dry-run", "--slo", ci)
	if o.code != 0 || !strings.Contains(o.out, "\nprove     data-plane-rto\n") || !strings.Contains(o.out, " --slo "+ci) {
		t.Errorf("%+v", o)
	}
}

// TestReportBaseline: a report that is written again is the same whatever lies beside the
// run, until it is told to look there.
func TestReportBaseline(t *testing.T) {
	t.Parallel()
	dir := finished(t)
	if o := blackout(t, "report", dir); o.code != run.ExitHeld {
		t.Fatalf("%+v", o)
	}
	out := t.TempDir()
	m, err := reports.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	if m.Baseline != nil {
		t.Errorf("a run without a baseline has %+v", m.Baseline)
	}
	m.Run, m.Started = "the-one-before", m.Started.AddDate(0, 0, -1)
	text, err := json.Marshal(m)
	if err == nil {
		err = errors.Join(os.Mkdir(filepath.Join(out, m.Run), 0o755), os.WriteFile(filepath.Join(out, m.Run, reports.JSONFile), text, 0o600))
	}
	if err != nil {
		t.Fatal(err)
	}
	if o := blackout(t, "report", dir, "--baseline", out); o.code != run.ExitHeld {
		t.Fatalf("%+v", o)
	}
	before := files(t, dir)
	if page := string(before[reports.HTMLFile]); before[reports.BaselineFile] == nil || !strings.Contains(page, "the-one-before") {
		t.Error("the run before is not in the report, or not kept")
	}
	if err := os.RemoveAll(filepath.Join(out, m.Run)); err != nil {
		t.Fatal(err)
	}
	elsewhere := filepath.Join(t.TempDir(), "made")
	for _, to := range []string{dir, elsewhere} {
		if o := blackout(t, "report", dir, "--out", to); o.code != run.ExitHeld {
			t.Fatalf("%+v", o)
		}
		for name, content := range files(t, to) {
			if !bytes.Equal(content, before[name]) {
				t.Errorf("%s is another when it is written again to %s", name, to)
			}
		}
	}
	if err := os.WriteFile(filepath.Join(dir, reports.BaselineFile), []byte(`{"schema": 1, "scheme": 2}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, args := range map[string][]string{
		`unknown field "scheme"`:        {"report", dir},
		"is a run's own directory":      {"report", dir, "--baseline", dir},
		"no directory of runs":          {"report", dir, "--baseline", filepath.Join(out, "nowhere")},
		"--baseline is given and empty": {"report", dir, "--baseline", ""},
	} {
		if o := blackout(t, args...); o.code != run.ExitUsage || !strings.Contains(o.errors, want) || strings.Count(o.errors, "\n") != 1 {
			t.Errorf("%v: %+v, want %q in one line", args, o, want)
		}
	}
}
