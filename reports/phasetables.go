// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"blackout/reports/objective"
)

// phaseName is a phase as readers know it.
func phaseName(phase string) string {
	switch phase {
	case objective.Steady:
		return "before the outage"
	case objective.Outage:
		return "control plane gone"
	case objective.Beside:
		return "gone for others only"
	case objective.Recovery:
		return "after the outage"
	case objective.Away:
		return "stopped by the harness"
	}
	return phase
}

// phaseTable lists errors by node, phase and class.
func phaseTable(m Model) table {
	return phasesTable(m, func(PhaseTraffic) bool { return true })
}

// errorTable is of those in which anything went wrong.
func errorTable(m Model) table {
	t := phasesTable(m, func(p PhaseTraffic) bool { return len(p.Failures) > 0 || p.Masked > 0 || p.Late > 0 })
	requests := 0
	for _, p := range m.TrafficByPhase {
		requests += p.Requests
	}
	if requests > 0 {
		t.none = fmt.Sprintf("None of %s failed, came too late or was masked.", count(requests, "request"))
	}
	return t
}

func phasesTable(m Model, which func(PhaseTraffic) bool) table {
	t := table{
		head: []string{"Node", "Phase", "Requests", "Errors by class", "Too late", "Masked", "Availability, strict", "As a client sees it"},
		none: "Errors: " + notMeasured + ". No request was sent.",
	}
	for _, p := range m.TrafficByPhase {
		if !which(p) {
			continue
		}
		t.rows = append(t.rows, []string{p.Node, phaseName(p.Phase), strconv.Itoa(p.Requests), classes(p.Failures),
			strconv.Itoa(p.Late), strconv.Itoa(p.Masked), percent(p.Strict), percent(p.Client)})
	}
	return t
}

func storeReadTable(m Model) table {
	t := table{
		head: []string{"Data plane", "Ready from", "Watched for", "Requests with its credential", "Connections on its edge", "Bytes on its edge, at most"},
		none: "Store reads after boot: " + notMeasured + ". No data plane that may import was ready.",
	}
	for _, s := range m.StoreReads {
		bytes := number(s.Bytes)
		if s.Probed {
			bytes = notMeasured + ": the harness connected there, too"
		}
		t.rows = append(t.rows, []string{s.Node, offset(s.From), duration(s.Watched), number(s.Requests), number(s.Connections), bytes})
	}
	return t
}

// measurementTable is how well the harness kept its schedule.
func measurementTable(m Model) table {
	q := m.Measurement
	t := table{head: []string{"Figure", "Value", "Means"}}
	add := func(name, value, means string) { t.rows = append(t.rows, []string{name, value, means}) }
	add("Lag p50 / p99 / highest", Latency{q.LagP50, q.LagP99, q.LagMax}.String(), "how late requests were sent; latency counts from when they were due all the same")
	add("Requests sent late", ofAll(q.Late, q.Requests), "by more than "+q.LateLimit.String()+", the limit for the 99th percentile")
	add("Slots due / sent", number(q.Due)+" / "+number(q.Sent), "requests that the schedule asked for, and those answered or failed")
	add("Slots without a free worker", number(q.Saturated), "a stream with any was not open loop")
	add("Resolution", span(q.Resolution), "the longest probe interval: a shorter outage can be missed, and no shorter one is excluded")
	add("Throttled", number(q.ThrottledPeriods)+" periods, "+span(q.Throttled), "the kernel kept the harness from the processor, for its control group had used up its quota")
	add("Garbage collection", span(q.GCPause), "for which it stopped the harness, in all")
	add("Processor time of the harness", span(q.CPUTime), "")
	load := notMeasured
	if q.Load != nil {
		load = strconv.FormatFloat(*q.Load, 'f', 2, 64)
	}
	add("Highest load average", load, "of the machine, over a minute: tasks that run or wait to")
	return t
}

// ofAll is an optional count of a whole.
func ofAll(n *int, all int) string {
	if n == nil {
		return notMeasured
	}
	return fmt.Sprintf("%d of %d", *n, all)
}

// budgetTable tells each budget figure by figure, each with what it comes from.
func budgetTable(m Model) table {
	t := table{head: []string{"Objective", "Figure", "Value", "How it comes about"}, none: "No SLO file was given, so there is no error budget."}
	if m.SLO != nil {
		t.none = "No objective of " + m.SLO.File + " is a share with a target, so there is no error budget."
	}
	for _, b := range m.Budgets {
		t.rows = append(t.rows, b.rows()...)
	}
	return t
}

// rows are the figures of one budget.
func (b Budget) rows() [][]string {
	may := shareText(1 - b.Target)
	rows := [][]string{{b.Objective, "allowed in this run", atMostText(b.Allowed) + " bad",
		fmt.Sprintf("the target of %s lets %s of %d %s be bad", shareText(b.Target), may, b.Samples, b.SamplesName)}}
	used := notMeasured
	if b.Used != nil {
		used = fmt.Sprintf("%d bad: %s", b.Bad, roundedShare(*b.Used))
	}
	rows = append(rows, []string{b.Objective, "used in this run", used, "the bad ones by those that are allowed; more than 100% misses the target"})
	if b.Failing != nil {
		rows = append(rows, []string{b.Objective, "allowed in " + b.Window, duration(time.Duration(*b.Failing)),
			fmt.Sprintf("%s of %s: so long may nothing be good", may, b.Window)})
	}
	if b.Missing != "" {
		return append(rows, []string{b.Objective, "cost of an outage", notMeasured, b.Missing})
	}
	like := "one outage as in this run"
	if b.Outages > 1 {
		like = fmt.Sprintf("one outage as the mean of %d in this run", b.Outages)
	}
	return append(rows, b.costRow(like, *b.Like), b.costRow("one outage of 60 min", *b.Hour))
}

// costRow is what an outage costs, and what it was computed from.
func (b Budget) costRow(name string, c Cost) []string {
	return []string{b.Objective, name, fmt.Sprintf("%s of the budget of %s, at most %s", roundedShare(c.Measured), b.Window, raisedShare(c.AtMost)),
		fmt.Sprintf("%s with %s of %s bad, of %s allowed; at most %s bad, at the confidence %s", duration(c.Outage), roundedShare(*b.Share), b.SamplesName,
			duration(time.Duration(*b.Failing)), raisedShare(*b.AtMost), plain(b.Confidence))}
}

// shareText is a share that is given, in its shortest form.
func shareText(share float64) string {
	return plain(math.Round(share*1e12)/1e10) + "%"
}

// roundedShare is a share that was seen, with three digits.
func roundedShare(share float64) string {
	text := strconv.FormatFloat(100*share, 'g', 3, 64)
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return text + "%"
	}
	return plain(v) + "%"
}

// raisedShare is an upper bound with three digits, never rounded down.
func raisedShare(share float64) string {
	if share <= 0 {
		return "0%"
	}
	unit := math.Pow(10, math.Floor(math.Log10(100*share))-2)
	steps := math.Ceil(100*share/unit - 1e-9)
	v, err := strconv.ParseFloat(strconv.FormatFloat(steps*unit, 'g', 3, 64), 64)
	if err != nil {
		return notMeasured
	}
	return plain(v) + "%"
}

// atMostText is a count that need not be whole, with two decimals, never rounded up.
func atMostText(v float64) string { return plain(math.Floor(v*100+1e-6) / 100) }
