// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"math"
	"testing"
)

func TestLowerBound(t *testing.T) {
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
		if got := 100 * lowerBound(c.n-c.bad, c.n); math.Abs(got-c.want) > 0.00005 {
			t.Errorf("%d bad of %d: %.6f%%, want %.4f%%", c.bad, c.n, got, c.want)
		}
	}
}

// TestLowerBoundNeeds checks how many requests a target takes, from both sides.
func TestLowerBoundNeeds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		target float64
		bad, n int
	}{
		{0.99, 0, 299}, {0.99, 3, 773}, {0.999, 0, 2_995}, {0.999, 2, 6_294}, {0.9999, 0, 29_956}, {0.9999, 3, 77_535}, {0.99999, 1, 474_385},
	} {
		if got := lowerBound(c.n-c.bad, c.n); got < c.target {
			t.Errorf("%d requests with %d bad give %.8f, want at least %g", c.n, c.bad, got, c.target)
		}
		if got := lowerBound(c.n-1-c.bad, c.n-1); got >= c.target {
			t.Errorf("%d requests with %d bad already give %.8f", c.n-1, c.bad, got)
		}
	}
}

// TestUpperBound: what the counts of clean repetitions carry, in percent.
func TestUpperBound(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		happening, n int
		want         float64
	}{{0, 50, 5.8155}, {0, 5, 45.0720}, {0, 1, 95}, {1, 50, 9.1398}, {5, 5, 100}} {
		if got := 100 * UpperBound(c.happening, c.n); math.Abs(got-c.want) > 0.00005 {
			t.Errorf("%d of %d: %.6f%%, want %.4f%%", c.happening, c.n, got, c.want)
		}
	}
}

func TestLowerBoundEdges(t *testing.T) {
	t.Parallel()
	if got := lowerBound(0, 10); got != 0 {
		t.Errorf("nothing good: %g, want 0", got)
	}
	// With everything good the bound is the n-th root of alpha.
	for _, n := range []int{1, 7, 59, 50_000_000} {
		if got, want := lowerBound(n, n), math.Pow(alpha, 1/float64(n)); math.Abs(got-want) > 1e-9 {
			t.Errorf("%d of %d good: %.12f, want %.12f", n, n, got, want)
		}
	}
	// With one good of many it is close to alpha/n.
	if got, want := lowerBound(1, 1000), 1-math.Pow(1-alpha, 1.0/1000); math.Abs(got-want) > 1e-9 {
		t.Errorf("1 of 1000 good: %.12f, want %.12f", got, want)
	}
}
