// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package traffic

import (
	"math"
	"time"

	"blackout/harness/history"
)

// figures say how well the schedule of one or more streams was kept.
type figures struct {
	due, sent, saturated int64
	lags                 [lagBuckets]int64
	maxLag               time.Duration
}

// add adds what a stream has done by a moment.
func (f *figures) add(s *stream, by history.Time) {
	if stop := history.Time(s.stop.Load()); stop != 0 {
		by = min(by, stop)
	}
	f.due += s.due(by)
	f.sent += s.sent.Load()
	f.saturated += s.saturated.Load()
	for i := range s.lag.counts {
		f.lags[i] += s.lag.counts[i].Load()
	}
	f.maxLag = max(f.maxLag, time.Duration(s.lag.max.Load()))
}

// lag is a quantile of how late requests were sent, by nearest rank; 0 without any.
func (f *figures) lag(quantile float64) time.Duration {
	var total, below int64
	for _, n := range f.lags {
		total += n
	}
	rank := int64(math.Ceil(quantile * float64(total)))
	for i, n := range f.lags {
		if below += n; below >= max(rank, 1) {
			return min(lagOf(i), f.maxLag)
		}
	}
	return 0
}

// record writes the figures as metrics of a node, and of a stream if it has one.
func (f *figures) record(rec *history.Writer, node string, stream uint16) {
	for _, m := range []struct {
		name  string
		value float64
	}{
		{history.SlotsDue, float64(f.due)},
		{history.SlotsSent, float64(f.sent)},
		{history.SlotsSaturated, float64(f.saturated)},
		{history.LagP50, f.lag(0.50).Seconds()},
		{history.LagP99, f.lag(0.99).Seconds()},
		{history.LagMax, f.maxLag.Seconds()},
	} {
		rec.Event(history.Event{Kind: history.Metric, Node: node, Stream: int(stream), Text: m.name, Value: m.value})
	}
}

func (s *stream) recordFigures() {
	var f figures
	f.add(s, s.rec.Now())
	f.record(s.rec, s.spec.Node, s.index)
}
