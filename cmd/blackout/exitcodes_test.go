// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"blackout/harness/run"
)

// TestExitCodesAreToldAlike: help and documents list the codes that the program ends with,
// all of them and no others.
func TestExitCodesAreToldAlike(t *testing.T) {
	t.Parallel()
	judging := []int{run.ExitHeld, run.ExitViolated, run.ExitEnvironment, run.ExitInvalid, run.ExitHarness, run.ExitNotMeasured, run.ExitNotProven, run.ExitUsage}
	looking := []int{run.ExitHeld, run.ExitViolated, run.ExitEnvironment, run.ExitHarness, run.ExitUsage, exitInterrupted}
	inHelp, inTable := regexp.MustCompile(`(?m)^  (\d+) +\S`), regexp.MustCompile(`(?m)^\| (\d+) \|`)
	readme, operating := document(t, "README.md"), document(t, "docs", "operating-the-fallback.md")
	for name, c := range map[string]struct {
		text   string
		listed *regexp.Regexp
		want   []int
	}{
		"help of blackout":             {exitCodes, inHelp, judging},
		"README.md, Exit codes":        {between(readme, "## Exit codes\n", "\n## "), inTable, judging},
		"help of blackout fallback":    {fallbackHelp, inHelp, looking},
		"operating-the-fallback.md":    {between(operating, "| exit code |", "\n\n"), inTable, looking},
		"README.md, blackout fallback": {between(readme, "Exit codes: ", ". "), regexp.MustCompile(`(\d+) (?:where|usage|interrupted)`), looking},
	} {
		var told []int
		for _, found := range c.listed.FindAllStringSubmatch(c.text, -1) {
			code, err := strconv.Atoi(found[1])
			if err != nil {
				t.Fatal(err)
			}
			told = append(told, code)
		}
		want := slices.Sorted(slices.Values(c.want))
		if slices.Sort(told); !slices.Equal(told, want) {
			t.Errorf("%s lists the exit codes %v, the program has %v", name, told, want)
		}
	}
}

// document is the text of a file of the repository.
func document(t *testing.T, path ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(append([]string{"..", ".."}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// between is what a text has after a beginning and before the next end.
func between(text, beginning, end string) string {
	_, rest, _ := strings.Cut(text, beginning)
	found, _, _ := strings.Cut(rest, end)
	return found
}
