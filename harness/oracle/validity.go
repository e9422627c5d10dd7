// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"blackout/harness/history"
)

// The limits of a valid measurement.
const (
	// MinSent is the share of due requests that must have been sent.
	MinSent = 0.999
	// MaxLag is how late, at the 99th percentile, requests may be sent. A later
	// prober makes latencies untrustworthy; availability counts every request
	// all the same.
	MaxLag = 10 * time.Millisecond
)

// usable says why nothing of the run counts, or why nothing of it can be called
// held; both are empty for a good run.
func (v *view) usable() (void, unfinished string) {
	ends := v.events[history.RunEnd]
	switch {
	case len(v.rec.Events) == 0:
		return "nothing was recorded", ""
	case len(ends) == 0:
		return "the recording ends before its run did", ""
	case ends[len(ends)-1].Events > len(v.rec.Events) || ends[len(ends)-1].Requests > len(v.rec.Requests):
		return fmt.Sprintf("the recording is damaged: its run wrote %d events and %d requests, %d and %d are there",
			ends[len(ends)-1].Events, ends[len(ends)-1].Requests, len(v.rec.Events), len(v.rec.Requests)), ""
	case len(v.events[history.Unsteady]) > 0:
		return "steady state was not reached: " + v.events[history.Unsteady][0].Text, ""
	case len(v.events[history.FaultInject]) > 0 && len(v.rec.Requests) == 0:
		return "no request was sent", ""
	case len(v.events[history.HarnessError]) > 0:
		return "", "the harness failed: " + v.events[history.HarnessError][0].Error
	case len(v.events[history.EnvironmentError]) > 0:
		return "", v.events[history.EnvironmentError][0].Error
	case len(v.of(history.StoreRequest, "unknown")) > 0:
		return "", "a request to the store has no author: " + v.of(history.StoreRequest, "unknown")[0].Text
	case !ends[len(ends)-1].OK:
		return "", "the plan was not carried out to its end"
	case len(v.events[history.FaultInject]) == 0:
		return "no fault was in force", ""
	}
	return "", ""
}

// checks are the tests of the measurement, in the order in which reports show
// them.
func (v *view) checks() []Check {
	return []Check{v.finished(), v.sentRequests(), v.quietBefore(), v.faultsWitnessed(), v.sentOnSchedule(), v.onTime(), v.noHarnessErrors()}
}

func (v *view) finished() Check {
	c := Check{Name: "plan carried out"}
	ends := v.events[history.RunEnd]
	switch {
	case len(v.events[history.Unsteady]) > 0:
		c.Text = "steady state was not reached: " + v.events[history.Unsteady][0].Text
	case len(ends) > 0 && ends[len(ends)-1].OK:
		c.OK, c.Text = true, fmt.Sprintf("%d of %d steps", len(v.events[history.StepEnd]), len(v.events[history.StepBegin]))
	case len(v.events[history.Interrupted]) > 0:
		c.Text = "interrupted by " + v.events[history.Interrupted][0].Text
	default:
		c.Text = "it ended early"
	}
	return c
}

func (v *view) sentRequests() Check {
	n := len(v.rec.Requests)
	return Check{Name: "requests sent", OK: n > 0, Text: fmt.Sprintf("%d requests on %d streams", n, len(v.rec.Header.Streams))}
}

// quietBefore says whether traffic was clean before the first fault: what fails
// without a fault cannot be laid at a fault's door.
func (v *view) quietBefore() Check {
	first := v.firstFault()
	total, failed := 0, 0
	for _, r := range v.rec.Requests {
		if r.Done < first {
			total++
			if r.Class != history.Good || r.Flags&history.Masked != 0 {
				failed++
			}
		}
	}
	if total == 0 {
		return Check{Name: "quiet before the fault", Text: "no request was answered before the first fault"}
	}
	return Check{Name: "quiet before the fault", OK: failed == 0, Text: fmt.Sprintf("%d of %d requests failed before the first fault", failed, total)}
}

func (v *view) firstFault() history.Time {
	if faults := v.events[history.FaultInject]; len(faults) > 0 {
		return faults[0].At
	}
	return v.end
}

func (v *view) faultsWitnessed() Check {
	var unseen []string
	for edge, w := range v.cuts {
		if !w.witnessed {
			unseen = append(unseen, edge)
		}
	}
	slices.Sort(unseen)
	c := Check{Name: "faults witnessed", OK: len(v.cuts) > 0 && len(unseen) == 0, Text: fmt.Sprintf("%d of %d cuts were seen to be in force", len(v.cuts)-len(unseen), len(v.cuts))}
	if len(unseen) > 0 {
		c.Text += "; not " + strings.Join(unseen, ", ")
	}
	return c
}

// schedule counts the requests of a node's streams that were due and sent.
func (v *view) schedule(node string) (due, sent int) {
	begins, ends := v.of(history.TrafficBegin, node), v.of(history.TrafficEnd, node)
	if len(begins) == 0 {
		return 0, 0
	}
	end := v.end
	if len(ends) > 0 {
		end = ends[len(ends)-1].At
	}
	for _, s := range v.rec.Header.Streams {
		if s.Node == node && s.Interval > 0 {
			due += int(end.Sub(begins[0].At) / s.Interval)
		}
	}
	v.requests(node, func(history.Request) { sent++ })
	return due, sent
}

// unsent says how many of a node's requests were never sent, or nothing if all
// that were due were: what was not asked cannot be called held.
func (v *view) unsent(node string) string {
	due, sent := v.schedule(node)
	if due == 0 || enough(due, sent) {
		return ""
	}
	return fmt.Sprintf("only %d of %d requests due to %s were sent", sent, due, node)
}

func (v *view) sentOnSchedule() Check {
	due, sent := 0, 0
	for _, n := range v.planes {
		d, s := v.schedule(n.Name)
		due, sent = due+d, sent+s
	}
	return Check{Name: "schedule kept", OK: enough(due, sent), Text: fmt.Sprintf("%d requests sent of %d due", sent, due)}
}

// enough allows for one slot of each stream at the edges of the schedule.
func enough(due, sent int) bool {
	const edges = 4
	return sent > 0 && float64(sent+edges) >= MinSent*float64(due)
}

func (v *view) onTime() Check {
	lags := make([]time.Duration, len(v.rec.Requests))
	for i, r := range v.rec.Requests {
		lags[i] = r.Sent.Sub(r.Intended)
	}
	if len(lags) == 0 {
		return Check{Name: "prober on time", Text: "not measured: no request was sent"}
	}
	slices.Sort(lags)
	p99 := lags[(len(lags)*99)/100]
	return Check{Name: "prober on time", OK: p99 <= MaxLag,
		Text: fmt.Sprintf("99%% of the requests left within %.1f ms of their intended time (limit %s; beyond it latencies are not to be trusted, availability is)", float64(p99)/1e6, MaxLag)}
}

func (v *view) noHarnessErrors() Check {
	errs := v.events[history.HarnessError]
	if len(errs) == 0 {
		return Check{Name: "harness without errors", OK: true, Text: "none"}
	}
	return Check{Name: "harness without errors", Text: fmt.Sprintf("%d, first: %s", len(errs), errs[0].Error)}
}
