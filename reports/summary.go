// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"blackout/harness/oracle"
)

// Summary writes a run's closing lines for the terminal: one line per promise
// with what it rests on, the clauses that broke or are missing, one per objective, the outcome,
// and the command that repeats the run. It returns the error of the writer.
func Summary(w io.Writer, m Model) error {
	var b strings.Builder
	width := 0
	for _, p := range m.Promises {
		width = max(width, utf8.RuneCountInString(p.Promise))
	}
	for _, p := range m.Promises {
		status := string(p.Status)
		if status == "" {
			status = "NO VERDICT"
		}
		fmt.Fprintf(&b, "%-*s  %-12s  %s (%s)", width, clean(p.Promise), clean(status), clean(p.Title), clean(opportunities(p)))
		for _, open := range unmeasured(p) {
			fmt.Fprintf(&b, "; %s", clean(open))
		}
		b.WriteByte('\n')
		summariseClauses(&b, p, width)
	}
	summariseObjectives(&b, m)
	o := m.Outcome
	fmt.Fprintf(&b, "\n%d held, %d violated, %d invalid, %d not measured\n", o.Held, o.Violated, o.Invalid, o.NotMeasured)
	if n := o.Objectives; m.SLO != nil {
		fmt.Fprintf(&b, "objectives: %d proven, %d violated, %d invalid, %d not measured, %d not proven\n", n.Proven, n.Violated, n.Invalid, n.NotMeasured, n.NotProven)
	}
	fmt.Fprintf(&b, "%s: %s\n", o.Status, clean(o.Sentence))
	fmt.Fprintf(&b, "again: %s\n", clean(recordedOr(m.Environment.Repeat)))
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write the summary: %w", err)
	}
	return nil
}

// summariseClauses writes a line for each clause that is broken, could not be
// judged or should have been measured and was not, with its first evidence.
func summariseClauses(b *strings.Builder, p Promise, width int) {
	for _, c := range p.Clauses {
		status := known(c.Status)
		if status == oracle.Held || status == oracle.NotMeasured && !slices.Contains(p.Missed, c.ID) {
			continue
		}
		fmt.Fprintf(b, "%*s  %s %s: %s\n", width, "", clean(c.ID), status, clean(c.Reason))
		if len(c.Evidence) > 0 {
			e := c.Evidence[0]
			fmt.Fprintf(b, "%*s    %s\n", width, "", offset(e.At)+" "+clean(e.Text))
		}
	}
}
