// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"blackout/harness/run"
)

// command runs a shell script three times in a row.
func command(t *testing.T, log, commit, script string) (code int, said string) {
	t.Helper()
	var b strings.Builder
	code = execute(t.Context(), &b, commit, []string{"--name", "it", "--times", "3", "--log", log, "--", "sh", "-c", script})
	return code, b.String()
}

// TestInARow: a failure ends the row, and the next call begins another; a row is of
// one commit, and goes on where it was.
func TestInARow(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	log, count := filepath.Join(dir, "log.jsonl"), filepath.Join(dir, "count")
	script := `echo said; printf x >>"` + count + `"; test "$(wc -c <"` + count + `")" -ne 3`
	if code, said := command(t, log, "a", script); code != run.ExitViolated || !strings.Contains(said, "it: 2 of 3") || strings.Contains(said, "3 of 3") {
		t.Fatalf("exit code %d: %s", code, said)
	}
	if code, said := command(t, log, "a", script); code != run.ExitHeld || strings.Contains(said, "goes on") || !strings.Contains(said, "it: 3 in a row") {
		t.Errorf("after a failure: exit code %d: %s", code, said)
	}
	if code, said := command(t, log, "a", "exit 1"); code != run.ExitHeld || !strings.Contains(said, "goes on after 3 of 3 at a") {
		t.Errorf("when all was done: exit code %d: %s", code, said)
	}
	for _, other := range []string{"b", "a+changes", "unknown"} {
		if code, said := command(t, log, other, "exit 4"); code != run.ExitViolated || strings.Contains(said, "goes on") {
			t.Errorf("at commit %s: exit code %d: %s", other, code, said)
		}
	}
	outputs, err := filepath.Glob(filepath.Join(dir, "it-*.log"))
	if err != nil || len(outputs) != 9 {
		t.Fatalf("outputs %q, %v", outputs, err)
	}
	if text, err := os.ReadFile(outputs[0]); err != nil || string(text) != "said\n" {
		t.Errorf("its output is %q, %v", text, err)
	}
}

func TestInterrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	args := []string{"--name", "it", "--log", filepath.Join(t.TempDir(), "log.jsonl"), "--", "true"}
	if code := execute(ctx, io.Discard, "a", args); code != run.ExitHarness {
		t.Errorf("exit code %d", code)
	}
}

func TestUsage(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"true"}, {"--name", "it"}, {"--name", "it", "--times", "0", "true"}, {"--often"}} {
		if code := execute(t.Context(), io.Discard, "a", args); code != run.ExitUsage {
			t.Errorf("%q: exit code %d", args, code)
		}
	}
}
