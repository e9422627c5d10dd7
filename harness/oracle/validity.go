// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"cmp"
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
	// MaxClockStep is how far the run's clock may seem to go backwards from one
	// event to the next.
	MaxClockStep = 100 * time.Millisecond
	// MaxThrottled is the share of the run for which the harness may have been
	// kept from the processor by its limits.
	MaxThrottled = 0.01
)

// The names of the checks, in the order in which reports show them.
const (
	CheckFinished  = "plan carried out"
	CheckSent      = "requests sent"
	CheckQuiet     = "quiet before the fault"
	CheckWitnessed = "faults witnessed"
	CheckSchedule  = "schedule kept"
	CheckOnTime    = "prober on time"
	CheckClock     = "clock went forward"
	CheckThrottled = "harness not throttled"
	CheckMachine   = "machine answered"
	CheckHarness   = "harness without errors"
)

// NotCarriedOut is the reason why nothing is held of a run whose plan ended early.
const NotCarriedOut = "the plan was not carried out to its end"

// usable says why nothing of the run counts, or why nothing of it can be called
// held; both are empty for a good run.
func (v *view) usable() (void, unfinished string) {
	return v.void(), v.unfinished()
}

func (v *view) void() string {
	end := v.ends.runEnd
	switch {
	case v.ends.events == 0:
		return "nothing was recorded"
	case end == nil:
		return "the recording ends before its run did"
	case v.ends.damage != "":
		return "the recording is damaged: " + v.ends.damage
	case end.Events > v.ends.events || end.Requests > v.traffic.requests:
		return fmt.Sprintf("the recording is damaged: its run wrote %d events and %d requests, %d and %d are there",
			end.Events, end.Requests, v.ends.events, v.traffic.requests)
	case v.clock.wrong(v.traffic.early) != "":
		return v.clock.wrong(v.traffic.early)
	case v.ends.unsteady != "":
		return "steady state was not reached: " + v.ends.unsteady
	case len(v.faults) == 0 && len(v.ends.unstaged) == 0:
		return "no fault was in force"
	case v.traffic.requests == 0:
		return "no request was sent"
	}
	return ""
}

func (v *view) unfinished() string {
	strays := v.node(history.NoAuthor).requests
	switch {
	case len(v.ends.harness) > 0:
		return "the harness failed: " + v.ends.harness[0]
	case v.ends.environment != "":
		return v.ends.environment
	case len(strays) > 0:
		return "a request to the store has no author: " + strays[0].String()
	case v.ends.runEnd != nil && !v.ends.runEnd.OK:
		return NotCarriedOut
	}
	return ""
}

// checks are the tests of the measurement, in the order in which reports show
// them.
func (v *view) checks() []Check {
	return []Check{
		v.finished(), v.sentRequests(), v.quietBefore(), v.faultsWitnessed(), v.sentOnSchedule(), v.onTime(), v.clockForward(),
		v.notThrottled(), v.machineAnswered(), v.noHarnessErrors(),
	}
}

func (v *view) finished() Check {
	c := Check{Name: CheckFinished}
	switch {
	case v.ends.unsteady != "":
		c.Text = "steady state was not reached: " + v.ends.unsteady
	case v.ends.runEnd != nil && v.ends.runEnd.OK:
		c.OK, c.Text = true, fmt.Sprintf("%d of %d steps", v.ends.done, v.ends.begun)
	case v.ends.interrupted != "":
		c.Text = "interrupted by " + v.ends.interrupted
	default:
		c.Text = "it ended early"
	}
	return c
}

func (v *view) sentRequests() Check {
	n := v.traffic.requests
	return Check{Name: CheckSent, OK: n > 0, Text: fmt.Sprintf("%d requests on %d streams", n, len(v.traffic.streams))}
}

// quietBefore says whether traffic was clean before the first fault: what fails
// without a fault cannot be laid at a fault's door.
func (v *view) quietBefore() Check {
	before := v.traffic.before
	if before.requests == 0 {
		return Check{Name: CheckQuiet, Text: "no request was answered before the first fault"}
	}
	return Check{Name: CheckQuiet, OK: before.failed == 0, Text: fmt.Sprintf("%d of %d requests failed before the first fault", before.failed, before.requests)}
}

func (v *view) firstFault() history.Time {
	if len(v.faults) > 0 {
		return v.faults[0].inject
	}
	return v.end
}

func (v *view) faultsWitnessed() Check {
	var unseen []string
	for _, f := range v.faults {
		switch {
		case !f.witnessed:
			unseen = append(unseen, f.String())
		case f.belied != "":
			unseen = append(unseen, f.String()+": "+f.belied)
		case !Knows(f.kind):
			unseen = append(unseen, f.String()+", of which no oracle knows what it means")
		}
	}
	slices.Sort(unseen)
	c := Check{Name: CheckWitnessed, OK: len(v.faults) > 0 && len(unseen) == 0, Text: fmt.Sprintf("%d of %d faults were seen to be in force", len(v.faults)-len(unseen), len(v.faults))}
	if len(unseen) > 0 {
		c.Text += "; not " + strings.Join(unseen, ", ")
	}
	return c
}

func (v *view) sentOnSchedule() Check {
	due, sent, slots := 0, 0, 0
	var why []string
	for _, s := range v.traffic.streams {
		due, sent = due+s.due(v.end), sent+s.sent
		if s.own {
			slots++
		}
		if w := s.unsound(v.end); w != "" {
			why = append(why, w)
		}
	}
	c := Check{Name: CheckSchedule, OK: enough(due, sent) && len(why) == 0, Text: fmt.Sprintf("%d requests sent of %d due", sent, due)}
	if slots > 0 {
		c.Text += fmt.Sprintf("; on %d of %d streams each was due when it says", slots, len(v.traffic.streams))
	}
	if len(why) > 0 {
		c.Text += "; " + why[0]
	}
	return c
}

func (v *view) onTime() Check {
	if v.traffic.lags.count == 0 {
		return Check{Name: CheckOnTime, Unmeasured: true, Text: "not measured: no request was sent"}
	}
	p99 := v.traffic.lags.p99()
	return Check{Name: CheckOnTime, OK: p99 <= MaxLag,
		Text: fmt.Sprintf("99%% of the requests left within %.1f ms of their intended time (limit %s; beyond it latencies are not to be trusted, availability is)", float64(p99)/1e6, MaxLag)}
}

func (v *view) clockForward() Check {
	wrong := v.clock.wrong(v.traffic.early)
	c := Check{Name: CheckClock, OK: wrong == "", Text: "every event was stamped after the one before it"}
	if wrong != "" {
		c.Text = wrong
	}
	if v.clock.jump != 0 {
		c.Text += fmt.Sprintf("; the wall clock was set by %s beside it, which nothing rests on", seconds(v.clock.jump))
	}
	return c
}

// notThrottled looks at the harness's own processor time: a throttled prober sends
// late, and sees late what happened.
func (v *view) notThrottled() Check {
	c := Check{Name: CheckThrottled}
	m := v.throttled
	if m.samples < 2 || m.last.at <= m.first.at {
		c.Unmeasured, c.Text = true, "not measured: "+cmp.Or(m.unknown, "nobody sampled for how long the harness was throttled")
		return c
	}
	share := (m.last.value - m.first.value) / m.last.at.Sub(m.first.at).Seconds()
	c.OK = share <= MaxThrottled
	c.Text = fmt.Sprintf("it was kept from the processor for %.1f%% of the time (limit %.0f%%; beyond it latencies are not to be trusted, availability is)", 100*share, 100*MaxThrottled)
	return c
}

func (v *view) noHarnessErrors() Check {
	errs := v.ends.harness
	if len(errs) == 0 {
		return Check{Name: CheckHarness, OK: true, Text: "none"}
	}
	return Check{Name: CheckHarness, Text: fmt.Sprintf("%d, first: %s", len(errs), errs[0])}
}
