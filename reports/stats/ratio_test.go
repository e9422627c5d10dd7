// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// spanOf is requests every 10 ms, of about 1 ms each. Each second has a mood of its
// own, which all of its requests share.
func spanOf(random *rand.Rand, seconds int, slower float64) []Timed {
	var out []Timed
	for second := range seconds {
		mood := math.Exp(0.2 * random.NormFloat64())
		for i := range 100 {
			v := slower * mood * math.Exp(0.1*random.NormFloat64()) * float64(time.Millisecond)
			out = append(out, Timed{time.Duration(second)*time.Second + time.Duration(i)*10*time.Millisecond, time.Duration(v)})
		}
	}
	return out
}

// TestRatioCovers: the bounds hold of spans whose ratio is known about as often as
// they say, though neighbours depend on each other.
func TestRatioCovers(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(5, 6))
	const truth = 1.2
	trials, least := 60, 51 // at 0.95, fewer are four standard errors away
	if raceDetector {
		trials, least = 12, 8
	}
	above, below := 0, 0
	for i := range trials {
		r := Ratio(spanOf(random, 40, 1), spanOf(random, 40, truth), 0.5, Confidence, uint64(i))
		if r.Upper >= truth {
			above++
		}
		if r.Lower <= truth {
			below++
		}
		if r.Lower > r.Point || r.Point > r.Upper {
			t.Fatalf("%+v: the point is not between the bounds", r)
		}
	}
	if above < least || below < least {
		t.Errorf("the upper bound held in %d of %d trials, the lower in %d", above, trials, below)
	}
	if above == trials && below == trials {
		t.Log("the bounds are wide: they held every time")
	}
}

// TestRatioIsOfTheValuesThemselves: however many share a step or have the same value, the
// percentiles are those of all values in order.
func TestRatioIsOfTheValuesThemselves(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(7, 8))
	for _, spread := range []int64{1, 3, 1000, int64(time.Minute)} {
		for _, n := range []int{1, 2, 99, 1000} {
			values := make([]Timed, n)
			inOrder := make([]time.Duration, n)
			for i := range values {
				inOrder[i] = time.Duration(random.Int64N(spread)) // 0 is one, too
				values[i] = Timed{time.Duration(i) * time.Millisecond, inOrder[i]}
			}
			slices.Sort(inOrder)
			for _, p := range []float64{0.001, 0.5, 0.99, 0.9999} {
				if got, want := Ratio(values, values, p, Confidence, 1).During, inOrder[rankOf(p, n)-1]; got != want {
					t.Errorf("%d values below %d: the percentile %g is %d, want %d", n, spread, 100*p, got, want)
				}
			}
		}
	}
}

// TestRatioSeesDependence: moods of a second widen the bounds, by far more than the
// same requests would that do not share them.
func TestRatioSeesDependence(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(7, 8))
	before, during := spanOf(random, 60, 1), spanOf(random, 60, 1)
	width := func(d Degradation) float64 { return math.Log(d.Upper / d.Lower) }
	dependent := width(Ratio(before, during, 0.5, Confidence, 1))
	for _, of := range [][]Timed{before, during} {
		random.Shuffle(len(of), func(i, j int) { of[i].Value, of[j].Value = of[j].Value, of[i].Value })
	}
	if shuffled := width(Ratio(before, during, 0.5, Confidence, 1)); dependent < 2*shuffled {
		t.Errorf("the bounds are %.3f apart, and %.3f where neighbours are strangers", dependent, shuffled)
	}
}

// TestRatioFollowsTheSeed: the same seed gives the same bounds, another one others.
func TestRatioFollowsTheSeed(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(9, 10))
	before, during := spanOf(random, 30, 1), spanOf(random, 30, 1)
	first := Ratio(before, during, 0.99, Confidence, 1)
	if again := Ratio(before, during, 0.99, Confidence, 1); again != first {
		t.Errorf("the same seed gives %+v and %+v", first, again)
	}
	if other := Ratio(before, during, 0.99, Confidence, 2); other.Upper == first.Upper && other.Lower == first.Lower {
		t.Error("another seed gives the same bounds")
	}
}

// TestRatioNeedsBlocks: a few seconds say nothing about how seconds differ.
func TestRatioNeedsBlocks(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(11, 12))
	long := spanOf(random, 30, 1)
	for seconds, want := range map[int]bool{1: false, 4: false, 5: true} {
		r := Ratio(long, spanOf(random, seconds, 1), 0.5, Confidence, 1)
		if r.Bounded() != want || (r.Upper > 0) != want || r.Blocks != seconds {
			t.Errorf("%d s: %+v", seconds, r)
		}
	}
}

// TestRatioOfOne: a span of one request is no reason to fail.
func TestRatioOfOne(t *testing.T) {
	t.Parallel()
	one := []Timed{{0, time.Millisecond}}
	if r := Ratio(one, []Timed{{5, 3 * time.Millisecond}}, 0.99, Confidence, 1); r.Point != 3 || r.Bounded() {
		t.Errorf("%+v", r)
	}
}

// TestNarrowDrawsAlike: where a draw looks first does not change what it finds.
func TestNarrowDrawsAlike(t *testing.T) {
	t.Parallel()
	values := spanOf(rand.New(rand.NewPCG(15, 16)), 40, 1)
	whole, narrowed := newSpan(values), newSpan(values)
	a, b := rand.New(rand.NewPCG(17, 18)), rand.New(rand.NewPCG(17, 18))
	missed := 0
	for i := range 400 {
		if i == 1 { // so few that some of the others lie elsewhere
			narrowed.narrow()
		}
		want, got := whole.draw(a, 0.9), narrowed.draw(b, 0.9)
		if want != got {
			t.Fatalf("draw %d: step %d, and %d where it looked nearby", i, want, got)
		}
		if _, ok := narrowed.nearby(0.9); !ok {
			missed++
		}
	}
	if missed < 10 || missed > 390 {
		t.Errorf("%d of 400 draws lay elsewhere: the test should see both", missed)
	}
}

// BenchmarkRatio is an hour at a thousand requests a second, half of it before.
func BenchmarkRatio(b *testing.B) {
	random := rand.New(rand.NewPCG(13, 14))
	values := make([]Timed, 3_600_000)
	for i := range values {
		values[i] = Timed{time.Duration(i) * time.Millisecond, time.Duration(float64(time.Millisecond) * math.Exp(0.3*random.NormFloat64()))}
	}
	for b.Loop() {
		Ratio(values[:len(values)/2], values[len(values)/2:], 0.99, Confidence, 1)
	}
}
