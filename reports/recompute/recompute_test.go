// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package recompute

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

// The most that may have to be read to trust what is recomputed: lines of code, be it Go
// or SQL, that are neither blank nor a comment, and characters in one of them.
const (
	mostLines = 300
	widest    = 180
)

// TestSmallEnoughToRead: a second implementation is worth something while one can read it.
func TestSmallEnoughToRead(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*")
	if err != nil {
		t.Fatal(err)
	}
	lines := map[string]int{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(strings.ReplaceAll(string(text), "\t", "    "), "\n") {
			if code := strings.TrimSpace(line); code != "" && !strings.HasPrefix(code, "//") && !strings.HasPrefix(code, "--") {
				lines[filepath.Ext(file)]++
			}
			if n := utf8.RuneCountInString(line); n > widest {
				t.Errorf("%s:%d has %d characters, at most %d are allowed", file, i+1, n, widest)
			}
		}
	}
	t.Logf("%d lines of Go and %d of SQL", lines[".go"], lines[".sql"])
	if n := lines[".go"] + lines[".sql"]; lines[".go"] == 0 || lines[".sql"] == 0 || len(lines) > 2 || n > mostLines {
		t.Errorf("%d lines of code in %v, at most %d are allowed", n, lines, mostLines)
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
	if r := rank(299, 0.99, 0.95); r != 299 {
		t.Errorf("the rank of an upper bound of p99 among 299 is %d, want 299", r)
	}
	if r := rank(298, 0.99, 0.95); r != 299 {
		t.Errorf("298 samples have an upper bound of p99: the one of rank %d", r)
	}
	if n := needed(3, 0.9999, 0.95); n != 77_535 {
		t.Errorf("needed: %d, want 77535", n)
	}
}
