// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package parallel_test

import (
	"runtime"
	"testing"

	"blackout/internal/gateway/parallel"
)

// TestRows sees that every row is done once, in parts that come back in their order.
func TestRows(t *testing.T) {
	type part struct{ from, to int }
	for _, n := range []int{0, 1, 511, 512, 1023, 1024, 1025, 5000} {
		done := make([]int, n)
		parts := parallel.Rows(n, func(from, to int) part {
			for i := from; i < to; i++ {
				done[i]++
			}
			return part{from, to}
		})
		next := 0
		for _, p := range parts {
			if p.from != next {
				t.Errorf("%d rows: parts %v leave a gap", n, parts)
			}
			next = p.to
		}
		if next != n || len(parts) == 0 || len(parts) > runtime.GOMAXPROCS(0) {
			t.Errorf("%d rows: parts %v", n, parts)
		}
		for i, times := range done {
			if times != 1 {
				t.Fatalf("%d rows: row %d was done %d times", n, i, times)
			}
		}
	}
}
