// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package objective

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"blackout/reports/stats"
)

type timed = stats.Timed

// Degradation is the ratio of latencies during an outage and before it, and the same
// of two halves of the time before, which should not differ.
type Degradation struct {
	stats.Degradation
	Baseline stats.Degradation
}

// leastBaseline is how many seconds each half of the time before must have.
const leastBaseline = 3

// Bounded says whether the ratio has bounds and something that it can be trusted by.
func (d Degradation) Bounded() bool {
	return d.Degradation.Bounded() && d.Baseline.Blocks >= leastBaseline
}

// short says what is too short for bounds.
func (d Degradation) short() string {
	if d.Degradation.Bounded() {
		return fmt.Sprintf("the time before the outage is too short to be compared with itself: its halves have %d s", d.Baseline.Blocks)
	}
	return fmt.Sprintf("%d s are too short for a bound", d.Blocks)
}

// latencyRatio compares a percentile of latency during the outage with the one before,
// of the data planes that were probed in both. Where the two halves of the time
// before differ by more than the baseline allows, the machine was not steady enough
// to tell.
func latencyRatio(r Run, q Query) Measurement {
	p := q.Number("percentile", 99) / 100
	compared := r.compared()
	a, b := compared.steady, compared.outage
	m := Measurement{Doubt: compared.doubt, Missing: "no data plane was probed both before and during an outage"}
	least := stats.Needed(0, p, stats.Confidence)
	if len(a) > 0 && min(len(a), len(b)) < least {
		m.Missing = fmt.Sprintf("a percentile of %g takes %d answers before and during the outage; there are %d and %d", 100*p, least, len(a), len(b))
	}
	if len(a) < least || len(b) < least {
		return m
	}
	seed := r.Recording.Header.Seed
	d := Degradation{Degradation: stats.Ratio(a, b, p, q.Confidence, seed)}
	middle := a[0].At + (a[len(a)-1].At-a[0].At)/2
	half, _ := slices.BinarySearchFunc(a, middle, func(x timed, t time.Duration) int { return cmp.Compare(x.At, t) })
	d.Baseline = stats.Ratio(a[:max(half, 1)], a[min(half, len(a)-1):], p, q.Confidence, seed)
	m.Ratio = &d
	m.Note = fmt.Sprintf("Before the outage, its second half against its first: %.3f.", d.Baseline.Point)
	limit := q.Number("baseline", max(q.Limit, 1))
	if differ := math.Abs(math.Log(d.Baseline.Point)); d.Bounded() && differ > math.Log(limit) {
		m.Doubt = fmt.Sprintf("before the outage the second half's percentile was %.3f times the first's, and %.3g is the most that lets a ratio be trusted", d.Baseline.Point, limit)
	}
	return m
}
