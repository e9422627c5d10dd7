// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestHigherKnown: the tables of Mann and Whitney (1947), of how likely U is at most
// something, for two samples of three, four and five.
func TestHigherKnown(t *testing.T) {
	t.Parallel()
	for n, table := range map[int][]float64{
		3: {.050, .100, .200, .350, .500},
		4: {.014, .029, .057, .100, .171, .243, .343, .443},
		5: {.004, .008, .016, .028, .048, .075, .111, .155, .210, .274, .345, .421, .500},
	} {
		for u, want := range table {
			now, before := apart(n, u)
			got, exact := Higher(now, before, 1)
			if !exact || math.Abs(got-want) > 0.0005 {
				t.Errorf("n %d, U %d: %.4f (exact: %v), want %.3f", n, u, got, exact, want)
			}
		}
	}
}

// apart are two samples of n of which u pairs are the wrong way round for now to be
// higher.
func apart(n, u int) (now, before []float64) {
	for i := range n {
		before = append(before, float64(i))
	}
	for i := range n {
		under := min(u, n) // of before lie above it
		u -= under
		now = append(now, float64(n-under)-0.5+float64(i)/100)
	}
	return now, before
}

// counted is the p-value by looking at every choice, and at every pair in it.
func counted(now, before []float64) float64 {
	values := slices.Concat(now, before)
	higher := func(choice int) (chosen, twice int) { // twice U
		for i, a := range values {
			if choice>>i&1 == 0 {
				continue
			}
			chosen++
			for j, b := range values {
				if choice>>j&1 == 0 {
					twice += cmp.Compare(a, b) + 1
				}
			}
		}
		return chosen, twice
	}
	_, seen := higher(1<<len(now) - 1)
	all, as := 0, 0
	for choice := range 1 << len(values) {
		chosen, twice := higher(choice)
		if chosen != len(now) {
			continue
		}
		all++
		if twice >= seen {
			as++
		}
	}
	return float64(as) / float64(all)
}

// TestHigherExact: every choice counted, with ties and with values that never came.
func TestHigherExact(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(21, 22))
	for range 100 {
		values := make([]float64, 2+random.IntN(9))
		for i := range values {
			values[i] = float64(random.IntN(6)) // few: they tie
			if values[i] == 5 {
				values[i] = math.Inf(1)
			}
		}
		n := 1 + random.IntN(len(values)-1)
		got, exact := Higher(values[:n], values[n:], 1)
		if want := counted(values[:n], values[n:]); !exact || !near(got, want) {
			t.Fatalf("%v among %v: %g (exact: %v), want %g", values[:n], values[n:], got, exact, want)
		}
	}
}

// TestHigherOfNothing: without values there is nothing to be told apart.
func TestHigherOfNothing(t *testing.T) {
	t.Parallel()
	for _, c := range [][2][]float64{{nil, {1}}, {{1}, nil}, {nil, nil}, {{2, 2}, {2, 2, 2}}} {
		if p, exact := Higher(c[0], c[1], 1); p != 1 || !exact {
			t.Errorf("%v among %v: %g", c[0], c[1], p)
		}
	}
}

// TestHigherDrawn: of many values choices are drawn, which come to about what counting
// all does, follow the seed, and leave the arguments as they are.
func TestHigherDrawn(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(23, 24))
	now, before := lasting(random, 30, 1.15), lasting(random, 200, 1)
	kept := slices.Clone(now)
	drawn, exact := Higher(now, before, 7)
	all := atLeast(doubledRanks(slices.Concat(now, before)), len(now), sum(doubledRanks(slices.Concat(now, before))[:len(now)]))
	if spread := math.Sqrt(all * (1 - all) / permutations); exact || math.Abs(drawn-all) > 4*spread+1e-4 {
		t.Errorf("%g drawn (exact: %v), %g counted", drawn, exact, all)
	}
	again, _ := Higher(now, before, 7)
	other, _ := Higher(now, before, 8)
	if again != drawn || other == drawn || !slices.Equal(now, kept) {
		t.Errorf("the same seed gives %g and %g, another one %g", drawn, again, other)
	}
	if p, _ := Higher(lasting(random, 64, 3), before, 1); p != 1.0/(permutations+1) {
		t.Errorf("three times as long: p is %g", p)
	}
}

// lasting are times of about a second.
func lasting(random *rand.Rand, n int, slower float64) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = slower * math.Exp(0.3*random.NormFloat64())
	}
	return out
}

// TestHolm: the example of Holm's method in its textbooks, and that the order is kept.
func TestHolm(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ p, want []float64 }{
		{nil, []float64{}},
		{[]float64{0.03}, []float64{0.03}},
		{[]float64{0.01, 0.04, 0.03, 0.005}, []float64{0.03, 0.06, 0.06, 0.02}},
		{[]float64{0.6, 0.7, 0.01}, []float64{1, 1, 0.03}},
	} {
		got := Holm(c.p)
		if !slices.EqualFunc(got, c.want, near) {
			t.Errorf("%v gives %v, want %v", c.p, got, c.want)
		}
	}
}

// family is the p-values of a run's SLIs against those of earlier runs, where nothing
// has changed but, if worse is above 1, one of them.
func family(random *rand.Rand, seed uint64, worse float64) []float64 {
	failed := func(n int, share float64) int {
		bad := 0
		for range n {
			if random.Float64() < share {
				bad++
			}
		}
		return bad
	}
	var p []float64
	for i, share := range []float64{0.5, 0.3, 0.2, 0.1} {
		now := share
		if i == 3 {
			now *= worse
		}
		p = append(p, MoreBad(failed(400, now), 400, failed(1200, share), 1200))
	}
	for i, n := range []int{3, 8, 20} {
		slower := 1.0
		if i == 2 {
			slower = worse
		}
		one, _ := Higher(lasting(random, n, slower), lasting(random, 10*n, 1), seed+uint64(i))
		p = append(p, one)
	}
	return p
}

// TestFalseAlarms: where nothing changed, at most one family in twenty has an alarm.
// Without the correction far more would, so the limit is one that can be missed; and
// what did change is seen.
func TestFalseAlarms(t *testing.T) {
	t.Parallel()
	trials := 1000
	if raceDetector {
		trials = 100
	}
	random := rand.New(rand.NewPCG(25, 26))
	alarms, uncorrected, seen := 0, 0, 0
	for i := range trials {
		p := family(random, uint64(i), 1)
		if slices.Min(Holm(p)) < 0.05 {
			alarms++
		}
		if slices.Min(p) < 0.05 {
			uncorrected++
		}
		if i < trials/10 && slices.Min(Holm(family(random, uint64(i), 2))) < 0.05 {
			seen++
		}
	}
	t.Logf("%d alarms of %d, %d without the correction, %d of %d changes seen", alarms, trials, uncorrected, seen, trials/10)
	if Lower(alarms, trials, 0.999) > 0.05 {
		t.Errorf("%d false alarms in %d families", alarms, trials)
	}
	if Lower(uncorrected, trials, 0.999) <= 0.05 && !raceDetector {
		t.Errorf("%d false alarms in %d families without a correction: the test should see those", uncorrected, trials)
	}
	if seen < trials/10*9/10 {
		t.Errorf("%d of %d changes were seen", seen, trials/10)
	}
}
