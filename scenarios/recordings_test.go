// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package scenarios

import (
	"path/filepath"
	"reflect"
	"testing"

	"blackout/harness/history"
	"blackout/harness/oracle"
)

// What the run of schema 1 was asked for, which its recording does not name.
var (
	promisesOfFirst  = []string{"G1", "G2", "G3", "G4", "G10", "G13"}
	exercisesOfFirst = []string{
		"G1.1", "G1.2", "G1.3", "G2.1", "G2.2", "G2.3", "G2.4", "G3.1", "G3.2", "G4.1", "G4.2", "G4.3",
		"G10.1", "G10.2", "G10.3", "G10.4", "G10.5", "G13.1", "G13.2", "G13.3",
	}
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
			promises, exercises := rec.Header.Promises, rec.Header.Exercises
			if rec.Header.Schema == 1 {
				promises, exercises = promisesOfFirst, exercisesOfFirst
			}
			result, err := oracle.Judge(rec, promises, exercises...)
			if err != nil {
				t.Fatal(err)
			}
			if streamed := judgeStreamed(t, dir, promises, exercises); !reflect.DeepEqual(streamed, result) {
				t.Errorf("streamed from its files it is judged otherwise: %+v", streamed)
			}
			for _, v := range result.Verdicts {
				if v.Status != oracle.Held {
					t.Errorf("%s is %s: %+v", v.Promise, v.Status, v.Clauses)
				}
			}
			for _, c := range result.Validity {
				if !c.OK && !c.Unmeasured {
					t.Errorf("validity: %s: %s", c.Name, c.Text)
				}
			}
		})
	}
}

// judgeStreamed judges a recording without holding it.
func judgeStreamed(t *testing.T, dir string, promises, exercises []string) oracle.Result {
	t.Helper()
	source, err := history.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	result, err := oracle.JudgeSource(source, promises, exercises...)
	if err != nil {
		t.Fatal(err)
	}
	return result
}
