// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"cmp"
	"slices"
	"time"

	"blackout/harness/history"
	"blackout/reports/stats"
)

// minForP99 is the number of answers below which a 99th percentile is not
// measured.
const minForP99 = 100

// traffic sums up the probes per node, in the order of the header's streams.
func (r recorded) traffic() []Traffic {
	rows := []Traffic{}
	requests := map[string][]history.Request{}
	for i, stream := range r.header.Streams {
		at := slices.IndexFunc(rows, func(t Traffic) bool { return t.Node == stream.Node })
		if at < 0 {
			at = len(rows)
			rows = append(rows, Traffic{Node: stream.Node, Resolution: stream.Interval, Failures: map[string]int{}})
		}
		rows[at].Streams++
		rows[at].Resolution = min(rows[at].Resolution, stream.Interval)
		requests[stream.Node] = append(requests[stream.Node], r.streams[i]...)
	}
	for i := range rows {
		rows[i].count(requests[rows[i].Node])
	}
	return rows
}

// count adds the figures of the node's requests.
func (t *Traffic) count(requests []history.Request) {
	var latency, service, lag []time.Duration
	for _, q := range requests {
		t.Requests++
		if q.Flags&history.Masked != 0 {
			t.Masked++
		}
		if q.Flags&history.NewConnection != 0 {
			t.NewConnections++
		}
		lag = append(lag, q.Sent.Sub(q.Intended))
		if q.Class != history.Good {
			t.Failures[q.Class.String()]++
			continue
		}
		t.Good++
		latency = append(latency, q.Done.Sub(q.Intended))
		service = append(service, q.Done.Sub(q.Sent))
	}
	t.Latency, t.Service, t.LagP99 = distribution(latency), distribution(service), p99(lag)
	if t.Requests > 0 {
		point, bound := float64(t.Good)/float64(t.Requests), stats.Lower(t.Good, t.Requests, stats.Confidence)
		t.Availability, t.LowerBound = &point, &bound
	}
}

// distribution summarises samples, which it sorts.
func distribution(samples []time.Duration) Latency {
	if len(samples) == 0 {
		return Latency{}
	}
	slices.Sort(samples)
	p50, largest := quantile(samples, 50), samples[len(samples)-1]
	return Latency{P50: &p50, P99: p99(samples), Max: &largest}
}

// p99 is the 99th percentile of samples, which it sorts; nil if they are too
// few for it.
func p99(samples []time.Duration) *time.Duration {
	if len(samples) < minForP99 {
		return nil
	}
	slices.Sort(samples)
	v := quantile(samples, 99)
	return &v
}

// quantile is the nearest-rank percentile of sorted samples, of which there
// is at least one.
func quantile(sorted []time.Duration, percent int) time.Duration {
	rank := (len(sorted)*percent + 99) / 100
	return sorted[max(rank, 1)-1]
}

// generations lists which generations each node's answers carried, by node
// and then by generation.
func (r recorded) generations() []Generation {
	type key struct{ node, generation int }
	names := []string{}
	found := map[key]*Generation{}
	rows := []*Generation{}
	for i, stream := range r.header.Streams {
		node := slices.Index(names, stream.Node)
		if node < 0 {
			node = len(names)
			names = append(names, stream.Node)
		}
		for _, q := range r.streams[i] {
			if q.Class != history.Good || q.Generation == 0 {
				continue
			}
			k := key{node, int(q.Generation)}
			if found[k] == nil {
				found[k] = &Generation{Node: stream.Node, Generation: k.generation, First: q.Done}
				rows = append(rows, found[k])
			}
			g := found[k]
			g.Answers++
			g.First, g.Last = min(g.First, q.Done), max(g.Last, q.Done)
		}
	}
	sorted := make([]Generation, 0, len(rows))
	for _, g := range rows {
		sorted = append(sorted, *g)
	}
	slices.SortStableFunc(sorted, func(a, b Generation) int {
		return cmp.Or(cmp.Compare(slices.Index(names, a.Node), slices.Index(names, b.Node)),
			cmp.Compare(a.Generation, b.Generation))
	})
	return sorted
}

// buckets is the number of slices that the timeline is cut into.
const buckets = 180

// timeline cuts the run into equal slices. Without traffic it is empty.
func (r recorded) timeline() []Bucket {
	if r.end <= 0 || !slices.ContainsFunc(r.streams, func(s []history.Request) bool { return len(s) > 0 }) {
		return []Bucket{}
	}
	line := make([]Bucket, buckets)
	latency := make([][]time.Duration, buckets)
	for i := range line {
		line[i].From, line[i].To = edgeOf(i, r.end), edgeOf(i+1, r.end)
		line[i].Failures = map[string]int{}
	}
	for _, requests := range r.streams {
		for _, q := range requests {
			i := bucketOf(q.Intended, r.end)
			line[i].Requests++
			if q.Class == history.Good {
				latency[i] = append(latency[i], q.Done.Sub(q.Intended))
			} else {
				line[i].Failures[q.Class.String()]++
			}
		}
	}
	for i, samples := range latency {
		if len(samples) == 0 {
			continue
		}
		slices.Sort(samples)
		half, high := quantile(samples, 50), quantile(samples, 99)
		line[i].P50, line[i].P99 = &half, &high
	}
	return line
}

// edgeOf is where the i-th bucket begins.
func edgeOf(i int, end history.Time) history.Time {
	return history.Time(float64(end) * float64(i) / buckets)
}

// bucketOf is the bucket that a moment falls into.
func bucketOf(t, end history.Time) int {
	return min(max(int(float64(t)/float64(end)*buckets), 0), buckets-1)
}
