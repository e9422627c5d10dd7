// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"maps"
	"slices"
	"testing"
	"time"

	"blackout/harness/history"
	"blackout/reports/objective"
)

// phase finds a row of traffic by phase.
func phase(m Model, node, name string) PhaseTraffic {
	i := slices.IndexFunc(m.TrafficByPhase, func(t PhaseTraffic) bool { return t.Node == node && t.Phase == name })
	if i < 0 {
		return PhaseTraffic{}
	}
	return m.TrafficByPhase[i]
}

// TestTrafficByPhase: every request is in one phase, and failures are where they were.
func TestTrafficByPhase(t *testing.T) {
	t.Parallel()
	m := Build(violated())
	for _, want := range []struct {
		node, phase string
		failures    map[string]int
	}{
		{"dp-1", objective.Steady, map[string]int{"refused": 7}},
		{"dp-1", objective.Outage, map[string]int{"eof": 10}},
		{"dp-1", objective.Recovery, map[string]int{}},
		{"dp-2", objective.Beside, map[string]int{}},
		{"dp-2", objective.Recovery, map[string]int{"timeout": 35}},
	} {
		if got := phase(m, want.node, want.phase); got.Requests == 0 || !maps.Equal(got.Failures, want.failures) {
			t.Errorf("%s in %s: %+v, want failures %v", want.node, want.phase, got, want.failures)
		}
	}
	for _, all := range m.Traffic {
		requests, masked := 0, 0
		for _, p := range m.TrafficByPhase {
			if p.Node == all.Node {
				requests, masked = requests+p.Requests, masked+p.Masked
			}
		}
		if requests != all.Requests || masked != all.Masked {
			t.Errorf("%s: %d requests and %d masked in phases, want %d and %d", all.Node, requests, masked, all.Requests, all.Masked)
		}
	}
	if got := m.ControlPlaneOutages; len(got) != 1 || got[0].From != sec(5) || got[0].To != sec(15) || got[0].DataPlanes != 1 {
		t.Errorf("control plane outages %+v", got)
	}
}

// TestMaskedFailuresCountOnce: strict availability counts them, the client's does not;
// an answer that came too late is bad for both.
func TestMaskedFailuresCountOnce(t *testing.T) {
	t.Parallel()
	in := held()
	requests := in.Recording.Requests // dp-1/fresh from 2 s on, ten a second
	requests[31].Flags |= history.Masked
	requests[32].Flags |= history.Masked
	requests[32].Done = requests[32].Intended + history.Time(1100*time.Millisecond)
	requests[33].Flags |= history.Masked
	requests[33].Class = history.Reset
	got := phase(Build(in), "dp-1", objective.Outage)
	n := float64(got.Requests)
	if got.Masked != 3 || got.Late != 1 || got.Failures["reset"] != 1 || *got.Strict != (n-3)/n || *got.Client != (n-2)/n {
		t.Errorf("%+v, strict %v and client %v of %v", got, *got.Strict, *got.Client, n)
	}
}

// TestPercentilesNeedTheirAnswers: none is shown that the answers do not carry.
func TestPercentilesNeedTheirAnswers(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]float64{4: 0, 5: 50, 298: 95, 299: 99, 2994: 99.5, 2995: 99.9} {
		samples := make([]float64, n)
		for i := range samples {
			samples[i] = float64(i + 1)
		}
		row := phaseLatency(objective.Steady, samples)
		last := Percentile{}
		if k := len(row.Percentiles); k > 0 {
			last = row.Percentiles[k-1]
		}
		if last.Percent != want || row.Max != time.Duration(n) || row.Answers != n {
			t.Errorf("%d answers: highest percentile %+v of %+v, want %v", n, last, row, want)
		}
		for _, p := range row.Percentiles {
			if p.Value > p.AtMost || p.AtMost > row.Max {
				t.Errorf("%d answers: %+v lies badly below %s", n, p, row.Max)
			}
		}
	}
}

func TestRank(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		n       int
		percent float64
		want    int
	}{{1, 50, 1}, {2, 50, 1}, {1000, 99.9, 999}, {1001, 99.9, 1000}, {100_000, 99.999, 99_999}, {20_000, 99.995, 19_999}} {
		if got := rank(c.n, c.percent); got != c.want {
			t.Errorf("p%g of %d: rank %d, want %d", c.percent, c.n, got, c.want)
		}
	}
}

// TestMeasurement: what began to count before the run is counted from its first sample.
func TestMeasurement(t *testing.T) {
	t.Parallel()
	in := held()
	sample := func(at float64, name string, value float64) {
		in.Recording.Events = append(in.Recording.Events, history.Event{At: sec(at), Kind: history.Metric, Node: history.Harness, Text: name, Value: value})
	}
	sample(1, history.ThrottledSeconds, 40)
	sample(2, history.ThrottledSeconds, 40.5)
	sample(1, history.ThrottledPeriods, 7)
	sample(2, history.ThrottledPeriods, 9)
	sample(1, history.SlotsDue, 10)
	sample(2, history.SlotsDue, 20)
	sample(1, history.LoadAverage, 3)
	sample(2, history.LoadAverage, 2)
	in.Recording.Requests[0].Sent += history.Time(20 * time.Millisecond)
	q := Build(in).Measurement
	if q.Throttled == nil || *q.Throttled != 500*time.Millisecond || q.ThrottledPeriods == nil || *q.ThrottledPeriods != 2 || q.Due == nil || *q.Due != 20 || q.Load == nil || *q.Load != 3 {
		t.Errorf("%+v", q)
	}
	if q.GCPause != nil || q.Saturated != nil {
		t.Errorf("%+v: what nobody sampled is measured", q)
	}
	if q.Late == nil || *q.Late != 1 || *q.LagMax < 20*time.Millisecond || *q.Resolution != 100*time.Millisecond {
		t.Errorf("lag: %+v", q)
	}
}
