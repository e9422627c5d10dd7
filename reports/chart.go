// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"blackout/harness/history"
)

// The measures of the timeline, in SVG user units.
const (
	chartWidth  = 1120.0
	chartLeft   = 176.0 // where time begins; lane labels stand before it
	chartRight  = 14.0
	laneHeight  = 20.0
	barHeight   = 14.0
	groupGap    = 10.0
	labelLimit  = 24  // characters of a lane's label
	maxSpans    = 500 // bars, before a page over the limit halves them
	charWidth   = 6.6 // of the chart's font, for deciding whether a label fits
	minBarWidth = 1.5 // so that nothing short disappears
)

// px is a length or position in the drawing.
type px float64

// String is p with one decimal, which is finer than a pixel.
func (p px) String() string { return strconv.FormatFloat(float64(p), 'f', 1, 64) }

// The primitives of the drawing. Class selects the style.
type (
	rectShape struct {
		X, Y, W, H   px
		Class, Title string
	}
	lineShape struct {
		X1, Y1, X2, Y2 px
		Class          string
	}
	pathShape struct{ D, Class string }
	textShape struct {
		X, Y        px
		Class, Text string
	}
)

// chart is a finished drawing: its primitives from back to front.
type chart struct {
	ID, Title     string
	Width, Height px
	Desc          string // what it shows, in words
	Cut           int    // spans left out of the drawing
	Legend        []key
	Bands         []rectShape
	Lines         []lineShape
	Rects         []rectShape
	Paths         []pathShape
	Texts         []textShape
}

// key explains one sort of shape: a rectangle of a class, or a path.
type key struct{ Class, D, Text string }

// line is the path of a key for a line.
const line = "M1 6H21"

// canvas draws a chart lane by lane, downwards.
type canvas struct {
	chart
	y     float64
	end   history.Time
	spans int // bars that it draws at most
}

// drawTimeline draws the run on one time axis, with so many bars at most. It returns
// nil for a run in which no time passed.
func drawTimeline(m Model, spans int) *chart {
	if m.Duration <= 0 {
		return nil
	}
	c := newCanvas(history.Time(m.Duration), spans)
	c.ID, c.Title, c.Legend = "chart", "Timeline of the run", timelineLegend
	c.drawPhases(m.Phases)
	c.drawFaults(m.Faults)
	c.drawNodes(m.Nodes)
	c.drawOutages(m)
	c.drawLatency(m.Timeline)
	c.drawFailures(m)
	c.bandFaults(m.Faults)
	c.drawAxis()
	return c.finished(describe(m))
}

// newCanvas is an empty drawing whose time axis ends at end.
func newCanvas(end history.Time, spans int) *canvas {
	c := &canvas{y: 4, end: end, spans: spans}
	c.Width = chartWidth
	return c
}

// finished is the drawing, with what it shows in words.
func (c *canvas) finished(desc string) *chart {
	c.Height, c.Desc = px(c.y), desc
	return &c.chart
}

// timelineLegend explains the shapes of the timeline.
var timelineLegend = []key{
	{"fault", "", "fault, witnessed"},
	{"fault unsure", "", "fault, not witnessed (dashed)"},
	{"ready", "", "ready"},
	{"serves", "", "serves a generation"},
	{"down", "", "not ready, or no good answer (hatched)"},
	{"p50", line, "p50"},
	{"p99", line, "p99 (dashed)"},
	{"whisker", "M2 6H20M2 2V10M20 2V10", "span in which an outage's edge lies"},
	{"start", "M11 0V12", "process started"},
	{"exit", "M11 0V12", "process ended by itself (dashed)"},
}

// describe says in words what the timeline shows.
func describe(m Model) string {
	return fmt.Sprintf("%s and %s over %s. %s %s", count(len(m.Phases), "phase"), count(len(m.Faults), "fault"),
		duration(m.Duration), m.Outcome.Sentence, strings.Join(when(m), " "))
}

// x is where a moment lies.
func (c *canvas) x(t history.Time) float64 {
	share := min(max(float64(t)/float64(c.end), 0), 1)
	return chartLeft + share*(chartWidth-chartLeft-chartRight)
}

// lane labels the next lane and moves below it; it returns the lane's top.
func (c *canvas) lane(label string) float64 {
	top := c.y
	c.Texts = append(c.Texts, textShape{X: chartLeft - 8, Y: px(top + barHeight - 3), Class: "label", Text: shorten(label, labelLimit)})
	c.Lines = append(c.Lines, lineShape{X1: chartLeft, Y1: px(top + laneHeight - 2), X2: chartWidth - chartRight, Y2: px(top + laneHeight - 2), Class: "rule"})
	c.y += laneHeight
	return top
}

// bar draws a span with a label that is shown where it fits, and in any case
// as the bar's title. Beyond the canvas's spans it only counts, and says no.
func (c *canvas) bar(top float64, span Interval, class, label string) (drawn bool) {
	if len(c.Rects) >= c.spans {
		c.Cut++
		return false
	}
	from, to := c.x(span.From), c.x(span.To)
	width := max(to-from, minBarWidth)
	c.Rects = append(c.Rects, rectShape{X: px(from), Y: px(top), W: px(width), H: barHeight, Class: class,
		Title: fmt.Sprintf("%s, %s", clean(label), between(span))})
	if name := clean(label); float64(len([]rune(name)))*charWidth+8 < width {
		c.Texts = append(c.Texts, textShape{X: px(from + 4), Y: px(top + barHeight - 3), Class: "in", Text: name})
	}
	return true
}

// whisker draws the span in which an edge lies.
func (c *canvas) whisker(top float64, edge Interval) {
	middle, from, to := px(top+barHeight/2), px(c.x(edge.From)), px(c.x(edge.To))
	end := func(x px) string { return fmt.Sprintf("M%s %sv%s", x, px(top+2), px(barHeight-4)) }
	c.Paths = append(c.Paths, pathShape{fmt.Sprintf("M%s %sH%s", from, middle, to) + end(from) + end(to), "whisker"})
}

func (c *canvas) drawPhases(phases []Phase) {
	if len(phases) == 0 {
		return
	}
	top := c.lane("phase")
	for i, p := range phases {
		c.bar(top, Interval{p.From, p.To}, []string{"phase", "phase alt"}[i%2], p.Name)
	}
	c.y += groupGap
}

func (c *canvas) drawFaults(faults []Fault) {
	lanes := map[string]float64{}
	for _, f := range faults {
		top, known := lanes[f.Target()]
		if !known {
			top = c.lane("fault " + f.Target())
			lanes[f.Target()] = top
		}
		class, label := "fault", f.Mode
		if !f.Witnessed {
			class, label = "fault unsure", f.Mode+", not witnessed"
		}
		c.bar(top, c.spanOf(f), class, label)
	}
	if len(faults) > 0 {
		c.y += groupGap
	}
}

// spanOf is the time in which a fault was surely in force.
func (c *canvas) spanOf(f Fault) Interval {
	span := Interval{f.Start.To, c.end}
	if f.End != nil {
		span.To = f.End.From
	}
	return span
}

func (c *canvas) drawNodes(nodes []NodeHistory) {
	drawn := false
	for _, n := range nodes {
		if len(n.Ready)+len(n.Serves) == 0 {
			continue
		}
		drawn = true
		if len(n.Ready) > 0 {
			top := c.lane(n.Node + " ready")
			for _, s := range n.Ready {
				c.bar(top, Interval{s.From, s.To}, readyClass(s.Code), readyLabel(s.Code))
			}
		}
		top := c.lane(n.Node + " serves")
		for _, s := range n.Serves {
			c.bar(top, Interval{s.From, s.To}, serveClass(s), serveLabel(s))
		}
		c.markTimes(top, n.Starts, "start")
		c.markTimes(top, n.Exits, "exit")
	}
	if drawn {
		c.y += groupGap
	}
}

// markTimes marks starts and ends of a process across its lane.
func (c *canvas) markTimes(top float64, times []history.Time, class string) {
	var d strings.Builder
	for _, t := range times {
		fmt.Fprintf(&d, "M%s %sv%s", px(c.x(t)), px(top-1), px(barHeight+2))
	}
	if d.Len() > 0 {
		c.Paths = append(c.Paths, pathShape{d.String(), class})
	}
}

func readyClass(code int) string {
	if code == 200 {
		return "ready"
	}
	return "down"
}

func readyLabel(code int) string {
	switch code {
	case 200:
		return "ready"
	case 0:
		return "no answer"
	}
	return "not ready: " + strconv.Itoa(code)
}

func serveClass(s Span) string {
	switch {
	case s.Code != 200 || s.Generation == 0:
		return "down"
	case s.Generation%2 == 0:
		return "serves alt"
	}
	return "serves"
}

func serveLabel(s Span) string {
	switch {
	case s.Code == 0:
		return "no answer"
	case s.Code != 200:
		return "status " + strconv.Itoa(s.Code)
	case s.Generation == 0:
		return "wrong body"
	}
	return "generation " + strconv.Itoa(s.Generation)
}

func (c *canvas) drawOutages(m Model) {
	lanes := map[string]float64{}
	for _, o := range m.Outages {
		top, known := lanes[o.Stream]
		if !known {
			top = c.lane("outage " + o.Stream)
			lanes[o.Stream] = top
		}
		class, label := "outage", "explained"
		if !o.Explained() {
			class, label = "outage unexplained", unexplained
		}
		core := Interval{o.Start.To, max(o.End.From, o.Start.To)}
		if !c.bar(top, core, class, fmt.Sprintf("%s: %s", label, classes(o.Classes))) {
			continue
		}
		c.whisker(top, o.Start)
		c.whisker(top, o.End)
		if !o.Explained() {
			c.flag(top, Interval{o.Start.From, o.End.To}, unexplained)
		}
	}
	if len(m.Outages) > 0 {
		c.y += groupGap
	}
}

// flag writes what is wrong with a bar, in words beside it: to its left if there
// is no room to its right.
func (c *canvas) flag(top float64, span Interval, words string) {
	width := charWidth*float64(len(words)) + 6
	x := c.x(span.To) + 6
	if x+width > chartWidth {
		x = max(c.x(span.From)-width, chartLeft+4)
	}
	c.Texts = append(c.Texts, textShape{px(x), px(top + barHeight - 3), "flag", words})
}

// failureNames returns the classes that occur anywhere in the timeline.
func failureNames(line []Bucket) []string {
	all := map[string]int{}
	for _, b := range line {
		for name, n := range b.Failures {
			all[name] += n
		}
	}
	return classOrder(all)
}

// drawFailures draws a lane of ticks per class of failure: one tick per bucket
// that had any, so that none is lost.
func (c *canvas) drawFailures(m Model) {
	for _, name := range failureNames(m.Timeline) {
		top := c.lane("failed: " + name)
		var d strings.Builder
		for _, b := range m.Timeline {
			if b.Failures[name] > 0 {
				fmt.Fprintf(&d, "M%s %sv%s", px(c.x((b.From+b.To)/2)), px(top+1), px(barHeight-2))
			}
		}
		c.Paths = append(c.Paths, pathShape{d.String(), "tick"})
	}
}

// bandFaults shades the time of witnessed faults behind all lanes: once, however many
// there are.
func (c *canvas) bandFaults(faults []Fault) {
	var spans []Interval
	for _, f := range faults {
		if f.Witnessed {
			spans = append(spans, c.spanOf(f))
		}
	}
	slices.SortFunc(spans, func(a, b Interval) int { return cmp.Compare(a.From, b.From) })
	var merged []Interval
	for _, s := range spans {
		if last := len(merged) - 1; last >= 0 && s.From <= merged[last].To {
			merged[last].To = max(merged[last].To, s.To)
			continue
		}
		merged = append(merged, s)
	}
	for _, s := range merged[:min(len(merged), c.spans)] {
		from, to := c.x(s.From), c.x(s.To)
		c.Bands = append(c.Bands, rectShape{X: px(from), Y: 0, W: px(max(to-from, minBarWidth)), H: px(c.y), Class: "band"})
	}
}
