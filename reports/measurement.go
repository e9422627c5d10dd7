// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"slices"
	"time"

	"blackout/harness/history"
	"blackout/harness/oracle"
)

// Measurement is how well the harness itself kept its schedule.
type Measurement struct {
	Requests   int            `json:"requests"`
	LagP50     *time.Duration `json:"lag_p50_ns"` // how late requests were sent
	LagP99     *time.Duration `json:"lag_p99_ns"`
	LagMax     *time.Duration `json:"lag_max_ns"`
	Late       *int           `json:"sent_late"` // later than LateLimit
	LateLimit  time.Duration  `json:"late_limit_ns"`
	Resolution *time.Duration `json:"resolution_ns"` // the longest of the nodes' probe intervals: a shorter outage can be missed

	Due       *int `json:"slots_due"`       // requests that the schedule asked for
	Sent      *int `json:"slots_sent"`      // of those, answered or failed
	Saturated *int `json:"slots_saturated"` // of those, fallen due while every worker was busy

	ThrottledPeriods *int           `json:"cpu_throttled_periods"` // of the kernel's quota
	Throttled        *time.Duration `json:"cpu_throttled_ns"`
	GCPause          *time.Duration `json:"gc_pause_ns"`
	Load             *float64       `json:"highest_load_average"` // of the machine, over a minute
	CPUTime          *time.Duration `json:"harness_cpu_ns"`
}

// measurement sums up how the measurement went.
func (r recorded) measurement() Measurement {
	m := Measurement{LateLimit: oracle.MaxLag}
	all := 0
	for _, requests := range r.streams {
		all += len(requests)
	}
	lags := make([]time.Duration, 0, all)
	for i, requests := range r.streams {
		if len(requests) > 0 && (m.Resolution == nil || r.header.Streams[i].Interval > *m.Resolution) {
			m.Resolution = &r.header.Streams[i].Interval
		}
		for _, q := range requests {
			lags = append(lags, q.Sent.Sub(q.Intended))
		}
	}
	m.lag(lags)
	m.sample(r.of(history.Metric))
	return m
}

// lag counts how late requests were sent.
func (m *Measurement) lag(lags []time.Duration) {
	m.Requests = len(lags)
	if len(lags) == 0 {
		return
	}
	all := distribution(lags) // it sorts them
	m.LagP50, m.LagP99, m.LagMax = all.P50, all.P99, all.Max
	first, _ := slices.BinarySearch(lags, m.LateLimit+1)
	late := len(lags) - first
	m.Late = &late
}

// sample notes the harness's own metrics. Those of its process and of the kernel began
// to count before the run did.
func (m *Measurement) sample(events []*history.Event) {
	first, last := map[string]float64{}, map[string]float64{}
	for _, e := range events {
		if e.Node != history.Harness || e.Error != "" {
			continue
		}
		if _, known := first[e.Text]; !known {
			first[e.Text] = e.Value
		}
		last[e.Text] = e.Value
		if e.Text == history.LoadAverage && (m.Load == nil || e.Value > *m.Load) {
			m.Load = &e.Value
		}
	}
	m.Due, m.Sent, m.Saturated = whole(last, history.SlotsDue, 0), whole(last, history.SlotsSent, 0), whole(last, history.SlotsSaturated, 0)
	m.ThrottledPeriods = whole(last, history.ThrottledPeriods, first[history.ThrottledPeriods])
	m.Throttled = spent(last, first, history.ThrottledSeconds)
	m.GCPause = spent(last, first, history.GCPauses)
	m.CPUTime = spent(last, first, history.ProcessCPU)
}

// whole is a metric that counts, less what it was at first; nil without a sample.
func whole(metrics map[string]float64, name string, first float64) *int {
	v, ok := metrics[name]
	if !ok {
		return nil
	}
	n := int(v - first)
	return &n
}

// spent is a metric in seconds, less what it was at first; nil without a sample.
func spent(metrics, first map[string]float64, name string) *time.Duration {
	v, ok := metrics[name]
	if !ok {
		return nil
	}
	d := time.Duration((v - first[name]) * float64(time.Second))
	return &d
}
