// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"blackout/harness/oracle"
)

// table is a table of plain text; each renderer escapes its cells. The first
// cell of a row names the row.
type table struct {
	head []string
	rows [][]string
	none string // said in its place when it has no rows
}

// drop takes out a column.
func (t *table) drop(head string) {
	i := slices.Index(t.head, head)
	t.head = slices.Delete(t.head, i, i+1)
	for k := range t.rows {
		t.rows[k] = slices.Delete(t.rows[k], i, i+1)
	}
}

// started is the run's wall clock at its start.
func started(m Model) string {
	if m.Started.IsZero() {
		return notRecorded
	}
	return m.Started.Format(time.RFC3339)
}

// marks are shapes that go with statuses, so that colour is never alone.
var marks = map[oracle.Status]string{
	oracle.Held: "✓", oracle.Violated: "✗", oracle.Invalid: "!", oracle.NotMeasured: "–", NotProven: "?",
	Running: "…", Open: "…", Broken: "✗",
}

// statusText is a status with its mark.
func statusText(s oracle.Status) string {
	if s == "" {
		s = "NO VERDICT"
	}
	return marks[known(s)] + " " + string(s)
}

func promiseTable(m Model) table {
	t := table{
		head: []string{"Promise", "Verdict", "Opportunities to fail", "Left open"},
		none: "No promise was judged.",
	}
	for _, p := range m.Promises {
		t.rows = append(t.rows, []string{p.Promise + " " + p.Title, statusText(p.Status), opportunities(p), leftOpen(p)})
	}
	return t
}

// opportunities sums up a promise's opportunities per unit.
func opportunities(p Promise) string {
	var units []string
	sums := map[string]int{}
	for _, c := range p.Clauses {
		if c.Opportunities == 0 {
			continue
		}
		if !slices.Contains(units, c.Unit) {
			units = append(units, c.Unit)
		}
		sums[c.Unit] += c.Opportunities
	}
	var parts []string
	for _, u := range units {
		parts = append(parts, tally(sums[u], u))
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}

// leftOpen names the clauses of a promise that the run says nothing about.
func leftOpen(p Promise) string {
	var parts, invalid []string
	for _, c := range p.Clauses {
		if known(c.Status) == oracle.Invalid {
			invalid = append(invalid, c.ID)
		}
	}
	if len(invalid) > 0 {
		parts = append(parts, "badly measured: "+strings.Join(invalid, ", "))
	}
	parts = append(parts, unmeasured(p)...)
	if len(parts) == 0 {
		return "nothing"
	}
	return strings.Join(parts, "; ")
}

func outageTable(m Model) table {
	t := table{
		head: []string{"Stream", "Began", "Ended", "Lasted", "Failed requests", "Runs", "Cause"},
		none: outagesSeen(m),
	}
	for _, o := range m.Outages {
		began, ended := between(o.Start), between(o.End)
		lasted := duration(o.Min) + " … " + duration(o.Max)
		if o.OpenStart {
			began = "no good answer before " + offset(o.Start.To)
		}
		if o.OpenEnd {
			ended = "no good answer after " + offset(o.End.From)
		}
		if o.OpenStart || o.OpenEnd {
			lasted = "at least " + duration(o.Min)
		}
		t.rows = append(t.rows, []string{o.Stream + " of " + o.Node, began, ended, lasted,
			fmt.Sprintf("%d (%s)", o.Failed, classes(o.Classes)), strconv.Itoa(o.Runs), cause(o)})
	}
	return t
}

// cause names the faults that overlap an outage.
func cause(o Outage) string {
	switch {
	case o.Explained():
		return list(o.Causes)
	case len(o.Suspects) > 0:
		return unexplained + " (not witnessed: " + list(o.Suspects) + ")"
	}
	return unexplained
}

// unexplained is the cause of an outage that no witnessed fault
// overlaps.
const unexplained = "UNEXPLAINED"

func trafficTable(m Model) table {
	t := table{
		head: []string{"Node", "Requests", "Good", "Failures", "Masked", "New connections", "Availability",
			"Lower bound (95%)", "Latency p50 / p99 / max", "Service p50 / p99 / max", "Lag p99", "Probe interval"},
		none: "Traffic: " + notMeasured + ". No stream was probed.",
	}
	for _, r := range m.Traffic {
		t.rows = append(t.rows, []string{r.Node, strconv.Itoa(r.Requests), strconv.Itoa(r.Good), classes(r.Failures),
			strconv.Itoa(r.Masked), strconv.Itoa(r.NewConnections), percent(r.Availability), proven(r.LowerBound),
			r.Latency.String(), r.Service.String(), span(r.LagP99), r.Resolution.String()})
	}
	return t
}

// String is the three figures in a row.
func (l Latency) String() string {
	if l.P50 == nil {
		return notMeasured
	}
	return span(l.P50) + " / " + span(l.P99) + " / " + span(l.Max)
}

func generationTable(m Model) table {
	t := table{
		head: []string{"Node", "Generation", "Good answers", "First", "Last"},
		none: "Generations served: " + notMeasured + ".",
	}
	for _, g := range m.Generations {
		t.rows = append(t.rows, []string{g.Node, strconv.Itoa(g.Generation), strconv.Itoa(g.Answers), offset(g.First), offset(g.Last)})
	}
	return t
}

func faultTable(m Model) table {
	t := table{
		head: []string{"Fault", "Put in force", "Healed", "Witnessed", "Healing witnessed"},
		none: "No fault was injected in this recording.",
	}
	for _, f := range m.Faults {
		began, ended := between(f.Start), "not within the recording"
		if !f.Active {
			began = offset(f.Start.From) + ", never confirmed"
		}
		if f.End != nil {
			ended = between(*f.End)
		}
		t.rows = append(t.rows, []string{f.Mode + " on " + f.Target(), began, ended, witnessed(&f.Witnessed, f.Witness), witnessed(f.HealWitnessed, f.HealWitness)})
	}
	return t
}

// witnessed says what a witness saw.
func witnessed(ok *bool, text string) string {
	switch {
	case ok == nil || !*ok && text == "":
		return "no: nobody looked"
	case *ok:
		return strings.TrimSuffix("yes: "+text, ": ")
	}
	return "no: " + text
}

func startTable(m Model) table {
	t := table{
		head: []string{"Data plane", "Started", "Control plane dialled", "Store read began", "Store read ended", "Ready", "First good answer", "Generation"},
		none: "No data plane was started in this run.",
	}
	for _, s := range m.Starts {
		t.rows = append(t.rows, []string{s.Node, offset(s.At), after(s.Dial), after(s.StoreRead), after(s.StoreDone), after(s.Ready), after(s.FirstGood), number(s.Generation)})
	}
	return t
}

// after is an optional time after a start.
func after(d *time.Duration) string {
	if d == nil {
		return notMeasured
	}
	return "after " + duration(*d)
}

func storeTable(m Model) table {
	t := table{
		head: []string{"Author", "Method", "Requests", "Succeeded", "Denied", "Failed", "Bytes sent", "First", "Last"},
		none: "No store request was recorded.",
	}
	for _, a := range m.Store {
		author := a.Author
		if author == "" {
			author = "(unknown author)"
		}
		t.rows = append(t.rows, []string{author, a.Method, strconv.Itoa(a.Requests), strconv.Itoa(a.Succeeded), strconv.Itoa(a.Denied),
			strconv.Itoa(a.Failed), strconv.FormatInt(a.Bytes, 10), offset(a.First), offset(a.Last)})
	}
	return t
}

func connectionTable(m Model) table {
	t := table{
		head: []string{"Edge", "Attempts", "Under a fault", "Shortest gap", "Median gap", "Bytes offered", "Bytes passed"},
		none: "Connection attempts: " + notMeasured + ". No edge had a meter.",
	}
	for _, c := range m.Connections {
		t.rows = append(t.rows, []string{c.Edge, number(c.Attempts), number(c.Faulted), span(c.MinGap), span(c.MedianGap), number(c.Offered), number(c.Passed)})
	}
	return t
}

func incidentTable(m Model) table {
	t := table{
		head: []string{"When", "What", "Node", "Details"},
		none: "None was recorded.",
	}
	for _, i := range m.Incidents {
		t.rows = append(t.rows, []string{offset(i.At), i.Kind, i.Node, i.Text})
	}
	return t
}

func validityTable(m Model) table {
	t := table{
		head: []string{"Check", "Result", "Measured against limit"},
		none: "No validity check was made.",
	}
	for _, c := range m.Validity {
		result := "✗ failed"
		switch {
		case c.OK:
			result = "✓ passed"
		case c.Unmeasured:
			result = "– not measured"
		}
		t.rows = append(t.rows, []string{c.Name, result, c.Text})
	}
	return t
}
