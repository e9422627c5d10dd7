// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestNight: both files show every run, and text is escaped.
func TestNight(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	n := Night{
		Title: "night of <today>", Ended: "done", Notes: []string{"dp-1 has 20 open files"},
		Runs: []NightRun{
			{Number: 1, Scenario: "nemesis", Seed: 7, Timers: "kong", Took: 90 * time.Second, Verdict: "HELD", Report: "../../x/report.html"},
			{Number: 2, Scenario: "soak", Seed: 9, Timers: "fast", Verdict: "VIOLATED", Says: "a | b <i>"},
		},
	}
	if err := WriteNight(dir, n); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string][]string{
		NightMarkdownFile: {"nemesis", "soak", "1m30s", "../../x/report.html", "dp-1 has 20 open files", `a \| b`},
		NightHTMLFile:     {"night of &lt;today&gt;", `<a href="../../x/report.html">nemesis</a>`, "a | b &lt;i&gt;", "VIOLATED"},
	} {
		text, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range want {
			if !strings.Contains(string(text), part) {
				t.Errorf("%s lacks %q:\n%s", file, part, text)
			}
		}
	}
	if err := WriteNight(filepath.Join(dir, "nowhere"), n); err == nil || !strings.Contains(err.Error(), NightHTMLFile) {
		t.Errorf("a directory that is not there: %v", err)
	}
}
