// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"bytes"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"blackout/harness/history"
	"blackout/harness/oracle"
)

// elements parses a page and returns its elements in document order.
func elements(t *testing.T, page []byte) []*html.Node {
	t.Helper()
	root, err := html.Parse(bytes.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	var all []*html.Node
	for n := range root.Descendants() {
		if n.Type == html.ElementNode {
			all = append(all, n)
		}
	}
	return all
}

// attribute returns an element's attribute, or nothing.
func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func rendered(t *testing.T, in Input) []byte {
	t.Helper()
	content, err := renderHTML(Build(in))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func TestPageIsSelfContained(t *testing.T) {
	t.Parallel()
	for name, input := range inputs {
		counts := map[string]int{}
		policy := ""
		for _, n := range elements(t, rendered(t, input())) {
			counts[n.Data]++
			if attribute(n, "http-equiv") == "Content-Security-Policy" {
				policy = attribute(n, "content")
			}
			for _, a := range n.Attr {
				if (a.Key == "src" || a.Key == "href") && !strings.HasPrefix(a.Val, "#") {
					t.Errorf("%s: <%s %s=%q> leaves the page", name, n.Data, a.Key, a.Val)
				}
				if strings.HasPrefix(a.Key, "on") {
					t.Errorf("%s: <%s> has a handler %s", name, n.Data, a.Key)
				}
			}
		}
		if want := "default-src 'none'; style-src 'unsafe-inline'; img-src data:"; policy != want {
			t.Errorf("%s: policy %q, want %q", name, policy, want)
		}
		for element, want := range map[string]int{"main": 1, "h1": 1, "script": 0, "link": 0, "img": 0, "iframe": 0} {
			if counts[element] != want {
				t.Errorf("%s: %d <%s>, want %d", name, counts[element], element, want)
			}
		}
	}
}

func TestPageIsAccessible(t *testing.T) {
	t.Parallel()
	ids := map[string]bool{}
	nodes := elements(t, rendered(t, violated()))
	for _, n := range nodes {
		id := attribute(n, "id")
		if id != "" && ids[id] {
			t.Errorf("id %q is used twice", id)
		}
		ids[id] = true
	}
	for _, n := range nodes {
		for _, id := range strings.Fields(attribute(n, "aria-labelledby")) {
			if !ids[id] {
				t.Errorf("<%s> is labelled by %q, which is not there", n.Data, id)
			}
		}
		if n.Data == "th" && attribute(n, "scope") == "" {
			t.Error("a <th> has no scope")
		}
		if n.Data == "svg" && attribute(n, "role") == "" && attribute(n, "aria-hidden") == "" {
			t.Error("an <svg> is neither named nor hidden")
		}
		if tab := attribute(n, "tabindex"); tab != "" && tab != "0" {
			t.Errorf("<%s tabindex=%s> leaves the reading order", n.Data, tab)
		}
	}
	for _, id := range []string{"chart-title", "chart-desc"} {
		if !ids[id] {
			t.Errorf("the chart has no %s", id)
		}
	}
}

func TestPageEscapesNodes(t *testing.T) {
	t.Parallel()
	content := rendered(t, violated())
	if !bytes.Contains(content, []byte("&lt;script&gt;alert(1)")) {
		t.Error("the hostile text is not on the page")
	}
	if bytes.ContainsAny(content, "\x1b\u202e") {
		t.Error("a control character reached the page")
	}
}

// TestPageOfManyOutagesFitsItsLimit is a gateway that fails every few requests.
func TestPageOfManyOutagesFitsItsLimit(t *testing.T) {
	t.Parallel()
	m := Build(violated())
	pattern := m.Outages[0]
	for i := range 3000 {
		o, shift := pattern, history.Time(i)*history.Time(m.Duration)/3000
		o.Stream, o.Causes = fmt.Sprintf("stream-%d", i%8), nil
		for _, edge := range []*history.Time{&o.Start.From, &o.Start.To, &o.End.From, &o.End.To} {
			*edge += shift
		}
		m.Outages = append(m.Outages, o)
	}
	content, err := renderHTML(m)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(content, []byte("left out of the drawing")) {
		t.Error("the page does not say what it leaves out")
	}
}

func TestPageFitsItsLimit(t *testing.T) {
	t.Parallel()
	in := violated()
	for i := range 3000 {
		at, node := sec(2+float64(i)/200), fmt.Sprintf("dp-%d", i%60)
		edge := node + ">cp"
		in.Recording.Events = append(in.Recording.Events,
			history.Event{At: at, Kind: history.WaitTimeout, Node: node, Text: strings.Repeat(hostile, 20)},
			history.Event{At: at, Kind: history.StoreRequest, Node: node, Text: fmt.Sprintf("M%d x", i), Code: 200},
			history.Event{At: at, Kind: history.NodeStart, Node: node},
			history.Event{At: at, Kind: history.ServeChange, Node: "dp-1", Code: 200 + i%2, Generation: i},
			history.Event{At: at, Kind: history.FaultInject, Edge: edge, Text: "reset"},
			history.Event{At: at, Kind: history.FaultActive, Edge: edge, Text: "reset"},
			history.Event{At: at, Kind: history.FaultHeal, Edge: edge})
		in.Result.Validity = append(in.Result.Validity, oracle.Check{Name: node, Text: strings.Repeat(hostile, 20)})
	}
	m := Build(in)
	content, err := renderHTML(m)
	if err != nil {
		t.Fatal(err)
	}
	if len(content) > htmlLimit {
		t.Errorf("the page has %d bytes, limit %d", len(content), htmlLimit)
	}
	if !bytes.Contains(content, []byte("more rows in report.json")) || !bytes.Contains(content, []byte("left out of the drawing")) {
		t.Error("the page does not say what it leaves out")
	}
	summary, err := renderMarkdown(m)
	if err != nil {
		t.Fatal(err)
	}
	if len(summary) >= markdownLimit {
		t.Errorf("the summary has %d bytes, limit %d", len(summary), markdownLimit)
	}
}

// TestContrast checks text on every ground it stands on, in both themes.
func TestContrast(t *testing.T) {
	t.Parallel()
	themes := regexp.MustCompile(`:root \{([^}]*)\}`).FindAllStringSubmatch(pageStyle, -1)
	if len(themes) != 2 {
		t.Fatalf("%d themes, want 2", len(themes))
	}
	grounds := map[string][]string{
		"text":  {"page", "card", "good-tint", "bad-tint", "warn-tint", "info-tint", "info-tint-2", "quiet-tint"},
		"quiet": {"page", "card", "quiet-tint"},
		"good":  {"page", "card", "good-tint"}, "bad": {"page", "card", "bad-tint"},
		"warn": {"page", "card", "warn-tint"}, "info": {"page"},
	}
	for i, theme := range themes {
		colours := map[string]string{}
		for _, m := range regexp.MustCompile(`--([a-z0-9-]+): #([0-9a-f]{6})`).FindAllStringSubmatch(theme[1], -1) {
			colours[m[1]] = m[2]
		}
		for ink, papers := range grounds {
			for _, paper := range papers {
				if ratio := contrast(t, colours[ink], colours[paper]); ratio < 4.5 {
					t.Errorf("theme %d: %s on %s has contrast %.2f, want 4.5", i, ink, paper, ratio)
				}
			}
		}
	}
}

// contrast is the contrast ratio of WCAG 2.
func contrast(t *testing.T, a, b string) float64 {
	t.Helper()
	la, lb := luminance(t, a), luminance(t, b)
	return (max(la, lb) + 0.05) / (min(la, lb) + 0.05)
}

// luminance is the relative luminance of WCAG 2 of a colour in hexadecimal.
func luminance(t *testing.T, colour string) float64 {
	t.Helper()
	v, err := strconv.ParseUint(colour, 16, 32)
	if err != nil {
		t.Fatalf("colour %q: %v", colour, err)
	}
	linear := func(shift uint) float64 {
		c := float64(v>>shift&0xff) / 255
		if c <= 0.04045 {
			return c / 12.92
		}
		return math.Pow((c+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(16) + 0.7152*linear(8) + 0.0722*linear(0)
}

// TestChartDrawsEveryOutage checks that short things keep a visible width and
// lie inside the drawing.
func TestChartDrawsEveryOutage(t *testing.T) {
	t.Parallel()
	m := Build(violated())
	c := drawTimeline(m, maxSpans)
	drawn := 0
	for _, r := range c.Rects {
		if strings.HasPrefix(r.Class, "outage") {
			drawn++
		}
		if r.W < minBarWidth || r.X < chartLeft-0.1 || r.X > chartWidth || r.Y+r.H > c.Height {
			t.Errorf("bar %q lies badly: %+v", r.Title, r)
		}
	}
	if drawn != len(m.Outages) {
		t.Errorf("%d outages drawn, want %d", drawn, len(m.Outages))
	}
	flagged := func(s textShape) bool { return s.Text == unexplained }
	if !slices.ContainsFunc(c.Texts, flagged) {
		t.Error("no outage is called unexplained in words")
	}
}
