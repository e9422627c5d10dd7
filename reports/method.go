// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"fmt"

	"blackout/reports/stats"
)

// methodTable says how figures come about.
func methodTable(m Model) table {
	t := table{head: []string{"Term", "Means"}, rows: [][]string{
		{"Request", "A probe sends requests by a schedule that waits for no answer. Each is due at a time that was fixed before; one that could not be sent then is late, not left out."},
		{"Good", "The expected status and a body of the probed route, complete. The body names the configuration generation that answered."},
		{"Latency", "From when the request was due to the whole answer, so that waiting before it was sent counts. Service time counts from when it was sent."},
		{"Masked", "A failure that Go's HTTP client hid by sending the request again on another connection. Counted by itself, and as bad in strict availability."},
		{"Outage", "A stream without good answers. Its edges were seen from outside, so each is a span: it began after a good answer that was surely before it and no later than its first failure; it ended after its last failure was sent and no later than a good answer that was surely after it."},
		{"Cause", "A fault that overlaps an outage and was witnessed: a probe through it failed, one beside it worked, and the meter behind it stood still. What no witnessed fault overlaps is " + unexplained + "."},
		{"Phase", "Before, while and after the control plane was gone for the data plane that a request was sent to, from the call that put the fault in force to the one that healed it."},
		{"Bound", fmt.Sprintf("One-sided, at the confidence %s if no other is named: Clopper-Pearson for shares, order statistics for percentiles and times, a moving-block bootstrap for ratios. No digit is shown that a bound does not carry.", plain(stats.Confidence))},
		{"This run", "What a bound says. Requests of one outage share its fate; a million of them say nothing of the next outage."},
		{"Outages in general", "Counted in outages: 59 clean ones prove that 95% of such outages are clean, 299 prove 99%."},
		{notMeasured, "Nobody saw it. It is never zero, and never good news."},
		{"Verdict of a promise", "HELD with the opportunities that it had to fail, VIOLATED by one counterexample, NOT MEASURED without an opportunity, INVALID if the measurement it rests on was bad."},
		{"Clock", "One monotonic clock for the whole run. Everything is computed from the recording, which can be judged again."},
	}}
	if m.SLO != nil {
		t.rows = append(t.rows, []string{"Verdict of an objective", "PROVEN if the bound carries it, VIOLATED if the other bound excludes it, NOT PROVEN between."})
	}
	return t
}
