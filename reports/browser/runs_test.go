// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !race

package browser

import (
	"path/filepath"
	"testing"

	"blackout/reports"
)

// runs is where the runs are kept whose reports are looked at.
var runs = filepath.Join("..", "testdata", "runs")

// written is the directory of a run's report, and what its report.json says.
func written(t *testing.T, in reports.Input) (string, reports.Outcome) {
	t.Helper()
	dir := t.TempDir()
	if _, err := reports.Write(dir, in); err != nil {
		t.Fatal(err)
	}
	m, err := reports.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	return dir, m.Outcome
}
