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
	known    map[string]int      // differences that docs/conformance.md explains, by reason
}

func newTally() *tally { return &tally{classes: map[string][]string{}, known: map[string]int{}} }

// add counts one comparison. No class means that it agreed.
func (c *tally) add(class, difference string) {
	c.compared++
	if class != "" {
		c.classes[class] = append(c.classes[class], difference)
	}
}

// expect counts a comparison that had to differ.
func (c *tally) expect(reason string) {
	c.compared++
	c.known[reason]++
}

// report logs the rate and each class with its first differences. It fails the
// test below the goal, a percentage: of all that was recorded, and of what is not
// known to differ, because an excerpt holds more than its share of rare cases.
func (c *tally) report(t *testing.T, what string, goal float64) {
	t.Helper()
	const shown = 3
	different, known := 0, 0
	for _, class := range slices.Sorted(maps.Keys(c.classes)) {
		differences := c.classes[class]
		different += len(differences)
		t.Logf("%s: %d differ in %s", what, len(differences), class)
		for _, difference := range differences[:min(shown, len(differences))] {
			t.Logf("    %s", difference)
		}
	}
	for _, reason := range slices.Sorted(maps.Keys(c.known)) {
		known += c.known[reason]
		t.Logf("%s: %d differ as known: %s", what, c.known[reason], reason)
	}
	rate, inScope := percent(c.compared-different-known, c.compared), percent(c.compared-different, c.compared)
	t.Logf("%s: %d of %d as recorded: %.2f %%", what, c.compared-different-known, c.compared, rate)
	if os.Getenv("BLACKOUT_CORPUS") == "" {
		rate = inScope
	}
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
