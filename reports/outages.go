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
		for _, runs := range mergeRuns(failureRuns(requests)) {
			o := window(requests, runs, r.end)
			o.Stream, o.Node = stream.Name, stream.Node
			o.Causes, o.Suspects = inForce(faults, Interval{From: o.Start.From, To: o.End.To}, r.end)
			outages = append(outages, o)
		}
	}
	slices.SortStableFunc(outages, func(a, b Outage) int { return cmp.Compare(a.Start.From, b.Start.From) })
	return outages
}

// failureRuns returns the unbroken runs of failures.
func failureRuns(requests []history.Request) []failureRun {
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

// window bounds an outage by its neighbours. It began after the last good
// request before it was sent, and not later than its first failure was known;
// it ended not before its last failure was sent, and not later than the first
// good answer after it was complete.
func window(requests []history.Request, runs []failureRun, end history.Time) Outage {
	first, last := runs[0].first, runs[len(runs)-1].last
	o := Outage{
		Start:     Interval{From: requests[first].Sent, To: failedBy(requests[first])},
		End:       Interval{From: requests[last].Sent, To: end},
		OpenStart: first == 0,
		OpenEnd:   last == len(requests)-1,
		Classes:   map[string]int{},
		Runs:      len(runs),
	}
	if !o.OpenStart {
		o.Start.From = requests[first-1].Sent
	}
	if !o.OpenEnd {
		o.End.To = requests[last+1].Done
	}
	// A request sent late can be overtaken by its successor; bounds must not cross.
	o.Start.To = max(o.Start.To, o.Start.From)
	o.End.To = max(o.End.To, o.End.From)
	o.Min = max(0, o.End.From.Sub(o.Start.To))
	o.Max = o.End.To.Sub(o.Start.From)
	for _, run := range runs {
		for _, q := range requests[run.first : run.last+1] {
			o.Failed++
			o.Classes[q.Class.String()]++
		}
	}
	return o
}

// failedBy is when the outage was on, at the latest, judged by its first
// failure. A time-out is known only long after the answer stayed away, so
// that the time of sending is the closer bound.
func failedBy(q history.Request) history.Time {
	if q.Class == history.Timeout {
		return q.Sent
	}
	return q.Done
}
