// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"cmp"
	"slices"
	"time"

	"blackout/harness/history"
)

// delay is a time in which the machine kept somebody waiting.
type delay struct{ from, to history.Time }

// delays are apart and by time, once they are settled.
type delays []delay

// settled merges those that overlap.
func (s delays) settled() delays {
	slices.SortFunc(s, func(a, b delay) int { return cmp.Compare(a.from, b.from) })
	merged := s[:0]
	for _, one := range s {
		if last := len(merged) - 1; last >= 0 && one.from <= merged[last].to {
			merged[last].to = max(merged[last].to, one.to)
		} else {
			merged = append(merged, one)
		}
	}
	return merged
}

// amid are those of a time.
func (s delays) amid(from, to history.Time) delays {
	return slices.DeleteFunc(slices.Clone(s), func(one delay) bool { return one.to < from || one.from > to })
}

// within says for how much of a time they last.
func (s delays) within(from, to history.Time) time.Duration {
	var sum time.Duration
	for _, one := range s {
		sum += max(0, min(to, one.to).Sub(max(from, one.from)))
	}
	return sum
}
