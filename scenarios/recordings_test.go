// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package scenarios

import (
	"path/filepath"
	"testing"

	"blackout/harness/history"
	"blackout/harness/oracle"
)

// TestRecordingsAreJudgedAgain judges a real run's recording of each schema
// version: a field or kind that is renamed, and an oracle that goes blind, show
// here. Its run was good, so everything that the scenario exercises is held.
func TestRecordingsAreJudgedAgain(t *testing.T) {
	t.Parallel()
	dirs, err := filepath.Glob(filepath.Join("..", "fixtures", "recordings", "*"))
	if err != nil || len(dirs) < history.Schema {
		t.Fatalf("%d recordings for %d schema versions: %v", len(dirs), history.Schema, err)
	}
	for _, dir := range dirs {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			t.Parallel()
			rec, err := history.Load(dir)
			if err != nil {
				t.Fatal(err)
			}
			scenario, err := Find(rec.Header.Scenario)
			if err != nil {
				t.Fatal(err)
			}
			result, err := oracle.Judge(rec, scenario.Promises, scenario.Exercises...)
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range result.Verdicts {
				if v.Status != oracle.Held {
					t.Errorf("%s is %s: %+v", v.Promise, v.Status, v.Clauses)
				}
			}
			for _, c := range result.Validity {
				if !c.OK {
					t.Errorf("validity: %s: %s", c.Name, c.Text)
				}
			}
		})
	}
}
