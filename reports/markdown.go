// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"fmt"
	"slices"
	"strings"

	"blackout/harness/oracle"
)

// The sizes that keep report.md fit for a CI job summary.
const (
	markdownLimit   = 20_000 // bytes
	markdownReserve = 300    // bytes kept for the closing line
	markdownCell    = 240    // characters of one cell
	markdownRows    = 25     // rows of one table
)

// renderMarkdown writes the summary. Sections that would burst the limit are
// left out and named.
func renderMarkdown(m Model) ([]byte, error) {
	type titled struct {
		title string
		table table
	}
	sections := []titled{{"Promises", promiseTable(m)}}
	for _, s := range objectiveSections(m) {
		sections = append(sections, titled{s.Title, s.Table})
	}
	sections = append(sections, []titled{
		{"Clauses that did not hold", clauseTable(m)},
		{"Outages", outageTable(m)},
		{"Traffic", trafficTable(m)},
		{"Latency by percentile", percentileTable(m)},
		{"Errors and masked failures", errorTable(m)},
		{"Error budget", budgetTable(m)},
		{"Faults", faultTable(m)},
		{"Data plane starts", startTable(m)},
		{"Changes", changeTable(m)},
		{"Store reads after boot", storeReadTable(m)},
		{"Store requests", storeTable(m)},
		{"Connection attempts", connectionTable(m)},
		{"Incidents", incidentTable(m)},
		{"Last runs", lastRunsSection(m).Table},
		{"Measurement validity", validityTable(m)},
		{"Planned against real", stepTable(m)},
		{"Provenance", provenanceTable(m)},
	}...)
	var b strings.Builder
	markdownHead(&b, m)
	var omitted []string
	for _, s := range sections {
		text := fmt.Sprintf("\n## %s\n\n%s", s.title, s.table.markdown())
		if b.Len()+len(text) > markdownLimit-markdownReserve {
			omitted = append(omitted, s.title)
			continue
		}
		b.WriteString(text)
	}
	if len(omitted) > 0 {
		fmt.Fprintf(&b, "\nLeft out for size, see %s: %s.\n", HTMLFile, strings.Join(omitted, ", "))
	}
	return []byte(b.String()), nil
}

// markdownHead writes the title, the outcome and the first questions.
func markdownHead(b *strings.Builder, m Model) {
	fmt.Fprintf(b, "# %s: %s\n\n", m.Outcome.Status, mdText(m.Scenario))
	fmt.Fprintf(b, "Run %s, seed %d, engine %s, timer profile %s, started %s, lasted %s.\n\n",
		mdText(m.Run), m.Seed, mdText(m.Engine), mdText(recordedOr(m.Profile.Name)), started(m), duration(m.Duration))
	for _, a := range m.Answers {
		lines := a.Lines[:min(len(a.Lines), 6)]
		fmt.Fprintf(b, "- **%s**", a.Question)
		for _, line := range lines {
			if line == m.Environment.Repeat {
				fmt.Fprintf(b, " %s", mdCode(line))
				continue
			}
			fmt.Fprintf(b, " %s", mdText(line))
		}
		if n := len(a.Lines) - len(lines); n > 0 {
			fmt.Fprintf(b, " (and %d more)", n)
		}
		b.WriteString("\n")
	}
}

// clauseTable lists the clauses that a reader must act upon or know about.
func clauseTable(m Model) table {
	t := table{
		head: []string{"Clause", "Verdict", "Why", "First evidence"},
		none: "Every clause held.",
	}
	if len(m.Promises) == 0 {
		t.none = "No promise was judged."
	}
	for _, p := range m.Promises {
		for _, c := range p.Clauses {
			if c.Status == oracle.Held {
				continue
			}
			seen := ""
			if len(c.Evidence) > 0 {
				seen = offset(c.Evidence[0].At) + " " + c.Evidence[0].Text
			}
			t.rows = append(t.rows, []string{c.ID + " " + c.Title, statusText(c.Status), c.Reason, seen})
		}
	}
	return t
}

// markdown renders the table, or what is said in its place.
func (t table) markdown() string {
	if len(t.rows) == 0 {
		return mdText(t.none) + "\n"
	}
	var b strings.Builder
	mdRow(&b, t.head)
	mdRow(&b, slices.Repeat([]string{"---"}, len(t.head)))
	shown := min(len(t.rows), markdownRows)
	for _, row := range t.rows[:shown] {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = mdText(cell)
		}
		mdRow(&b, cells)
	}
	if n := len(t.rows) - shown; n > 0 {
		fmt.Fprintf(&b, "\nand %d more in %s.\n", n, JSONFile)
	}
	return b.String()
}

// mdRow writes one row of cells that are Markdown already.
func mdRow(b *strings.Builder, cells []string) {
	b.WriteString("| " + strings.Join(cells, " | ") + " |\n")
}

// mdSpecial are the characters that begin a construct in Markdown, and those
// with which HTML, formulas and mentions begin in its dialects.
const mdSpecial = "\\`*_{}[]()#!|<>&~$@^"

// mdText escapes text for a Markdown paragraph or table cell.
func mdText(s string) string {
	var b strings.Builder
	s = shorten(s, markdownCell)
	for i, r := range s {
		link := r == ':' && strings.HasPrefix(s[i:], "://")
		list := i == 0 && (r == '-' || r == '+')
		if strings.ContainsRune(mdSpecial, r) || link || list {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// mdCode renders text as code within a line; its fence is longer than any run
// of backticks in it.
func mdCode(s string) string {
	s = clean(s)
	longest, run := 0, 0
	for _, r := range s {
		if r != '`' {
			run = 0
			continue
		}
		run++
		longest = max(longest, run)
	}
	fence := strings.Repeat("`", longest+1)
	return fence + " " + s + " " + fence
}
