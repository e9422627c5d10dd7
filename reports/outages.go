// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"cmp"
	"slices"

	"blackout/harness/history"
)

// mergeBelow is the number of good answers in a row that ends an outage.
// Fewer between two runs of failures are flapping within one outage.
const mergeBelow = 3

// failureRun is an unbroken run of failures in a stream: the indices of its
// first and last request.
type failureRun struct{ first, last int }

// outages finds the windows without good answers, per stream, ordered by
// their earliest start.
func (r recorded) outages(faults []Fault) []Outage {
	outages := []Outage{}
	for i, requests := range r.streams {
		stream := r.header.Streams[i]
		requests = bySending(requests)
		longest := longestGood(requests)
		for _, runs := range mergeRuns(failureRuns(requests)) {
			o := window(requests, longest, runs, r.end)
			o.Stream, o.Node = stream.Name, stream.Node
			o.Causes, o.Suspects = inForce(faults, Interval{From: o.Start.From, To: o.End.To}, r.end)
			outages = append(outages, o)
		}
	}
	slices.SortStableFunc(outages, func(a, b Outage) int { return cmp.Compare(a.Start.From, b.Start.From) })
	return outages
}

// bySending orders a stream's requests by when they were sent: one that left late saw
// what was then, and not what was when it was due.
func bySending(requests []*history.Request) []*history.Request {
	order := func(a, b *history.Request) int { return cmp.Compare(a.Sent, b.Sent) }
	if slices.IsSortedFunc(requests, order) {
		return requests
	}
	requests = slices.Clone(requests)
	slices.SortStableFunc(requests, order)
	return requests
}

// failureRuns returns the unbroken runs of failures.
func failureRuns(requests []*history.Request) []failureRun {
	var runs []failureRun
	for i, q := range requests {
		switch {
		case q.Class == history.Good:
		case len(runs) > 0 && runs[len(runs)-1].last == i-1:
			runs[len(runs)-1].last = i
		default:
			runs = append(runs, failureRun{i, i})
		}
	}
	return runs
}

// mergeRuns groups runs that are separated by fewer than mergeBelow good
// answers.
func mergeRuns(runs []failureRun) [][]failureRun {
	var groups [][]failureRun
	for i, run := range runs {
		if i > 0 && run.first-runs[i-1].last-1 < mergeBelow {
			groups[len(groups)-1] = append(groups[len(groups)-1], run)
			continue
		}
		groups = append(groups, []failureRun{run})
	}
	return groups
}

// longestGood is the longest time that a good answer of a stream took.
func longestGood(requests []*history.Request) history.Time {
	var longest history.Time
	for _, q := range requests {
		if q.Class == history.Good {
			longest = max(longest, q.Done-q.Sent)
		}
	}
	return longest
}

// decided is by when it was decided what became of a request: its end. A time-out is known
// only long after the answer stayed away: what is to be answered is, within the longest
// time that a good answer took.
func decided(q *history.Request, slowest history.Time) history.Time {
	if q.Class == history.Timeout {
		return min(q.Done, q.Sent+slowest)
	}
	return q.Done
}

// window bounds an outage by what was decided around it. It began after the last good
// answer that was surely decided before it, and not later than its first failure was; it
// ended not before its last failure was sent, and not later than the first good answer
// that was surely decided after it. Good answers that overlap its failures, as those of
// requests that were overtaken, say nothing.
func window(requests []*history.Request, slowest history.Time, runs []failureRun, end history.Time) Outage {
	first, last := runs[0].first, runs[len(runs)-1].last
	o := Outage{
		Start:     Interval{From: requests[0].Sent, To: decided(requests[first], slowest)},
		End:       Interval{From: requests[last].Sent, To: end},
		OpenStart: first == 0,
		OpenEnd:   last == len(requests)-1,
		Classes:   map[string]int{},
		Runs:      len(runs),
	}
	over := o.Start.To
	for _, run := range runs {
		for _, q := range requests[run.first : run.last+1] {
			o.Start.To, over = min(o.Start.To, decided(q, slowest)), max(over, decided(q, slowest))
			o.Failed++
			o.Classes[q.Class.String()]++
		}
	}
	for i := first - 1; i >= 0; i-- {
		if q := requests[i]; q.Class == history.Good && q.Done <= requests[first].Sent {
			o.Start.From = q.Sent
			break
		}
	}
	for i := last + 1; i < len(requests); i++ {
		if q := requests[i]; q.Class == history.Good && q.Sent >= over {
			o.End.To = q.Done
			break
		}
	}
	o.Min = max(0, o.End.From.Sub(o.Start.To))
	o.Max = o.End.To.Sub(o.Start.From)
	return o
}
