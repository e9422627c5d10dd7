// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"regexp"
	"strings"
	"testing"

	"blackout/harness/run"
)

// TestNightDocument: the commands that docs/nightly.md shows are there, with their flags,
// and so are the targets.
func TestNightDocument(t *testing.T) {
	t.Parallel()
	text, makefile := document(t, "docs", "nightly.md"), document(t, "Makefile")
	commands, targets := 0, 0
	for _, line := range regexp.MustCompile(`(?m)^bin/blackout (.*)$`).FindAllStringSubmatch(text, -1) {
		commands++
		command, _, _ := strings.Cut(line[1], " #")
		if code := execute(t.Context(), append(strings.Fields(command), "--help")); code != run.ExitHeld {
			t.Errorf("%q ends with %d", line[0], code)
		}
	}
	for _, target := range regexp.MustCompile(`\bmake ([a-z-]+)`).FindAllStringSubmatch(text, -1) {
		targets++
		if !regexp.MustCompile(`(?m)^` + target[1] + `:`).MatchString(makefile) {
			t.Errorf("%q: there is no such target", target[0])
		}
	}
	if commands < 4 || targets < 4 {
		t.Errorf("it shows %d commands and %d targets", commands, targets)
	}
}

// TestNightPlan: a night is drawn from all scenarios and starts nothing when it is dry.
func TestNightPlan(t *testing.T) {
	t.Parallel()
	for _, budget := range []string{"3m", "15m", "8h"} {
		if code := execute(t.Context(), []string{"night", "--for", budget, "--seed", "7", "--dry-run", "--out", t.TempDir()}); code != run.ExitHeld {
			t.Errorf("a night of %s ends with %d", budget, code)
		}
	}
	for _, bad := range [][]string{{"--for", "0s"}, {"--search-for", "-1s"}, {"--seed", "x"}, {"more"}} {
		if code := execute(t.Context(), append([]string{"night", "--dry-run"}, bad...)); code != run.ExitUsage {
			t.Errorf("%q ends with %d", bad, code)
		}
	}
}
