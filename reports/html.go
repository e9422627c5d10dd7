// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"bytes"
	_ "embed" // the page's template and style
	"fmt"
	"html/template"
	"regexp"
	"strconv"
	"strings"

	"blackout/harness/oracle"
)

//go:embed page/report.html.tmpl
var pageTemplate string

//go:embed page/report.css
var pageStyle string

// The sizes that keep report.html quick to open and to mail.
const (
	htmlLimit = 300_000 // bytes
	htmlRows  = 80      // rows of one table, before a page over the limit halves them
	htmlCell  = 300     // characters of one cell
)

// page is what the template renders.
type page struct {
	Model
	Style    template.CSS
	Chart    *chart
	First    []passage // before the timeline
	Passages []passage
	Last     lastSection // before the measurement's quality
	Buckets  table
	Rows     int // of one table
	Live     *live
}

// section is a titled table.
type section struct {
	ID, Title, Note string
	Table           table
}

// labelled is what the template's table is rendered from.
type labelled struct {
	Label string
	Table table
	Rows  [][]string
}

// errTooLarge is returned if even short tables and few bars burst the limit.
var errTooLarge = fmt.Errorf("the page is larger than %d bytes", htmlLimit)

// renderHTML writes the page of a run that has ended.
func renderHTML(m Model) ([]byte, error) { return renderPage(m, nil) }

// renderPage writes the page. Tables and the drawing are cut shorter until it fits
// the limit; report.json keeps every row.
func renderPage(m Model, l *live) ([]byte, error) {
	p := page{
		Model:   m,
		Style:   template.CSS(pageStyle) + l.style(),
		Live:    l,
		Buckets: bucketTable(m),
		Last:    lastRunsSection(m),
	}
	for i, s := range objectiveSections(m) {
		if i == 0 {
			p.First = append(p.First, passage{section: s})
			continue
		}
		p.First[0].More = append(p.First[0].More, fold{section: s})
	}
	spans := maxSpans
	for p.Rows = htmlRows; p.Rows > 1; p.Rows /= 2 {
		p.Chart, p.Passages = drawTimeline(m, spans), passages(m, spans)
		spans /= 2
		t, err := template.New("report").Funcs(p.funcs()).Parse(pageTemplate)
		if err != nil {
			return nil, fmt.Errorf("parse the page's template: %w", err)
		}
		var b bytes.Buffer
		if err := t.Execute(&b, p); err != nil {
			return nil, fmt.Errorf("execute the page's template: %w", err)
		}
		if b.Len() <= htmlLimit {
			return b.Bytes(), nil
		}
	}
	return nil, errTooLarge
}

// funcs are the template's functions. Text goes through cell or clean before
// the template escapes it for HTML.
func (p *page) funcs() template.FuncMap {
	return template.FuncMap{
		"cell":          func(s string) string { return unbroken(shorten(s, htmlCell)) },
		"clean":         clean,
		"tone":          tone,
		"statusTone":    statusTone,
		"started":       started,
		"status":        statusText,
		"mark":          func(s oracle.Status) string { return marks[known(s)] },
		"offset":        offset,
		"duration":      duration,
		"recorded":      recordedOr,
		"leftOpen":      leftOpen,
		"opportunities": func(p Promise) string { return unbroken(opportunities(p)) },
		"tally":         tally,
		"count":         count,
		"cut":           func(t table) int { return max(0, len(t.rows)-p.Rows) },
		"rows":          func(t table) [][]string { return t.rows[:min(len(t.rows), p.Rows)] },
		"allRows":       func(t table) [][]string { return t.rows },
		"head":          func(t table) []string { return t.head },
		"labelled":      func(label string, t table, rows [][]string) labelled { return labelled{label, t, rows} },
		"instead":       func(t table) string { return t.none },
	}
}

// statusTone is the style class of a status.
func statusTone(s oracle.Status) string {
	switch known(s) {
	case oracle.Held:
		return "good"
	case oracle.Violated, Broken:
		return "bad"
	case oracle.NotMeasured, Running, Open:
		return "quiet"
	}
	return "warn"
}

// tone is the style class of a cell by what it says.
func tone(cell string) string {
	switch {
	case strings.HasPrefix(cell, "✓"):
		return "good"
	case strings.HasPrefix(cell, "? "), strings.HasPrefix(cell, "! "):
		return "warn"
	case strings.HasPrefix(cell, "✗"), strings.HasPrefix(cell, unexplained):
		return "bad"
	case cell == notMeasured, cell == notRecorded:
		return "quiet"
	}
	return ""
}

// What must stay on one line: a number and its unit of time, and a unit's last
// word and its tally.
var (
	figure  = regexp.MustCompile(`(\d) (ms|µs|s)\b`)
	tallied = regexp.MustCompile(`: (\d+)(,|$)`)
)

// unbroken keeps a line from ending between a number and what it counts.
func unbroken(s string) string {
	return tallied.ReplaceAllString(figure.ReplaceAllString(s, "$1\u00a0$2"), ":\u00a0$1$2")
}

// bucketTable is the timeline in figures.
func bucketTable(m Model) table {
	t := table{head: []string{"From", "To", "Requests", "Latency p50", "Latency p99", "Failures"}}
	for _, b := range m.Timeline {
		p50, p99 := span(b.P50), span(b.P99)
		t.rows = append(t.rows, []string{offset(b.From), offset(b.To), strconv.Itoa(b.Requests), p50, p99, classes(b.Failures)})
	}
	return t
}
