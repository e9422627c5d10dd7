// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package stats says what a number of observations proves. All of its bounds are
// one-sided and none presumes a normal distribution:
//
//   - [Upper] and [Lower] bound a probability from a count (Clopper-Pearson, whose
//     coverage is guaranteed), [Needed] says how many observations a target takes,
//     and [Percent] prints a bound without a nine that it does not carry;
//   - [QuantileUpper] and [QuantileLower] bound a quantile of times by order
//     statistics, and [ProvenQuantile] is the one that n times within a limit prove;
//   - [Ratio] bounds the ratio of a percentile of two spans of time by a
//     moving-block bootstrap, which keeps neighbouring requests together;
//   - [MoreBad] and [Higher] are the p-values of counts and of times that they are no
//     worse than earlier ones, and [Holm] corrects those of several tests.
//
// Counts treat observations as independent. Requests of one outage are not: what
// is proven by them is proven of the run. What is to hold of outages in general
// has to be counted in outages.
package stats

import (
	"math"
	"math/big"
	"sort"
)

// Confidence is the confidence of bounds where nobody asks for another.
const Confidence = 0.95

// rounding is added to a bound, relative to it, so that what arithmetic loses is
// never to the claim's benefit. The error of upper is about a tenth of it
// for up to 10^9 observations.
const rounding = 1e-10

// Upper is the upper bound of the probability of something that happened k times
// in n independent trials, 0 ≤ k ≤ n: with n = 59 and k = 0 it is 0.0495 at the
// confidence 0.95. Without a trial it is 1.
func Upper(k, n int, confidence float64) float64 {
	if n <= 0 || k >= n {
		return 1
	}
	return min(1, upper(k, n, confidence)*(1+rounding))
}

// upper solves I_q(k+1, n-k) = confidence for q. Bisecting on q keeps its digits
// where it is small.
func upper(k, n int, confidence float64) float64 {
	a, b := float64(k)+1, float64(n-k)
	low, high := 0.0, 1.0
	for {
		middle := (low + high) / 2
		if middle <= low || middle >= high {
			return high
		}
		if incompleteBeta(middle, a, b) < confidence {
			low = middle
		} else {
			high = middle
		}
	}
}

// Lower is the lower bound of the probability of something that happened k times
// in n independent trials. Without a trial it is 0.
func Lower(k, n int, confidence float64) float64 {
	other := Upper(n-k, n, confidence)
	bound := 1 - other
	if 1-bound < other { // it was rounded up
		bound = math.Nextafter(bound, 0)
	}
	return max(bound, 0)
}

// Needed is how many trials it takes, of which bad fail and no more, until the
// share of good ones is proven to be at least target, which must be below 1.
func Needed(bad int, target, confidence float64) int {
	proven := func(n int) bool { return n > bad && Upper(bad, n, confidence) <= 1-target }
	high := bad + 1
	for !proven(high) {
		if high > math.MaxInt/2 {
			return math.MaxInt
		}
		high *= 2
	}
	return sort.Search(high, proven)
}

// The digits that Percent prints after the point.
const (
	leastDigits = 2
	mostDigits  = 12
)

// Percent prints, as a percentage, the share of good ones that is left where at
// most the share failing fails, in [0, 1]. It is cut off after the second digit
// that is not part of the leading nines, never rounded up: 0.0000998 gives
// "99.9900%".
func Percent(failing float64) string { return percent(failing, false) }

// PercentUp is the same of the share that is left where at least the share failing
// fails: with as many digits, never rounded down.
func PercentUp(failing float64) string { return percent(failing, true) }

func percent(failing float64, up bool) string {
	digits := leastDigits
	if failing > 0 {
		digits = min(max(int(math.Ceil(-math.Log10(failing*100)))+1, leastDigits), mostDigits)
	}
	scale := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(digits+2)), nil)
	rest := new(big.Rat).SetFloat64(min(max(failing, 0), 1))
	rest.Sub(big.NewRat(1, 1), rest).Mul(rest, new(big.Rat).SetInt(scale))
	whole, over := new(big.Int).QuoRem(rest.Num(), rest.Denom(), new(big.Int))
	if up && over.Sign() > 0 {
		whole.Add(whole, big.NewInt(1))
	}
	shown := new(big.Rat).SetFrac(whole, new(big.Int).Quo(scale, big.NewInt(100)))
	return shown.FloatString(digits) + "%"
}

// ProvenQuantile is the quantile that n times, all of them within a limit, prove
// to be within it: 0.95 takes 59 times, 0.99 takes 299.
func ProvenQuantile(n int, confidence float64) float64 { return Lower(n, n, confidence) }

// QuantileUpper is the upper bound of the quantile p of what the sorted samples
// are drawn from: the lowest sample that lies above it with the confidence. With
// too few samples not even the highest does, and ok is false.
func QuantileUpper(sorted []float64, p, confidence float64) (bound float64, ok bool) {
	n := len(sorted)
	// Sample r, from 1, lies above the quantile if fewer than r samples lie below it.
	r := sort.Search(n, func(i int) bool { return atMost(i, n, p) >= confidence })
	if r == n {
		return 0, false
	}
	return sorted[r], true
}

// QuantileLower is the lower bound of the quantile p: the highest sample that lies
// below it with the confidence. With too few samples ok is false.
func QuantileLower(sorted []float64, p, confidence float64) (bound float64, ok bool) {
	n := len(sorted)
	// Sample r, from 1, lies below the quantile if at least r samples do.
	r := sort.Search(n, func(i int) bool { return 1-atMost(i, n, p) < confidence })
	if r == 0 {
		return 0, false
	}
	return sorted[r-1], true
}

// atMost is the probability that at most k of n trials succeed, of probability p.
func atMost(k, n int, p float64) float64 {
	if k >= n {
		return 1
	}
	return 1 - incompleteBeta(p, float64(k)+1, float64(n-k))
}
