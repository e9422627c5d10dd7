// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package reports_test

import (
	"testing"

	"blackout/reports"
	"blackout/reports/internal/kept"
)

// TestKeptRuns: a real run of each outcome still comes to it.
func TestKeptRuns(t *testing.T) {
	t.Parallel()
	for _, run := range kept.Runs {
		in, err := run.Input("testdata/runs")
		if err != nil {
			t.Fatal(err)
		}
		if got := reports.Build(in).Outcome; got.Status != run.Status {
			t.Errorf("%s is %s, want %s: %s", run.Name, got.Status, run.Status, got.Sentence)
		}
	}
}
