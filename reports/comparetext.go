// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"

	"blackout/harness/oracle"
)

// notAsked is the verdict of a run that was not asked.
const notAsked = "not asked"

// Text writes the comparison for a terminal. It returns the error of the writer.
func (c Comparison) Text(w io.Writer) error {
	var b strings.Builder
	head := table{head: []string{"", "first", "second", ""}}
	for _, x := range c.Basis {
		mark := "differs"
		if x.Same() {
			mark = "same"
		}
		head.rows = append(head.rows, []string{x.What, recordedOr(x.A), recordedOr(x.B), mark})
	}
	head.text(&b, "")
	c.verdicts(&b)
	for _, t := range []struct {
		title string
		table table
	}{{"traffic", c.trafficText()}, {"outages", c.outageText()}, {"starts", c.startText()}} {
		if len(t.table.rows) > 0 {
			fmt.Fprintf(&b, "\n%s\n", t.title)
			t.table.text(&b, "  ")
		}
	}
	for _, s := range []struct {
		title     string
		sentences []string
	}{{"not comparable", c.NotComparable}, {"note", c.Notes}} {
		if len(s.sentences) > 0 {
			fmt.Fprintf(&b, "\n%s\n", s.title)
		}
		for _, sentence := range s.sentences {
			fmt.Fprintf(&b, "  %s\n", clean(sentence))
		}
	}
	fmt.Fprintf(&b, "\n%s\n", c.sentence())
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write the comparison: %w", err)
	}
	return nil
}

// textCell is how many characters of a cell a terminal shows.
const textCell = 160

// text writes the table in columns.
func (t table) text(b *strings.Builder, indent string) {
	var aligned strings.Builder
	columns := tabwriter.NewWriter(&aligned, 0, 0, 2, ' ', 0)
	for _, row := range append([][]string{t.head}, t.rows...) {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = shorten(cell, textCell)
		}
		fmt.Fprintln(columns, indent+strings.Join(cells, "\t"))
	}
	_ = columns.Flush() // a builder takes everything
	for line := range strings.Lines(aligned.String()) {
		b.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
}

// verdicts writes the promises and clauses whose verdict changed.
func (c Comparison) verdicts(b *strings.Builder) {
	changed := table{head: []string{"", "first", "second", ""}}
	all := 0
	add := func(v ComparedVerdict) {
		all++
		if v.Changed() {
			says := v.Title
			if v.Reason != "" {
				says += ": " + v.Reason
			}
			changed.rows = append(changed.rows, []string{v.ID, asked(v.A), asked(v.B), says})
		}
	}
	for _, v := range c.Objectives {
		add(v)
	}
	for _, p := range c.Promises {
		add(p.ComparedVerdict)
		for _, v := range p.Clauses {
			add(v)
		}
	}
	fmt.Fprintf(b, "\nverdicts of promises, clauses and objectives: %d changed, %d did not\n", len(changed.rows), all-len(changed.rows))
	if len(changed.rows) > 0 {
		changed.text(b, "  ")
	}
}

// asked is a verdict in words.
func asked(s oracle.Status) string {
	if s == "" {
		return notAsked
	}
	return string(s)
}

// sentence says what got worse.
func (c Comparison) sentence() string {
	switch c.Worse() {
	case oracle.Violated:
		return "VIOLATED: something is that was not before."
	case oracle.Invalid:
		return "INVALID: something that could be judged before could not."
	case oracle.NotMeasured:
		return "NOT MEASURED: something that was judged before was not, or the runs cannot be compared."
	case NotProven:
		return "NOT PROVEN: something that was proven before is not."
	}
	return "No verdict got worse."
}

// compared is a figure in words, or that it is not compared.
func compared(is bool, figure string) string {
	if !is {
		return "not compared"
	}
	return figure
}

// absent fills the cells of a run that has nothing of a node.
const absent = "not there"

func (c Comparison) trafficText() table {
	t := table{head: []string{"node", "run", "requests", "failed", "availability", "lower bound (95%)", "latency p50 / p99 / max"}}
	row := func(node, run string, f *Figures) []string {
		if f == nil {
			return []string{node, run, absent, "", "", "", ""}
		}
		return []string{node, run, strconv.Itoa(f.Requests), strconv.Itoa(f.Failed), compared(c.shares, percent(f.Availability)),
			compared(c.shares, percent(f.LowerBound)), compared(c.times, f.Latency.String())}
	}
	for _, n := range c.Traffic {
		t.rows = append(t.rows, row(n.Node, "first", n.A), row("", "second", n.B))
	}
	return t
}

func (c Comparison) outageText() table {
	t := table{head: []string{"node", "run", "outages", "unexplained", "longest"}}
	row := func(node, run string, s *Spans) []string {
		switch {
		case s == nil:
			return []string{node, run, notMeasured, "", ""}
		case s.Outages == 0:
			return []string{node, run, "0", "0", "none"}
		case s.LongestMax == nil:
			return []string{node, run, strconv.Itoa(s.Outages), strconv.Itoa(s.Unexplained), "at least " + duration(s.Longest)}
		}
		return []string{node, run, strconv.Itoa(s.Outages), strconv.Itoa(s.Unexplained), duration(s.Longest) + " … " + duration(*s.LongestMax)}
	}
	for _, n := range c.Outages {
		t.rows = append(t.rows, row(n.Node, "first", n.A), row("", "second", n.B))
	}
	return t
}

func (c Comparison) startText() table {
	t := table{head: []string{"data plane", "run", "started", "control plane dialled", "store read ended", "ready", "first good answer"}}
	row := func(node, run string, s *Start) []string {
		if s == nil {
			return []string{node, run, absent, "", "", "", ""}
		}
		return []string{node, run, offset(s.At), after(s.Dial), after(s.StoreDone), after(s.Ready), after(s.FirstGood)}
	}
	for _, n := range c.Starts {
		t.rows = append(t.rows, row(n.Node, "first", n.A), row("", "second", n.B))
	}
	return t
}
