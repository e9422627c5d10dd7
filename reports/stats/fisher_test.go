// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"math"
	"math/big"
	"testing"
)

// near says whether two probabilities agree but for rounding.
func near(a, b float64) bool { return math.Abs(a-b) <= 1e-9*math.Max(a, b)+1e-12 }

// TestMoreBadKnown: Fisher's lady who tastes tea, and counts of his time.
func TestMoreBadKnown(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		bad, n, earlierBad, earlier int
		want                        float64
	}{
		{3, 4, 1, 4, 17.0 / 70}, {4, 4, 0, 4, 1.0 / 70}, {2, 4, 2, 4, 53.0 / 70},
		{10, 13, 2, 17, 0.00046518094},  // Fisher 1935: like-sex twins of criminals, convicted
		{100, 3_000, 20_000, 30_000, 1}, // so far below what is expected that its own probability is nothing
		{0, 100, 0, 1000, 1}, {0, 100, 5, 1000, 1}, {1, 1, 0, 9, 0.1}, {5, 5, 0, 0, 1}, {0, 0, 3, 9, 1},
	} {
		if got := MoreBad(c.bad, c.n, c.earlierBad, c.earlier); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%d of %d after %d of %d: %.12f, want %.12f", c.bad, c.n, c.earlierBad, c.earlier, got, c.want)
		}
	}
}

// exactly is the same by whole numbers.
func exactly(bad, n, earlierBad, earlier int) float64 {
	all := bad + earlierBad
	sum, way := new(big.Int), new(big.Int)
	for k := bad; k <= min(n, all); k++ {
		if all-k > earlier {
			continue
		}
		way.Binomial(int64(n), int64(k))
		sum.Add(sum, way.Mul(way, new(big.Int).Binomial(int64(earlier), int64(all-k))))
	}
	p, _ := new(big.Rat).SetFrac(sum, new(big.Int).Binomial(int64(n+earlier), int64(all))).Float64()
	return p
}

// TestMoreBadExact: every small table, and some as large as those of a night.
func TestMoreBadExact(t *testing.T) {
	t.Parallel()
	check := func(bad, n, earlierBad, earlier int) {
		t.Helper()
		got, want := MoreBad(bad, n, earlierBad, earlier), exactly(bad, n, earlierBad, earlier)
		if !near(got, want) {
			t.Errorf("%d of %d after %d of %d: %.15g, want %.15g", bad, n, earlierBad, earlier, got, want)
		}
	}
	for n := range 9 {
		for earlier := range 12 {
			for bad := range n + 1 {
				for earlierBad := range earlier + 1 {
					check(bad, n, earlierBad, earlier)
				}
			}
		}
	}
	check(9, 30_000, 60, 600_000)
	check(3, 30_000, 60, 600_000)
	check(0, 30_000, 60, 600_000)
	check(40, 300_000, 200, 6_000_000)
	check(500, 3_000, 700, 60_000)
	check(20, 3_000, 700, 60_000) // below what is expected
	check(2_900, 3_000, 58_000, 60_000)
}
