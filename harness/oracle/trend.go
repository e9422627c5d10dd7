// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"math"
	"slices"
)

// The test of whether a figure grows.
const (
	minCuts    = 15  // values that it takes
	warmUp     = 5   // one in so many values, the first ones, do not count: pools fill, caches warm up
	certainty  = 4.0 // standard deviations by which the values must be in order, of values in any order: 1 in 30 000
	lateEnough = 0.5 // share of the slope that the second half must have by itself: what levels off is no leak
)

// trend is how a figure developed.
type trend struct {
	slope       float64 // of a value to the next: the median over all pairs (Theil and Sen)
	lateSlope   float64 // of the second half
	first, last float64 // medians of the first and the last third
	steps       float64 // between the middles of those
	order       float64 // how much more often a later value is larger, in standard deviations (Mann and Kendall)
}

// trendOf is the trend of values, the first of which are its warm-up.
func trendOf(values []float64) trend {
	values = values[len(values)/warmUp:]
	third := len(values) / 3
	return trend{
		slope:     slopeOf(values),
		lateSlope: slopeOf(values[len(values)/2:]),
		first:     median(values[:third]),
		last:      median(values[len(values)-third:]),
		steps:     float64(len(values) - third),
		order:     orderOf(values),
	}
}

// above says whether the figure grows by more than so much from a value to the next:
// over all, still in the end, and more surely than noise does.
func (t trend) above(most float64) bool {
	return t.order > certainty && t.slope > most && t.lateSlope > lateEnough*most && t.last-t.first > most*t.steps
}

// slopeOf is the median of the slopes of all pairs of values.
func slopeOf(values []float64) float64 {
	var slopes []float64
	for i, a := range values {
		for k, b := range values[i+1:] {
			slopes = append(slopes, (b-a)/float64(k+1))
		}
	}
	return median(slopes)
}

// orderOf is Mann and Kendall's statistic, corrected for ties.
func orderOf(values []float64) float64 {
	score, ties := 0.0, make(map[float64]int)
	for i, a := range values {
		ties[a]++
		for _, b := range values[i+1:] {
			switch {
			case b > a:
				score++
			case b < a:
				score--
			}
		}
	}
	spread := func(n int) float64 { return float64(n) * float64(n-1) * float64(2*n+5) / 18 }
	variance := spread(len(values))
	for _, n := range ties {
		variance -= spread(n)
	}
	if variance <= 0 || score == 0 {
		return 0
	}
	return (score - math.Copysign(1, score)) / math.Sqrt(variance)
}

// median is the middle of some values, or of the two in the middle their mean; 0
// without any. It leaves the values as they are.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}
