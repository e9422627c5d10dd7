// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"blackout/harness/build"
)

// TestState: the sources of all programs are in it, and what they say.
func TestState(t *testing.T) {
	t.Parallel()
	root, err := build.FindRoot(".")
	if err != nil {
		t.Fatal(err)
	}
	files, err := sources(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	for path, in := range map[string]bool{
		"go.sum": true, "cmd/gateway/main.go": true, "harness/oracle/oracle.go": true, "internal/fallback/importer.go": true,
		"scenarios/outage.go": false, "harness/oracle/oracle_test.go": false, "cmd/defects/main.go": false,
	} {
		if slices.Contains(files, filepath.Join(root, path)) != in {
			t.Errorf("%s is among the sources: %t, want %t", path, !in, in)
		}
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "a.go")
	states := make(map[string]bool)
	for _, text := range []string{"a", "b", "a"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		state, err := stateOf(dir, []string{file})
		if err != nil {
			t.Fatal(err)
		}
		states[state] = true
	}
	if len(states) != 2 {
		t.Errorf("two contents have %d digests", len(states))
	}
}
