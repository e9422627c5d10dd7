// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package stats

import "math"

// MoreBad is the p-value of Fisher's exact test, one-sided: how likely it is that of
// all that were bad, now and earlier, at least bad are among the n of now, where
// nothing but chance puts them there. Without a trial on either side, or without a bad
// one, it is 1.
func MoreBad(bad, n, earlierBad, earlier int) float64 {
	h := hypergeometric{all: n + earlier, bad: bad + earlierBad, drawn: n}
	if bad <= h.least() {
		return 1
	}
	if bad > h.mode() {
		return min(1, h.from(bad)*(1+rounding))
	}
	return min(1, 1-h.upTo(bad-1)+rounding)
}

// hypergeometric is how many bad ones are among some that are drawn of all.
type hypergeometric struct{ all, bad, drawn int }

func (h hypergeometric) least() int { return max(0, h.bad+h.drawn-h.all) }
func (h hypergeometric) most() int  { return min(h.bad, h.drawn) }
func (h hypergeometric) mode() int {
	return int((float64(h.drawn) + 1) / (float64(h.all) + 2) * (float64(h.bad) + 1))
}

// at is the probability of k.
func (h hypergeometric) at(k int) float64 {
	return math.Exp(logChoose(h.drawn, k) + logChoose(h.all-h.drawn, h.bad-k) - logChoose(h.all, h.bad))
}

// more is the probability of k+1 as a multiple of that of k.
func (h hypergeometric) more(k int) float64 {
	return float64(h.drawn-k) / float64(k+1) * float64(h.bad-k) / float64(h.all-h.drawn-h.bad+k+1)
}

// from is the probability of k or more. Its terms must fall from k on.
func (h hypergeometric) from(k int) float64 {
	term := h.at(k)
	sum := term
	for ; k < h.most() && term > sum*1e-17; k++ {
		term *= h.more(k)
		sum += term
	}
	return sum
}

// upTo is the probability of k or fewer. Its terms must fall from k down.
func (h hypergeometric) upTo(k int) float64 {
	term := h.at(k)
	sum := term
	for ; k > h.least() && term > sum*1e-17; k-- {
		term /= h.more(k - 1)
		sum += term
	}
	return sum
}

// logChoose is the logarithm of the number of ways to choose k of n.
func logChoose(n, k int) float64 {
	return -math.Log1p(float64(n)) - logBeta(float64(n-k)+1, float64(k)+1)
}
