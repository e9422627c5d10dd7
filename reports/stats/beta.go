// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package stats

import "math"

// incompleteBeta is the regularized incomplete beta function I_x(a, b) for whole
// positive a and b.
func incompleteBeta(x, a, b float64) float64 { return betaOf(x, 1-x, a, b) }

// betaOf is I_x(a, b) with y = 1-x, of which the smaller one has all its digits.
func betaOf(x, y, a, b float64) float64 {
	switch {
	case x <= 0:
		return 0
	case y <= 0:
		return 1
	case b*x < manyTerms && x < 0.5:
		return betaSeries(x, a, b)
	case x > (a+1)/(a+b+2):
		// The continued fraction converges fast on this side only.
		return 1 - betaOf(y, x, b, a)
	}
	logX, logY := math.Log(x), math.Log1p(-x)
	if y < x {
		logX, logY = math.Log1p(-y), math.Log(y)
	}
	return math.Exp(a*logX+b*logY-logBeta(a, b)) / (a * betaFraction(x, a, b))
}

// manyTerms is about how many terms of the series are too many.
const manyTerms = 4000

// betaSeries is I_x(a, b) by the series of the hypergeometric function
// F(a+b, 1; a+1; x), all of whose terms are positive (DLMF 8.17.8): where x is small,
// the continued fraction cancels as many digits as 1-x loses. It takes a little more
// than b*x terms.
func betaSeries(x, a, b float64) float64 {
	term, sum := 1.0, 1.0
	for i := 0.0; term > sum*1e-17; i++ {
		term *= (a + b + i) / (a + 1 + i) * x
		sum += term
	}
	return min(1, math.Exp(a*math.Log(x)+b*math.Log1p(-x)-logBeta(a, b))/a*sum)
}

// logBeta is the logarithm of the beta function of whole positive a and b. The difference
// of three log-gamma functions, which gonum's mathext.RegIncBeta takes, loses seven
// digits at b = 10^9: there a bound is off by a relative 6e-7, either way (measured
// against an exact sum). This is why the function is our own.
func logBeta(a, b float64) float64 {
	const few = 1000
	if a > b {
		a, b = b, a
	}
	if a > few {
		return stirling(a, b)
	}
	// B(a, b) is Γ(a) over the product of b, b+1 … b+a-1.
	sum, _ := math.Lgamma(a)
	for i := range int(a) {
		sum -= math.Log(b + float64(i))
	}
	return sum
}

// stirling is logBeta for large a ≤ b, by Stirling's series, whose large terms
// cancel on paper.
func stirling(a, b float64) float64 {
	tail := func(x float64) float64 { return 1/(12*x) - 1/(360*x*x*x) + 1/(1260*math.Pow(x, 5)) }
	return math.Log(2*math.Pi)/2 - math.Log(b)/2 + (a-0.5)*math.Log(a/(a+b)) - b*math.Log1p(a/b) + tail(a) + tail(b) - tail(a+b)
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
