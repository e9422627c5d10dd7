// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"reflect"
	"testing"
)

// uncovered are the pairs of levels that some allowed row has and no row of rows
// does, found by trying every row there is.
func uncovered(levels []int, allowed func(Row) bool, rows []Row) []string {
	missing := make(map[string]bool)
	each := func(r Row, visit func(string)) {
		for i := range r {
			for j := range i {
				visit(fmt.Sprintf("%d=%d with %d=%d", j, r[j], i, r[i]))
			}
		}
	}
	row := make(Row, len(levels))
	var try func(factor int)
	try = func(factor int) {
		if factor == len(levels) {
			if allowed == nil || allowed(row) {
				each(row, func(pair string) { missing[pair] = true })
			}
			return
		}
		for row[factor] = range levels[factor] {
			try(factor + 1)
		}
	}
	try(0)
	for _, r := range rows {
		each(r, func(pair string) { delete(missing, pair) })
	}
	var out []string
	for pair := range missing {
		out = append(out, pair)
	}
	return out
}

// notBoth forbids two levels to meet.
func notBoth(factor, level, other, otherLevel int) func(Row) bool {
	return func(r Row) bool { return r[factor] != level || r[other] != otherLevel }
}

// TestPairwise: every pair that can be is covered, nothing that cannot be is
// drawn, and the rows are hardly more than the two largest factors take.
func TestPairwise(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		levels  []int
		allowed func(Row) bool
		most    int // rows; at least the product of the two largest factors is needed
	}{
		"two factors":           {[]int{3, 4}, nil, 12},
		"one pair":              {[]int{1, 1}, nil, 1},
		"ten switches":          {[]int{2, 2, 2, 2, 2, 2, 2, 2, 2, 2}, nil, 9},
		"four of three":         {[]int{3, 3, 3, 3}, nil, 12},
		"mixed":                 {[]int{7, 3, 3, 3, 2, 2}, nil, 23},
		"three of four":         {[]int{4, 4, 4}, nil, 20},
		"one pair forbidden":    {[]int{3, 3, 3, 3}, notBoth(0, 1, 2, 2), 13},
		"a level that never is": {[]int{3, 3, 2}, func(r Row) bool { return r[1] != 2 }, 7},
		"one follows from another": {[]int{3, 3, 3}, func(r Row) bool {
			return r[0] == Unset || r[1] == Unset || r[0] == r[1]
		}, 10},
		"three together": {[]int{2, 2, 2}, func(r Row) bool { return r[0] == Unset || r[1] == Unset || r[2] == Unset || r[0]+r[1]+r[2] < 3 }, 6},
	} {
		for seed := range uint64(5) {
			rows := NewSource(seed).Pairwise("rows", c.levels, c.allowed)
			if missing := uncovered(c.levels, c.allowed, rows); len(missing) > 0 {
				t.Errorf("%s, seed %d: %d pairs are missing, such as %s", name, seed, len(missing), missing[0])
			}
			if len(rows) > c.most {
				t.Errorf("%s, seed %d: %d rows, want at most %d", name, seed, len(rows), c.most)
			}
			for _, r := range rows {
				if c.allowed != nil && !c.allowed(r) {
					t.Errorf("%s, seed %d: %v is not allowed", name, seed, r)
				}
			}
		}
	}
}

// TestUncoveredCanFail: the check above sees a pair that is missing.
func TestUncoveredCanFail(t *testing.T) {
	t.Parallel()
	rows := NewSource(1).Pairwise("rows", []int{3, 3, 3}, nil)
	if missing := uncovered([]int{3, 3, 3}, nil, rows[1:]); len(missing) == 0 {
		t.Error("a row less, and no pair is missing")
	}
	if missing := uncovered([]int{3, 3}, notBoth(0, 0, 1, 0), nil); len(missing) != 8 {
		t.Errorf("%d pairs can be, want 8", len(missing))
	}
}

func TestPairwiseIsDrawnFromTheSeed(t *testing.T) {
	t.Parallel()
	levels := []int{7, 3, 3, 3, 2, 2}
	first := NewSource(7).Pairwise("rows", levels, nil)
	if !reflect.DeepEqual(first, NewSource(7).Pairwise("rows", levels, nil)) {
		t.Error("one seed drew two sets of rows")
	}
	if reflect.DeepEqual(first, NewSource(8).Pairwise("rows", levels, nil)) {
		t.Error("two seeds drew the same rows")
	}
	if rows := NewSource(7).Pairwise("rows", levels, func(Row) bool { return false }); rows != nil {
		t.Errorf("nothing is allowed, and %v was drawn", rows)
	}
}
