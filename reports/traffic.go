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
	requests := map[string][][]*history.Request{} // by node, those of each stream
	for i, stream := range r.header.Streams {
		at := slices.IndexFunc(rows, func(t Traffic) bool { return t.Node == stream.Node })
		if at < 0 {
			at = len(rows)
			rows = append(rows, Traffic{Node: stream.Node, Resolution: stream.Interval, Failures: map[string]int{}})
		}
		rows[at].Streams++
		rows[at].Resolution = min(rows[at].Resolution, stream.Interval)
		requests[stream.Node] = append(requests[stream.Node], r.streams[i])
	}
	var s samples
	for i := range rows {
		rows[i].count(requests[rows[i].Node], &s)
	}
	return rows
}

// samples are figures of a node's requests, kept for the next node's: an hour has millions.
type samples struct{ latency, service, lag []time.Duration }

// room empties the samples and makes room for so many.
func (s *samples) room(n int) {
	for _, figures := range []*[]time.Duration{&s.latency, &s.service, &s.lag} {
		*figures = slices.Grow((*figures)[:0], n)
	}
}

// count adds the figures of the node's requests.
func (t *Traffic) count(streams [][]*history.Request, s *samples) {
	n := 0
	for _, requests := range streams {
		n += len(requests)
	}
	s.room(n)
	for _, requests := range streams {
		t.add(requests, s)
	}
	t.Latency, t.Service, t.LagP99 = distribution(s.latency), distribution(s.service), p99(s.lag)
	if t.Requests > 0 {
		point, bound := float64(t.Good)/float64(t.Requests), stats.Lower(t.Good, t.Requests, stats.Confidence)
		t.Availability, t.LowerBound = &point, &bound
	}
}

// add adds one stream's requests.
func (t *Traffic) add(requests []*history.Request, s *samples) {
	for _, q := range requests {
		t.Requests++
		if q.Flags&history.Masked != 0 {
			t.Masked++
		}
		if q.Flags&history.NewConnection != 0 {
			t.NewConnections++
		}
		s.lag = append(s.lag, q.Sent.Sub(q.Intended))
		if q.Class != history.Good {
			t.Failures[q.Class.String()]++
			continue
		}
		t.Good++
		s.latency = append(s.latency, q.Done.Sub(q.Intended))
		s.service = append(s.service, q.Done.Sub(q.Sent))
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
	if r.end <= 0 || !slices.ContainsFunc(r.streams, func(s []*history.Request) bool { return len(s) > 0 }) {
		return []Bucket{}
	}
	line := make([]Bucket, buckets)
	rest := slices.Clone(r.streams) // what no bucket has yet
	var latency []time.Duration
	for i := range line {
		b := &line[i]
		b.From, b.To, b.Failures = edgeOf(i, r.end), edgeOf(i+1, r.end), map[string]int{}
		latency = latency[:0]
		for k := range rest {
			for ; len(rest[k]) > 0 && bucketOf(rest[k][0].Intended, r.end) == i; rest[k] = rest[k][1:] {
				latency = b.add(rest[k][0], latency)
			}
		}
		if len(latency) > 0 {
			slices.Sort(latency)
			half, high := quantile(latency, 50), quantile(latency, 99)
			b.P50, b.P99 = &half, &high
		}
	}
	return line
}

// add counts a request, and adds its latency to the others' if its answer was good.
func (b *Bucket) add(q *history.Request, latency []time.Duration) []time.Duration {
	b.Requests++
	if q.Class == history.Good {
		return append(latency, q.Done.Sub(q.Intended))
	}
	b.Failures[q.Class.String()]++
	return latency
}

// edgeOf is where the i-th bucket begins.
func edgeOf(i int, end history.Time) history.Time {
	return history.Time(float64(end) * float64(i) / buckets)
}

// bucketOf is the bucket that a moment falls into.
func bucketOf(t, end history.Time) int {
	return min(max(int(float64(t)/float64(end)*buckets), 0), buckets-1)
}
