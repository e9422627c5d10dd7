// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package reports

import "math"

// alpha is the error probability of the one-sided confidence bounds.
const alpha = 0.05

// lowerBound is the one-sided 95% Clopper-Pearson lower bound of the
// probability that a request is good, of which good in n were; n must be
// positive. It treats requests as independent, which those of one outage are
// not: it describes the run, not outages in general.
func lowerBound(good, n int) float64 {
	if good <= 0 {
		return 0
	}
	// The bound q on the failure rate solves I_q(bad+1, good) = 1-alpha.
	// Bisecting on q keeps its digits where failures are rare.
	bad := float64(n - good)
	low, high := 0.0, 1.0
	for range 200 {
		middle := (low + high) / 2
		if incompleteBeta(middle, bad+1, float64(good)) < 1-alpha {
			low = middle
		} else {
			high = middle
		}
	}
	return 1 - high
}

// UpperBound is the one-sided 95% Clopper-Pearson upper bound of the probability
// of something that was seen happening times in n independent trials; n must be
// positive. With 0 of 50 it is 0.058.
func UpperBound(happening, n int) float64 { return 1 - lowerBound(n-happening, n) }

// incompleteBeta is the regularized incomplete beta function I_x(a, b) for
// positive a and b.
func incompleteBeta(x, a, b float64) float64 {
	switch {
	case x <= 0:
		return 0
	case x >= 1:
		return 1
	case x > (a+1)/(a+b+2):
		// The continued fraction converges fast on this side only.
		return 1 - incompleteBeta(1-x, b, a)
	}
	return math.Exp(a*math.Log(x)+b*math.Log1p(-x)-logBeta(a, b)) / (a * betaFraction(x, a, b))
}

// logBeta is the logarithm of the beta function.
func logBeta(a, b float64) float64 {
	la, _ := math.Lgamma(a)
	lb, _ := math.Lgamma(b)
	lab, _ := math.Lgamma(a + b)
	return la + lb - lab
}

// betaFraction is the denominator 1+d1/(1+d2/(1+…)) of the incomplete beta
// function's continued fraction (DLMF 8.17.22), by Lentz's method. It needs
// about sqrt(max(a, b)) terms; the limit allows for billions of requests.
func betaFraction(x, a, b float64) float64 {
	const (
		terms   = 100_000
		epsilon = 1e-15
	)
	c, d, f := 1.0, 0.0, 1.0
	for i := 1; i <= terms; i++ {
		term := betaTerm(i, x, a, b)
		d = 1 / awayFromZero(1+term*d)
		c = awayFromZero(1 + term/c)
		f *= c * d
		if math.Abs(c*d-1) < epsilon {
			break
		}
	}
	return f
}

// betaTerm is the i-th partial numerator of the continued fraction, i > 0.
func betaTerm(i int, x, a, b float64) float64 {
	m := float64(i / 2)
	if i%2 == 0 {
		return m * (b - m) * x / ((a + 2*m - 1) * (a + 2*m))
	}
	return -(a + m) * (a + b + m) * x / ((a + 2*m) * (a + 2*m + 1))
}

// awayFromZero keeps Lentz's method from dividing by zero.
func awayFromZero(v float64) float64 {
	const tiny = 1e-300
	if math.Abs(v) < tiny {
		return tiny
	}
	return v
}
