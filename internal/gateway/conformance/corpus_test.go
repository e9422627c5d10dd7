// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package conformance replays what a real Kong 3.9.1 was asked, and compares
// what our gateway answers. make conformance replays the recordings, which the
// environment variable BLACKOUT_CORPUS says the directory of; go test alone the
// excerpts in fixtures/conformance. docs/conformance.md has the results.
package conformance_test

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

var excerpts = filepath.Join("..", "..", "..", "fixtures", "conformance")

// corpus reads a file of recordings, or its excerpt if there is none to be read.
// It fails the test if there are to be recordings and aren't.
func corpus(t testing.TB, name string) []byte {
	t.Helper()
	dir := cmp.Or(os.Getenv("BLACKOUT_CORPUS"), excerpts)
	text, err := os.ReadFile(filepath.Join(dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("NOT MEASURED: %s: %v (BLACKOUT_CORPUS names the directory of the recordings)", name, err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// tally counts what was compared, and the differences by class.
type tally struct {
	compared int
	classes  map[string][]string // a class's differences
}

func newTally() *tally { return &tally{classes: map[string][]string{}} }

// add counts one comparison. No class means that it agreed.
func (c *tally) add(class, difference string) {
	c.compared++
	if class != "" {
		c.classes[class] = append(c.classes[class], difference)
	}
}

// report logs the rate and each class with its first differences, and fails the
// test below the goal.
func (c *tally) report(t *testing.T, what string, goal float64) {
	t.Helper()
	const shown = 3
	different := 0
	for _, class := range slices.Sorted(maps.Keys(c.classes)) {
		differences := c.classes[class]
		different += len(differences)
		t.Logf("%s: %d differ in %s", what, len(differences), class)
		for _, difference := range differences[:min(shown, len(differences))] {
			t.Logf("    %s", difference)
		}
	}
	agreed := c.compared - different
	rate := percent(agreed, c.compared)
	t.Logf("%s: %d of %d as recorded: %.2f %%", what, agreed, c.compared, rate)
	if c.compared == 0 || rate < goal {
		t.Errorf("%s: %.2f %% as recorded, want %.2f %%", what, rate, goal)
	}
}

// compact writes a value for a message.
func compact(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return string(text)
}
