// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestLower(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		n, bad int
		want   float64 // percent, to four decimals
	}{
		{1_000, 0, 99.7009}, {1_000, 1, 99.5265}, {3_000, 0, 99.9002},
		{10_000, 0, 99.9700}, {10_000, 1, 99.9526},
		{30_000, 0, 99.9900}, {30_000, 3, 99.9742},
		{100_000, 10, 99.9830}, {300_000, 0, 99.9990},
	} {
		if got := 100 * Lower(c.n-c.bad, c.n, Confidence); math.Abs(got-c.want) > 0.00005 {
			t.Errorf("%d bad of %d: %.6f%%, want %.4f%%", c.bad, c.n, got, c.want)
		}
	}
}

// TestNeeded: how many requests a target takes, from a published table.
func TestNeeded(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		target    float64
		bad, want int
	}{
		{0.99, 0, 299}, {0.99, 3, 773}, {0.995, 1, 947}, {0.999, 0, 2_995}, {0.999, 2, 6_294}, {0.9995, 3, 15_505},
		{0.9999, 0, 29_956}, {0.9999, 3, 77_535}, {0.99999, 1, 474_385}, {0.95, 0, 59}, {0, 0, 1},
	} {
		got := Needed(c.bad, c.target, Confidence)
		if got != c.want {
			t.Errorf("target %g with %d bad needs %d, want %d", c.target, c.bad, got, c.want)
		}
	}
	if n := Needed(0, 0.99, 0.99); n != 459 {
		t.Errorf("at the confidence 0.99 it takes %d, want 459", n)
	}
}

// TestUpperBound: what the counts of clean repetitions carry, in percent.
func TestUpper(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		happening, n int
		want         float64
	}{{0, 50, 5.8155}, {0, 5, 45.0720}, {0, 1, 95}, {1, 50, 9.1398}, {5, 5, 100}} {
		if got := 100 * Upper(c.happening, c.n, Confidence); math.Abs(got-c.want) > 0.00005 {
			t.Errorf("%d of %d: %.6f%%, want %.4f%%", c.happening, c.n, got, c.want)
		}
	}
}

func TestLowerEdges(t *testing.T) {
	t.Parallel()
	if got := Lower(0, 10, Confidence); got != 0 {
		t.Errorf("nothing good: %g, want 0", got)
	}
	// With everything good the bound is the n-th root of alpha.
	for _, n := range []int{1, 7, 59, 50_000_000} {
		if got, want := Lower(n, n, Confidence), math.Pow(1-Confidence, 1/float64(n)); math.Abs(got-want) > 1e-9 {
			t.Errorf("%d of %d good: %.12f, want %.12f", n, n, got, want)
		}
	}
	// With one good of many it is close to alpha/n.
	if got, want := Lower(1, 1000, Confidence), 1-math.Pow(Confidence, 1.0/1000); math.Abs(got-want) > 1e-9 {
		t.Errorf("1 of 1000 good: %.12f, want %.12f", got, want)
	}
}

// tail is the probability that at most k of n trials fail, each with the
// probability q, summed term by term: it shares nothing with the incomplete beta
// function.
func tail(k, n int, q float64) float64 {
	log, sum := float64(n)*math.Log1p(-q), 0.0
	sum = math.Exp(log)
	for i := 1; i <= k; i++ {
		log += math.Log(float64(n-i+1) / float64(i) * q / (1 - q))
		sum += math.Exp(log)
	}
	return sum
}

// TestUpperAgainstSums compares the bound with the probability it is defined by, up
// to a billion observations.
func TestUpperAgainstSums(t *testing.T) {
	t.Parallel()
	for _, n := range []int{7, 1_000, 1_000_000, 1_000_000_000} {
		for _, k := range []int{0, 1, 3, 6, 20, 200} {
			if k >= n {
				continue
			}
			for _, confidence := range []float64{0.9, 0.95, 0.99} {
				got := tail(k, n, upper(k, n, confidence))
				if math.Abs(got/(1-confidence)-1) > 1e-9 {
					t.Errorf("%d of %d at %g: the bound leaves %.15g", k, n, confidence, got)
				}
			}
		}
	}
}

// TestUpperOfMany: where failures are many as well, against the normal approximation
// with the skewness of the binomial (Cornish-Fisher), which is close there.
func TestUpperOfMany(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ k, n int }{{400_000, 1_000_000}, {100_000, 1_000_000_000}} {
		n, p, z := float64(c.n), float64(c.k)/float64(c.n), 1.6448536269514722
		approx := (float64(c.k) + 0.5 + z*math.Sqrt(n*p*(1-p)) + (z*z+0.5)/6*2*(1-2*p) + 0.5) / n
		if got := Upper(c.k, c.n, Confidence); math.Abs(got/approx-1) > 2e-5 {
			t.Errorf("%d of %d: %.9g, want about %.9g", c.k, c.n, got, approx)
		}
	}
}

func TestPercent(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		failing float64
		want    string
	}{
		{1, "0.00%"}, {0, "100.00%"}, {0.5, "50.00%"}, {0.0625, "93.75%"}, {0.0009999, "99.900%"}, {0.0000998, "99.9900%"},
		{0.00009999999, "99.9900%"}, {0.000100001, "99.989%"}, {2.995732269e-9, "99.99999970%"}, {1e-30, "99.999999999999%"}, {1.0 / 3, "66.66%"},
	} {
		if got := Percent(c.failing); got != c.want {
			t.Errorf("%g failing: %s, want %s", c.failing, got, c.want)
		}
	}
	for failing, want := range map[float64]string{1: "0.00%", 0: "100.00%", 0.5: "50.00%", 1.0 / 3: "66.67%", 0.0000998: "99.9901%", 0.756701274404: "24.33%", 1e-30: "100.000000000000%"} {
		if got := PercentUp(failing); got != want {
			t.Errorf("at least %g failing: %s, want %s", failing, got, want)
		}
	}
}

// TestNoNineTooMany prints the bound of 100 000 counts and asks the binomial itself
// whether it carries what is printed: were the service one digit's worth better than
// it, no more failures than were seen would be too likely.
func TestNoNineTooMany(t *testing.T) {
	t.Parallel()
	pairs := 100_000
	if testing.Short() || raceDetector {
		pairs = 2_000
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range pairs {
		n := 1 + int(math.Exp(random.Float64()*math.Log(1e9)))
		k := min(int(math.Exp(random.Float64()*math.Log(300)))-1, n-1)
		shown := Percent(Upper(k, n, Confidence))
		digits := strings.TrimSuffix(shown, "%")
		value, err := strconv.ParseFloat(digits, 64)
		if err != nil {
			t.Fatal(err)
		}
		failing := failingOf(t, digits)
		if p := tail(k, n, failing); p > (1-Confidence)*(1+1e-12) {
			t.Fatalf("%d bad of %d print %s, of which only %.6f is carried", k, n, shown, 1-p)
		}
		step := math.Pow(10, -float64(len(digits)-strings.IndexByte(digits, '.')-1)-2)
		if better := failing - step; better > 0 && tail(k, n, better) <= (1-Confidence)*(1-1e-7) {
			t.Fatalf("%d bad of %d print %s, but %.12f%% is carried too", k, n, shown, value+100*step)
		}
	}
}

// failingOf is what a printed percentage leaves to fail, exact to a float's digits.
func failingOf(t *testing.T, percent string) float64 {
	t.Helper()
	good, ok := new(big.Rat).SetString(percent)
	if !ok {
		t.Fatalf("%q is no number", percent)
	}
	good.Quo(good, big.NewRat(100, 1))
	failing, _ := good.Sub(big.NewRat(1, 1), good).Float64()
	return failing
}

// TestQuantileBounds counts how often the bounds hold of samples whose quantiles are
// known.
func TestQuantileBounds(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	for _, c := range []struct {
		n int
		p float64
	}{{59, 0.95}, {100, 0.5}, {473, 0.99}, {20, 0.2}} {
		const trials = 4_000
		above, below, lowers := 0, 0, 0
		for range trials {
			samples := make([]float64, c.n)
			for i := range samples {
				samples[i] = random.Float64() // whose quantile p is p
			}
			slices.Sort(samples)
			upper, ok := QuantileUpper(samples, c.p, Confidence)
			if !ok {
				t.Fatalf("%d samples do not bound the quantile %g", c.n, c.p)
			}
			if upper >= c.p {
				above++
			}
			if lower, ok := QuantileLower(samples, c.p, Confidence); ok {
				lowers++
				if lower <= c.p {
					below++
				}
			}
		}
		// The coverage is at least 0.95; 0.937 is four of its standard errors below.
		if share := float64(above) / trials; share < 0.937 {
			t.Errorf("n=%d p=%g: the upper bound holds in %.3f of the trials", c.n, c.p, share)
		}
		if share := float64(below) / trials; lowers != trials || share < 0.937 {
			t.Errorf("n=%d p=%g: the lower bound is there in %d and holds in %d of %d trials", c.n, c.p, lowers, below, trials)
		}
	}
}

// TestTooFewForAQuantile: one sample less than it takes gives no bound.
func TestTooFewForAQuantile(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		p    float64
		need int
	}{{0.5, 5}, {0.95, 59}, {0.99, 299}, {0.999, 2995}} {
		samples := make([]float64, c.need)
		if _, ok := QuantileUpper(samples, c.p, Confidence); !ok {
			t.Errorf("%d samples do not bound the quantile %g", c.need, c.p)
		}
		if _, ok := QuantileUpper(samples[1:], c.p, Confidence); ok {
			t.Errorf("%d samples bound the quantile %g", c.need-1, c.p)
		}
	}
	if _, ok := QuantileLower(make([]float64, 2), 0.5, Confidence); ok {
		t.Error("2 samples bound the median from below")
	}
}

// TestProvenQuantile: what clean repetitions prove.
func TestProvenQuantile(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]float64{5: 0.549, 20: 0.861, 29: 0.902, 59: 0.9505, 299: 0.990} {
		if got := ProvenQuantile(n, Confidence); math.Abs(got-want) > 0.0005 {
			t.Errorf("%d repetitions prove %.4f, want %.4f", n, got, want)
		}
	}
}

// TestLowerIsNotRoundedUp: what a lower bound leaves is never less than the upper
// bound of the failures.
func TestLowerIsNotRoundedUp(t *testing.T) {
	t.Parallel()
	for n := 1; n < 3_000; n += 7 {
		if lower, failing := Lower(n, n, Confidence), Upper(0, n, Confidence); 1-lower < failing {
			t.Fatalf("%d of %d good: %.17g leaves less than %.17g", n, n, lower, failing)
		}
	}
}
