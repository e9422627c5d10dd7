// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"errors"
	"fmt"
	"html/template"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Night is an index of runs that were made one after the other in a given time.
type Night struct {
	Title string // one line: when, which commit, seed and engine
	Ended string // one line: what it came to
	Runs  []NightRun
	Notes []string // sentences, such as the figures of a soak
}

// NightRun is one of its runs.
type NightRun struct {
	Number   int
	Scenario string
	Seed     uint64
	Timers   string
	Took     time.Duration
	Verdict  string // "HELD", or what the exit code means
	Says     string // what was VIOLATED, or what ended it; empty if all held
	Report   string // path of the run's report from the night's directory; empty without one
}

// The files that [WriteNight] makes.
const (
	NightMarkdownFile = "night.md"
	NightHTMLFile     = "night.html"
)

// WriteNight writes the index of a night into dir, for people and for a CI job's
// summary.
func WriteNight(dir string, n Night) error {
	var page strings.Builder
	if err := nightPage.Execute(&page, n); err != nil {
		return fmt.Errorf("render %s: %w", NightHTMLFile, err)
	}
	err := errors.Join(
		os.WriteFile(filepath.Join(dir, NightMarkdownFile), []byte(n.markdown()), 0o644),
		os.WriteFile(filepath.Join(dir, NightHTMLFile), []byte(page.String()), 0o644),
	)
	if err != nil {
		return fmt.Errorf("write the night's report: %w", err)
	}
	return nil
}

func (n Night) markdown() string {
	t := table{head: []string{"run", "scenario", "seed", "timers", "took", "verdict", "says", "report"}, none: "No run was made."}
	for _, r := range n.Runs {
		t.rows = append(t.rows, []string{
			fmt.Sprint(r.Number), r.Scenario, fmt.Sprint(r.Seed), r.Timers, r.Took.Round(time.Second).String(), r.Verdict, r.Says, r.Report,
		})
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n%s\n\n%s", clean(n.Title), clean(n.Ended), t.markdown())
	for _, note := range n.Notes {
		fmt.Fprintf(&b, "\n- %s", clean(note))
	}
	return b.String() + "\n"
}

var nightPage = template.Must(template.New("night").Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{{.Title}}</title>
<style>body{font:15px/1.5 sans-serif;margin:2em;max-width:75em}td,th{padding:.2em .8em .2em 0;text-align:left;vertical-align:top}</style></head>
<body><h1>{{.Title}}</h1><p>{{.Ended}}</p>
<table><tr><th>run<th>scenario<th>seed<th>timers<th>took<th>verdict<th>says</tr>
{{range .Runs}}<tr><td>{{.Number}}<td>{{if .Report}}<a href="{{.Report}}">{{.Scenario}}</a>{{else}}{{.Scenario}}{{end}}<td>{{.Seed}}<td>{{.Timers}}<td>{{.Took}}<td>{{.Verdict}}<td>{{.Says}}</tr>
{{end}}</table>
{{if .Notes}}<ul>{{range .Notes}}<li>{{.}}</li>{{end}}</ul>{{end}}
</body></html>
`))
