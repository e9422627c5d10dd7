// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package recompute

import (
	"database/sql/driver"
	"math"
	"sort"

	"modernc.org/sqlite"
)

// What queries can call besides SQLite's own functions.
func init() {
	for name, call := range map[string]func(of []driver.Value) driver.Value{
		"atmost": func(of []driver.Value) driver.Value { return atMost(of[0].(int64), of[1].(int64), of[2].(float64)) },
		"needed": func(of []driver.Value) driver.Value { return needed(of[0].(int64), of[1].(float64), of[2].(float64)) },
		"rank":   func(of []driver.Value) driver.Value { return rank(of[0].(int64), of[1].(float64), of[2].(float64)) },
	} {
		sqlite.MustRegisterDeterministicScalarFunction(name, 3, func(_ *sqlite.FunctionContext, of []driver.Value) (driver.Value, error) { return call(of), nil })
	}
}

// likely is the probability that k or fewer of n things happen, each of which does with
// the probability q: the binomial terms on the shorter side of k, summed from k outwards.
func likely(k, n int64, q float64) float64 {
	logFactorial := func(n int64) float64 { v, _ := math.Lgamma(float64(n) + 1); return v }
	from, step, sum := k, int64(-1), 0.0
	if float64(k) > float64(n)*q {
		from, step = k+1, 1
	}
	for i, term := from, 1.0; i >= 0 && i <= n && term > sum*1e-17; i += step {
		term = math.Exp(logFactorial(n) - logFactorial(i) - logFactorial(n-i) + float64(i)*math.Log(q) + float64(n-i)*math.Log1p(-q))
		sum += term
	}
	if step > 0 {
		return 1 - sum
	}
	return sum
}

// atMost is the highest probability, at a confidence, of what happened k times in n trials:
// the one by which k or fewer are only just likely enough (Clopper-Pearson), or 1.
func atMost(k, n int64, confidence float64) float64 {
	// Bits of numbers from 0 to 1 are in the numbers' order.
	low := sort.Search(int(math.Float64bits(1)), func(q int) bool { return likely(k, n, math.Float64frombits(uint64(q))) <= 1-confidence })
	return math.Float64frombits(uint64(low))
}

// needed is how many trials with so many bad ones it takes to prove a target.
func needed(bad int64, target, confidence float64) int64 {
	proves := func(n int) bool { return int64(n) > bad && atMost(bad, int64(n), confidence) <= 1-target }
	return int64(sort.Search(1<<40, proves))
}

// rank is which of n samples in order, from 1, is an upper bound of the quantile p at a
// confidence; above n, none is.
func rank(n int64, p, confidence float64) int64 {
	return 1 + int64(sort.Search(int(n), func(i int) bool { return likely(int64(i), n, p) >= confidence }))
}
