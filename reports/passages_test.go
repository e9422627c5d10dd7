// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"blackout/harness/history"
)

// TestPageOrder: sections stand in the order in which a reader asks.
func TestPageOrder(t *testing.T) {
	t.Parallel()
	var got []string
	for _, n := range elements(t, rendered(t, keptWith("ci")())) {
		if n.Data == "section" && attribute(n, "id") != "" {
			got = append(got, attribute(n, "id"))
		}
	}
	want := []string{"promises", "objectives", "timeline", "outages", "starts", "staleness", "store-reads", "latency", "errors", "budget",
		"last", "validity", "provenance", "method", "files"}
	if !slices.Equal(got, want) {
		t.Errorf("sections %v, want %v", got, want)
	}
}

// TestDrawingsAreToldInWords: each has a title, a finding, and its figures as a table in
// the same section.
func TestDrawingsAreToldInWords(t *testing.T) {
	t.Parallel()
	drawn := 0
	for _, n := range elements(t, rendered(t, keptWith("ci")())) {
		if n.Data != "svg" || attribute(n, "aria-labelledby") == "" {
			continue
		}
		drawn++
		words := map[string]string{}
		for c := range n.ChildNodes() {
			if c.Type == html.ElementNode && c.FirstChild != nil && words[c.Data] == "" {
				words[c.Data] = c.FirstChild.Data
			}
		}
		if words["title"] == "" || len(words["desc"]) < 20 {
			t.Errorf("a drawing is called %q and described as %q", words["title"], words["desc"])
		}
		section := n.Parent
		for section.Data != "section" {
			section = section.Parent
		}
		folded := false
		for c := range section.Descendants() {
			folded = folded || c.Data == "table" && within(c, "details")
		}
		if !folded {
			t.Errorf("the drawing %q has no table of its figures", words["title"])
		}
	}
	if drawn != 4 {
		t.Errorf("%d drawings, want 4", drawn)
	}
}

// within reports whether an element lies in one of a name.
func within(n *html.Node, name string) bool {
	for p := range n.Ancestors() {
		if p.Data == name {
			return true
		}
	}
	return false
}

// TestKeysHaveShapes: no two entries of a legend differ by colour alone. Each has a path
// or a class of its own, and its words name the shape.
func TestKeysHaveShapes(t *testing.T) {
	t.Parallel()
	m := Build(keptWith("ci")())
	for _, c := range []*chart{drawTimeline(m, maxSpans), drawWaterfall(m.Starts, maxSpans), drawStaleness(m, maxSpans), drawPercentiles(m.LatencyByPhase)} {
		seen := map[string]bool{}
		for _, k := range c.Legend {
			if shape := k.Class + k.D; seen[shape] {
				t.Errorf("%s: %q is drawn as another entry", c.Title, k.Text)
			} else {
				seen[shape] = true
			}
			if class, _, _ := strings.Cut(k.Class, " "); !strings.Contains(pageStyle, "."+class) {
				t.Errorf("%s: nothing styles %q", c.Title, k.Class)
			}
		}
	}
}

// TestPageOfAnHour: four data planes, an hour, a failure now and then.
func TestPageOfAnHour(t *testing.T) {
	t.Parallel()
	in := keptWith("ci")()
	rec := &history.Recording{Header: in.Recording.Header, Events: slices.Clone(in.Recording.Events)}
	const hour = 3600
	for i := range rec.Events {
		if rec.Events[i].At > sec(20) {
			rec.Events[i].At += sec(hour)
		}
	}
	for s := range rec.Header.Streams {
		for i := range hour * 4 {
			at := history.Time(i) * history.Time(time.Second/4)
			q := history.Request{Intended: at, Sent: at, Done: at + history.Time(time.Millisecond), Stream: uint16(s), Status: 200, Generation: 2}
			if i%(997+9*s) == 0 {
				q.Class = history.Reset
			}
			rec.Requests = append(rec.Requests, q)
		}
	}
	in.Recording = rec
	m := Build(in)
	content, err := renderHTML(m)
	if err != nil {
		t.Fatal(err)
	}
	if len(content) > htmlLimit {
		t.Errorf("%d bytes, want at most %d", len(content), htmlLimit)
	}
	failed, slices := 0, 0
	for _, b := range m.Timeline {
		failed += b.Failures["reset"]
		if b.Failures["reset"] > 0 {
			slices++
		}
	}
	want := 0
	for _, n := range m.Traffic {
		want += n.Failures["reset"]
	}
	if failed != want || want == 0 {
		t.Errorf("%d failures in the timeline, want %d", failed, want)
	}
	ticks := 0
	for _, p := range drawTimeline(m, 1).Paths {
		if p.Class == "tick" {
			ticks += strings.Count(p.D, "M")
		}
	}
	if ticks != slices {
		t.Errorf("%d ticks for %d slices with failures", ticks, slices)
	}
}
