// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"bytes"
	_ "embed" // the page's template and style
	"fmt"
	"html/template"
	"net/url"
	"strconv"
	"strings"
	"time"

	"blackout/harness/oracle"
)

//go:embed page/index.html.tmpl
var indexTemplate string

//go:embed page/index.css
var indexStyle string

// indexRows is how many runs the page shows, the newest.
const indexRows = 500

// indexPage is what the template renders.
type indexPage struct {
	Style    template.CSS
	Headline string
	Tone     string
	Since    []sinceRow
	Series   []seriesRow
	Promises []string
	Rows     []runRow
	Cut      int // runs that are not shown
	Unread   []string
	Nights   []link
}

// link is a page below the index's directory.
type link struct{ Href, Text string }

// runRow is a run on the page.
type runRow struct {
	Link     link
	Started  string
	Facts    []string // scenario, timers, engine, gateway, commit
	Status   oracle.Status
	Sentence string
	Verdicts []oracle.Status // by the page's promises; empty: not asked
	Figures  []string        // availability, start, recovery
}

// seriesRow is a series with its trends.
type seriesRow struct {
	Name   string
	Runs   int
	Trends []spark
}

// sinceRow is a promise that broke.
type sinceRow struct {
	Promise, Series string
	Held, First     runRow
	Tone, Then      string
}

// renderIndex writes the page.
func renderIndex(x Index) ([]byte, error) {
	p := indexPage{Style: template.CSS(pageStyle + indexStyle), Headline: x.Headline(), Tone: x.tone(), Promises: promisesOf(x.Runs), Unread: x.Unread}
	for _, s := range newSince(x) {
		p.Since = append(p.Since, s.row())
	}
	for _, s := range seriesOf(x) {
		p.Series = append(p.Series, seriesRow{Name: s.name(), Runs: len(s.runs), Trends: trends(s.runs)})
	}
	for i, r := range x.Runs {
		if i == indexRows {
			p.Cut = len(x.Runs) - indexRows
			break
		}
		p.Rows = append(p.Rows, rowOf(r, p.Promises))
	}
	for _, n := range x.Nights {
		p.Nights = append(p.Nights, link{href(n), n})
	}
	t, err := template.New("index").Funcs(template.FuncMap{
		"cell": func(s string) string { return unbroken(shorten(s, htmlCell)) }, "clean": clean, "statusTone": statusTone,
		"mark": func(s oracle.Status) string { return marks[known(s)] },
	}).Parse(indexTemplate)
	if err != nil {
		return nil, fmt.Errorf("parse the page's template: %w", err)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, p); err != nil {
		return nil, fmt.Errorf("execute the page's template: %w", err)
	}
	return b.Bytes(), nil
}

// standing is how many promises are VIOLATED that had HELD.
func (x Index) standing() int {
	n := 0
	for _, s := range newSince(x) {
		if s.again == nil {
			n++
		}
	}
	return n
}

// Headline says what there is, and whether anything is new.
func (x Index) Headline() string {
	says := count(len(x.Runs), "run") + ". No promise that HELD before is VIOLATED now."
	if n := x.standing(); n > 0 {
		says = count(len(x.Runs), "run") + ". " + count(n, "promise") + " VIOLATED after having HELD, and not HELD since."
	}
	if n := len(x.Unread); n > 0 {
		says += " " + count(n, "report") + " could not be read."
	}
	return says
}

// tone is the style class of the headline.
func (x Index) tone() string {
	switch {
	case x.standing() > 0:
		return "bad"
	case len(x.Unread) > 0:
		return "warn"
	}
	return "quiet"
}

// row is a promise that broke on the page.
func (s breakage) row() sinceRow {
	brief := func(r IndexedRun) runRow {
		row := rowOf(r, nil)
		row.Facts = []string{"seed " + strconv.FormatUint(r.Seed, 10), "commit " + recordedOr(r.Blackout)}
		return row
	}
	row := sinceRow{Promise: s.promise, Series: s.series.name(), Held: brief(s.held), First: brief(s.first), Tone: "bad",
		Then: "VIOLATED in " + count(s.violated, "run") + ", and not HELD since"}
	if s.again != nil {
		row.Tone, row.Then = "quiet", "HELD again in "+s.again.Run+", after "+count(s.violated, "run")
	}
	return row
}

// rowOf is a run with the verdicts on some promises.
func rowOf(r IndexedRun, promises []string) runRow {
	row := runRow{
		Link: link{href(r.Dir + "/" + HTMLFile), r.Run}, Started: notRecorded, Status: r.Outcome.Status, Sentence: r.Outcome.Sentence,
		Facts: []string{
			r.Scenario, "seed " + strconv.FormatUint(r.Seed, 10), "timers " + recordedOr(r.Timers), "engine " + recordedOr(r.Engine),
			"gateway " + recordedOr(r.Gateway), "commit " + recordedOr(r.Blackout),
		},
		Figures: []string{percent(r.Availability), span(r.Start), span(r.Recovery)},
	}
	if !r.Started.IsZero() {
		row.Started = r.Started.UTC().Format(time.RFC3339)
	}
	if r.Control != "" {
		row.Facts = append(row.Facts, "control "+r.Control)
	}
	for _, promise := range promises {
		row.Verdicts = append(row.Verdicts, r.Promises[promise])
	}
	return row
}

// href is a path below the page as a link, whose first part cannot be taken for a scheme.
func href(path string) string {
	parts := strings.Split(path, "/")
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	return "./" + strings.Join(parts, "/")
}

// trends are the figures of a series over its runs, oldest first.
func trends(runs []IndexedRun) []spark {
	seconds := func(d *time.Duration) *float64 {
		if d == nil {
			return nil
		}
		s := d.Seconds()
		return &s
	}
	figures := func(of func(IndexedRun) *float64) []*float64 {
		out := make([]*float64, len(runs))
		for i, r := range runs {
			out[i] = of(r)
		}
		return out
	}
	lasting := func(s float64) string { return duration(time.Duration(s * float64(time.Second))) }
	return []spark{
		newSpark("Availability", figures(func(r IndexedRun) *float64 { return r.Availability }), func(s float64) string { return percent(&s) }),
		newSpark("RTO", figures(func(r IndexedRun) *float64 { return seconds(r.Start) }), lasting),
		newSpark("Recovery", figures(func(r IndexedRun) *float64 { return seconds(r.Recovery) }), lasting),
	}
}
