// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"math"
	"math/rand/v2"
	"testing"
)

// noises are what disturbs a figure, by name, in its unit.
var noises = map[string]func(*rand.Rand) float64{
	"none":        func(*rand.Rand) float64 { return 0 },
	"even":        func(r *rand.Rand) float64 { return float64(r.IntN(7) - 3) },
	"normal":      func(r *rand.Rand) float64 { return math.Round(2 * r.NormFloat64()) },
	"heavy tails": func(r *rand.Rand) float64 { return math.Round(math.Pow(math.Abs(r.NormFloat64()), 4)) },
	"two levels":  func(r *rand.Rand) float64 { return float64(10 * r.IntN(2)) },
}

// series is a figure of n values that grows by slope with each.
func series(n int, slope float64, r *rand.Rand, noise func(*rand.Rand) float64) []float64 {
	values := make([]float64, n)
	for i := range values {
		values[i] = 40 + slope*float64(i) + noise(r)
	}
	return values
}

// TestFlatSeriesRaiseNoAlarm: noise alone is no growth, nor what levels off, nor
// what is kept of every sixth cut.
func TestFlatSeriesRaiseNoAlarm(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(7, 11))
	for name, noise := range noises {
		for _, n := range []int{minCuts, 19, 49} {
			alarms := 0
			for range 10_000 / len(noises) {
				if trendOf(series(n, 0, r, noise)).above(0.2) {
					alarms++
				}
			}
			if alarms > 0 {
				t.Errorf("%s: %d alarms of series of %d", name, alarms, n)
			}
		}
	}
	levelsOff := make([]float64, 40)
	for i := range levelsOff {
		levelsOff[i] = 40 + 30*(1-math.Exp(-float64(i)/5))
	}
	if tr := trendOf(levelsOff); tr.above(0.2) {
		t.Errorf("what levels off: %+v", tr)
	}
	if tr := trendOf(series(49, 1.0/6, r, noises["none"])); tr.above(0.2) {
		t.Errorf("one of every sixth cut: %+v", tr)
	}
}

// TestLeaksAreFound: one that is kept of every cut shows through the noise in a soak; a
// short one sees it for certain only where there is none.
func TestLeaksAreFound(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(7, 11))
	for _, c := range []struct {
		cuts  int
		noise string
		least float64
	}{
		{minCuts, "none", 1}, {17, "none", 1}, {17, "even", 0.15}, {17, "normal", 0.2},
		{49, "none", 1}, {49, "even", 1}, {49, "normal", 1}, {49, "heavy tails", 0.99},
	} {
		found := 0
		for range 1000 {
			if trendOf(series(c.cuts, 1, r, noises[c.noise])).above(0.2) {
				found++
			}
		}
		if share := float64(found) / 1000; share < c.least {
			t.Errorf("%s, %d cuts: %.3f of the leaks found, want at least %.2f", c.noise, c.cuts, share, c.least)
		}
	}
	for _, slope := range []float64{0.25, 0.5, 2, 100} {
		if tr := trendOf(series(49, slope, r, noises["none"])); !tr.above(0.2) || math.Abs(tr.slope-slope) > 1e-9 {
			t.Errorf("slope %g: %+v", slope, tr)
		}
	}
	if tr := trendOf(series(49, -1, r, noises["even"])); tr.above(0.2) || tr.order >= 0 {
		t.Errorf("what shrinks: %+v", tr)
	}
}

func TestMedian(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		of   []float64
		want float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{4, 1}, 2.5}, {[]float64{9, 1, 5}, 5}, {[]float64{9, 1, 5, 7}, 6}} {
		if got := median(c.of); got != c.want {
			t.Errorf("median of %v: %g, want %g", c.of, got, c.want)
		}
	}
}
