// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// TestLastRunsOnThePage: a row for each of twenty runs, the newest first, the trends with
// this run, and the section's place.
func TestLastRunsOnThePage(t *testing.T) {
	t.Parallel()
	var before []Model
	for i := 1; i <= 20; i++ {
		before = append(before, daysBefore(i, held(), nil))
	}
	page := rendered(t, withBaseline(held(), before...))
	rows, trends := 0, 0
	var last *html.Node
	for _, n := range elements(t, page) {
		if n.Data == "section" && attribute(n, "id") == "last" {
			last = n
		}
	}
	if last == nil {
		t.Fatal("there is no section of the last runs")
	}
	for n := range last.Descendants() {
		switch {
		case n.Data == "th" && attribute(n, "scope") == "row":
			rows++
		case n.Data == "li":
			trends++
		}
	}
	if rows != 20 || trends != 3 {
		t.Errorf("%d rows and %d trends", rows, trends)
	}
	if !bytes.Contains(page, []byte("in 21 of 21 runs")) {
		t.Error("the trends lack this run")
	}
	at := func(s string) int { return bytes.Index(page, []byte(s)) }
	var order []int
	for _, mark := range []string{`id="incidents"`, `id="last"`, ">run-001<", ">run-020<", `id="validity"`} {
		order = append(order, at(mark))
	}
	if !slices.IsSorted(order) {
		t.Error("the runs, or the section, are in another order")
	}
}

// TestLastRunsWithoutAny: the page says so, and draws nothing.
func TestLastRunsWithoutAny(t *testing.T) {
	t.Parallel()
	for want, in := range map[string]Input{
		"No baseline was kept with the run.":            held(),
		"There was no earlier run to compare with.":     withBaseline(held()),
		"VIOLATED: G10; INVALID: G2; NOT MEASURED: G13": withBaseline(violated(), daysBefore(1, violated(), nil)),
	} {
		page := rendered(t, in)
		if drawn := bytes.Contains(page, []byte(`class="trends"`)); !bytes.Contains(page, []byte(want)) || drawn != strings.HasPrefix(want, "V") {
			t.Errorf("the page lacks %q, or draws: %v", want, drawn)
		}
	}
}

// TestNeighboursAreNotTrusted: what others wrote stays text.
func TestNeighboursAreNotTrusted(t *testing.T) {
	t.Parallel()
	m := Build(besideOthers())
	for name, render := range map[string]func(Model) ([]byte, error){"html": renderHTML, "markdown": renderMarkdown} {
		content, err := render(m)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(content, []byte("<script>alert")) || bytes.ContainsAny(content, "\x1b\u202e") {
			t.Errorf("%s shows a neighbour's text as it is", name)
		}
		if !bytes.Contains(content, []byte("torn/report.json")) {
			t.Errorf("%s does not name what could not be read", name)
		}
	}
}
