// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package recompute

import (
	"database/sql/driver"
	"math"
	"sort"
	"time"

	"modernc.org/sqlite"
)

func init() {
	sqlite.MustRegisterDeterministicScalarFunction("atmost", 3, func(_ *sqlite.FunctionContext, of []driver.Value) (driver.Value, error) {
		return atMost(of[0].(int64), of[1].(int64), of[2].(float64)), nil
	})
	sqlite.MustRegisterDeterministicScalarFunction("needed", 3, func(_ *sqlite.FunctionContext, of []driver.Value) (driver.Value, error) {
		return needed(of[0].(int64), of[1].(float64), of[2].(float64)), nil
	})
	sqlite.MustRegisterDeterministicScalarFunction("duration", 1, func(_ *sqlite.FunctionContext, of []driver.Value) (driver.Value, error) {
		d, err := time.ParseDuration(of[0].(string))
		return int64(d), err
	})
}

// atMost is the highest probability, at a confidence of at least a half, of what happened
// k times in n trials: the one by which k or fewer are only just likely enough (Clopper-
// Pearson). The terms of that likelihood are summed from the highest down.
func atMost(k, n int64, confidence float64) float64 {
	if n <= 0 || k >= n {
		return 1
	}
	ways := logFactorial(n) - logFactorial(k) - logFactorial(n-k)
	low, high := float64(k)/float64(n), 1.0
	for q := (low + high) / 2; q > low && q < high; q = (low + high) / 2 {
		term := math.Exp(ways + float64(k)*math.Log(q) + float64(n-k)*math.Log1p(-q))
		likely := term
		for i := k; i > 0 && term > likely*1e-17; i-- {
			term *= float64(i) / float64(n-i+1) * (1 - q) / q
			likely += term
		}
		if likely > 1-confidence {
			low = q
		} else {
			high = q
		}
	}
	return high
}

func logFactorial(n int64) float64 {
	v, _ := math.Lgamma(float64(n) + 1)
	return v
}

// needed is how many trials with so many bad ones it takes to prove a target.
func needed(bad int64, target, confidence float64) int64 {
	proves := func(n int) bool { return int64(n) > bad && atMost(bad, int64(n), confidence) <= 1-target }
	most := 1
	for !proves(most) && most < 1<<40 {
		most *= 2
	}
	return int64(sort.Search(most, proves))
}
