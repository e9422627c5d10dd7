// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !race

package browser

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"blackout/reports"
	"blackout/reports/internal/kept"
)

// fileURL is the address of a file.
func fileURL(t *testing.T, path string) string {
	t.Helper()
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return "file://" + filepath.ToSlash(path)
}

// TestReports opens the report of each run from its file.
func TestReports(t *testing.T) {
	for _, run := range kept.Runs {
		t.Run(run.Name, func(t *testing.T) {
			chromium(t)
			in, err := run.Input(runs)
			if err != nil {
				t.Fatal(err)
			}
			dir, outcome := written(t, in)
			if outcome.Status != run.Status {
				t.Errorf("the run is %s, want %s (%s)", outcome.Status, run.Status, outcome.Sentence)
			}
			inspect(t, fileURL(t, filepath.Join(dir, reports.HTMLFile)), outcome)
		})
	}
}

// inspect makes every check.
func inspect(t *testing.T, url string, outcome reports.Outcome) {
	t.Helper()
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) {
			examine(t, c, open(t, url), outcome)
		})
	}
}

// examine makes one check.
func examine(t *testing.T, c check, o *tab, outcome reports.Outcome) {
	t.Helper()
	wrong, err := c.of(o, outcome)
	if errors.Is(err, errUnmeasured) {
		t.Skip(err) // there is no axe-core here, which is not ours to ship; make test says so, too
	}
	if err != nil {
		t.Fatal(err)
	}
	if len(wrong) > 0 {
		t.Errorf("%d found: %s", len(wrong), list(wrong))
	}
}

// flaws says of each check what it must find wrong with testdata/bad.html.
var flaws = map[string][]string{
	"loads nothing":     {"http://127.0.0.1:9/logo.png"},
	"no error":          {"said to the console", "thrown by the page", "ERR_"},
	"accessible, light": {"image-alt", "html-has-lang", "color-contrast"},
	"accessible, dark":  {"image-alt", "html-has-lang"},
	"narrow screen":     {"px wide on a screen of 320 px"},
	"text size":         {"8.00 px: small print", "5.50 px: small drawing"},
	"verdict":           {`the page says "HELD", report.json "VIOLATED"`, "It was quiet."},
	"keyboard":          {"is no skip link", "is out of sight", "does not reach the aside", "leaves the reading order"},
	"paper":             {"pages of A4"},
}

// TestChecksFindFlaws opens a page that has every flaw: a check that cannot find one
// checks nothing.
func TestChecksFindFlaws(t *testing.T) {
	chromium(t)
	bad := reports.Outcome{Status: "VIOLATED", Sentence: "1 of 2 promises was broken: G1."}
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) {
			if len(flaws[c.name]) == 0 {
				t.Fatal("no flaw is made for it")
			}
			wrong, err := c.of(open(t, fileURL(t, filepath.Join("testdata", "bad.html"))), bad)
			if errors.Is(err, errUnmeasured) {
				t.Skip(err) // there is no axe-core here, which is not ours to ship; make test says so, too
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range flaws[c.name] {
				if !strings.Contains(strings.Join(wrong, "\n"), want) {
					t.Errorf("it does not find %q, only %s", want, list(wrong))
				}
			}
		})
	}
}
