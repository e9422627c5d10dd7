// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"slices"
	"time"

	"blackout/harness/history"
	"blackout/reports/objective"
	"blackout/reports/stats"
)

// PhaseTraffic sums up the requests of one node that were due in one phase.
type PhaseTraffic struct {
	Node     string         `json:"node"`
	Phase    string         `json:"phase"`
	Requests int            `json:"requests"`
	Failures map[string]int `json:"failures"` // by class
	Late     int            `json:"late"`     // good answers that came later after their request was due than the deadline
	Masked   int            `json:"masked"`   // failures that the HTTP client hid by sending again
	Strict   *float64       `json:"availability_strict"`
	Client   *float64       `json:"availability_client"` // masked failures do not count
}

// trafficByPhase counts each node's requests by phase, in the order of the streams and
// of the phases.
func trafficByPhase(run objective.Run) []PhaseTraffic {
	rows := []PhaseTraffic{}
	at := map[[2]string]int{}
	for _, stream := range run.Recording.Header.Streams {
		for _, phase := range objective.Phases {
			key := [2]string{stream.Node, phase}
			if _, known := at[key]; !known {
				at[key] = len(rows)
				rows = append(rows, PhaseTraffic{Node: stream.Node, Phase: phase, Failures: map[string]int{}})
			}
		}
	}
	hidden := make([]int, len(rows))
	for _, q := range run.Recording.Requests {
		i := at[[2]string{run.Recording.Header.Streams[q.Stream].Node, run.PhaseOf(q)}]
		if rows[i].count(q) {
			hidden[i]++
		}
	}
	for i := range rows {
		rows[i].conclude(hidden[i])
	}
	return slices.DeleteFunc(rows, func(t PhaseTraffic) bool { return t.Requests == 0 })
}

// count adds one request, and says whether all that is wrong with it was hidden by the
// client.
func (t *PhaseTraffic) count(q history.Request) (hidden bool) {
	t.Requests++
	masked := q.Flags&history.Masked != 0
	if masked {
		t.Masked++
	}
	switch {
	case q.Class != history.Good:
		t.Failures[q.Class.String()]++
		return false
	case q.Done.Sub(q.Intended) > objective.AnswerDeadline:
		t.Late++
		return false
	}
	return masked
}

// conclude computes both availabilities. Hidden are the requests that only the client
// calls good.
func (t *PhaseTraffic) conclude(hidden int) {
	if t.Requests == 0 {
		return
	}
	good := t.Requests - t.Late
	for _, n := range t.Failures {
		good -= n
	}
	strict, client := float64(good-hidden)/float64(t.Requests), float64(good)/float64(t.Requests)
	t.Strict, t.Client = &strict, &client
}

// PhaseLatency is the distribution of latency in one phase, over all nodes, of good
// answers from the intended time of sending.
type PhaseLatency struct {
	Phase   string        `json:"phase"`
	Answers int           `json:"answers"`
	Max     time.Duration `json:"max_ns"` // the highest of the answers; no percentile

	// Percentiles are those that so many answers carry, ascending.
	Percentiles []Percentile `json:"percentiles"`
}

// Percentile is one percentile of latency.
type Percentile struct {
	Percent float64       `json:"percent"`
	Value   time.Duration `json:"value_ns"`   // nearest rank
	AtMost  time.Duration `json:"at_most_ns"` // one-sided 95 % upper bound, by order statistics
}

// ladder are the percentiles that are looked for.
var ladder = []float64{50, 75, 90, 95, 99, 99.5, 99.9, 99.95, 99.99, 99.995, 99.999}

// latencyByPhase gives the percentiles before, during and after outages, as far as each
// one's answers carry them.
func latencyByPhase(run objective.Run) []PhaseLatency {
	rows := []PhaseLatency{}
	samples := run.LatenciesByPhase()
	for _, phase := range []string{objective.Steady, objective.Outage, objective.Recovery} {
		if len(samples[phase]) == 0 {
			continue
		}
		slices.Sort(samples[phase])
		rows = append(rows, phaseLatency(phase, samples[phase]))
	}
	return rows
}

// phaseLatency is the distribution of sorted samples, of which there is at least one. A
// percentile without an upper bound is none: the highest answer may lie below it.
func phaseLatency(phase string, sorted []float64) PhaseLatency {
	n := len(sorted)
	row := PhaseLatency{Phase: phase, Answers: n, Max: time.Duration(sorted[n-1]), Percentiles: []Percentile{}}
	for _, percent := range ladder {
		bound, ok := stats.QuantileUpper(sorted, percent/100, stats.Confidence)
		if !ok {
			break
		}
		row.Percentiles = append(row.Percentiles, Percentile{Percent: percent, Value: time.Duration(sorted[rank(n, percent)-1]), AtMost: time.Duration(bound)})
	}
	return row
}

// rank is the nearest rank of a percentile among n, from 1. Percentiles are told in
// thousandths, which binary fractions are not.
func rank(n int, percent float64) int {
	const whole = 100_000
	thousandths := int(percent*1000 + 0.5)
	return max((n*thousandths+whole-1)/whole, 1)
}
