// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"blackout/harness/oracle"
	"blackout/harness/run"
	"blackout/reports"
)

// TestCompare: the exit code says what got worse, and both forms say the same.
func TestCompare(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	runs := map[oracle.Status]string{}
	for name, status := range map[string]oracle.Status{"held": oracle.Held, "violated": oracle.Violated, "invalid": oracle.Invalid, "unmeasured": oracle.NotMeasured} {
		runs[status] = left(t, dir, name, verdict("G1", status))
	}
	for _, c := range []struct {
		first, second oracle.Status
		code          int
		says          string
	}{
		{oracle.Held, oracle.Held, run.ExitHeld, "No verdict got worse."},
		{oracle.Violated, oracle.Held, run.ExitHeld, "No verdict got worse."},
		{oracle.Held, oracle.Violated, run.ExitViolated, "VIOLATED: "},
		{oracle.Held, oracle.Invalid, run.ExitInvalid, "INVALID: "},
		{oracle.Held, oracle.NotMeasured, run.ExitNotMeasured, "NOT MEASURED: "},
	} {
		args := []string{"report", "compare", runs[c.first], runs[c.second]}
		o := blackout(t, args...)
		if o.code != c.code || o.errors != "" || !strings.Contains(o.out, c.says) {
			t.Errorf("%s and %s: %+v, want %d and %q", c.first, c.second, o, c.code, c.says)
		}
		o = blackout(t, append(args, "--json")...)
		var comparison reports.Comparison
		if err := json.Unmarshal([]byte(o.out), &comparison); err != nil {
			t.Fatal(err)
		}
		if o.code != c.code || worse[comparison.Worse()] != c.code || comparison.Promises[0].A != c.first || comparison.Promises[0].B != c.second {
			t.Errorf("%s and %s as JSON: %d, %+v", c.first, c.second, o.code, comparison.Promises)
		}
	}
	for name, args := range map[string][]string{"one run": {runs[oracle.Held]}, "no report": {runs[oracle.Held], t.TempDir()}} {
		o := blackout(t, append([]string{"report", "compare"}, args...)...)
		if o.code != run.ExitUsage || strings.Count(o.errors, "\n") != 1 {
			t.Errorf("%s: %+v", name, o)
		}
	}
}

// TestIndex: the page is written, and what is new is said.
func TestIndex(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	run1 := left(t, dir, "run-1", verdict("G1", oracle.Held))
	left(t, dir, "run-2", verdict("G1", oracle.Violated))
	o := blackout(t, "report", "index", dir)
	page, err := os.ReadFile(filepath.Join(dir, reports.IndexFile))
	if err != nil {
		t.Fatal(err)
	}
	if o.code != run.ExitHeld || !strings.Contains(o.out, "2 runs. 1 promise VIOLATED after having HELD") || !strings.Contains(o.out, "index: "+dir) {
		t.Errorf("%+v", o)
	}
	if !strings.Contains(string(page), "./run-2/report.html") {
		t.Error("a run is not on the page")
	}
	for name, args := range map[string][]string{"a run": {run1}, "nothing": {t.TempDir()}, "two": {dir, dir}} {
		o := blackout(t, append([]string{"report", "index"}, args...)...)
		if o.code != run.ExitUsage || strings.Count(o.errors, "\n") != 1 {
			t.Errorf("%s: %+v", name, o)
		}
	}
}
