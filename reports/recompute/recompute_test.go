// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package recompute

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The most that may have to be read to trust what is recomputed, in lines.
const (
	mostCode    = 300 // of Go
	mostQueries = 200
)

// TestSmallEnoughToRead: a second implementation is worth something while one can read it.
func TestSmallEnoughToRead(t *testing.T) {
	t.Parallel()
	lines := map[string]int{}
	for _, pattern := range []string{"*.go", "*.sql"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			lines[filepath.Ext(file)] += bytes.Count(text, []byte("\n"))
		}
	}
	t.Logf("%d lines of Go and %d of queries", lines[".go"], lines[".sql"])
	if n := lines[".go"]; n == 0 || n > mostCode {
		t.Errorf("%d lines of Go, at most %d are allowed", n, mostCode)
	}
	if n := lines[".sql"]; n == 0 || n > mostQueries {
		t.Errorf("%d lines of queries, at most %d are allowed", n, mostQueries)
	}
}

// TestAtMost: bounds from a published table, and those that have a closed form.
func TestAtMost(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		k, n       int64
		confidence float64
		want       float64
	}{
		{0, 59, 0.95, 1 - math.Pow(0.05, 1.0/59)}, {0, 3_600_000, 0.95, 1 - math.Pow(0.05, 1.0/3_600_000)}, {0, 459, 0.99, 1 - math.Pow(0.01, 1.0/459)},
		{1, 2, 0.95, math.Sqrt(0.95)}, {1, 50, 0.95, 0.091398}, {10, 100_000, 0.95, 1 - 0.999830}, {5, 5, 0.95, 1}, {0, 0, 0.95, 1},
	} {
		if got := atMost(c.k, c.n, c.confidence); math.Abs(got-c.want) > 1e-6 {
			t.Errorf("%d of %d at %g: %.9f, want %.9f", c.k, c.n, c.confidence, got, c.want)
		}
	}
	if n := needed(3, 0.9999, 0.95); n != 77_535 {
		t.Errorf("needed: %d, want 77535", n)
	}
}
