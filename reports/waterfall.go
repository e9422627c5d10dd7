// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"blackout/harness/history"
)

// startsDrawn is the share of a drawing's spans that may be starts: each has several.
const startsDrawn = 8

// milestone is a moment that a start passes.
type milestone struct {
	name, class string
	at          *time.Duration
}

// milestones are those that a start is to pass, in order. One that was not to be served
// from the store passes neither the loss of its control plane nor, if none was seen, a
// read.
func (s Start) milestones() []milestone {
	all := []milestone{{"control plane dialled", "part boot", s.Dial}}
	if s.Gone != nil {
		all = append(all, milestone{"control plane known to be gone", "part detect", s.Gone})
	}
	if s.Gone != nil || s.StoreRead != nil {
		all = append(all, milestone{"store asked", "part ask", s.StoreRead}, milestone{"snapshot received", "part read", s.StoreDone})
	}
	return append(all, milestone{"ready", "part apply", s.Ready}, milestone{"first good answer", "part serve", s.FirstGood})
}

// piece is a part of a start, between two milestones that were seen.
type piece struct {
	from, to     time.Duration
	class, label string
}

// pieces split a start. Where milestones between were not seen, their parts are one, and
// it says so. None ends before it begins: readiness is learnt by asking, and can be seen
// later than the answer that it allows.
func (s Start) pieces() []piece {
	var out []piece
	var unseen []string
	at, name := time.Duration(0), "process start"
	for _, m := range s.milestones() {
		if m.at == nil {
			unseen = append(unseen, m.name)
			continue
		}
		p := piece{at, max(at, *m.at), m.class, name + " to " + m.name}
		if len(unseen) > 0 {
			p.class, p.label = "part unseen", p.label+"; not seen between: "+strings.Join(unseen, ", ")
		}
		out = append(out, p)
		at, name, unseen = p.to, m.name, nil
	}
	return out
}

// last is when the last milestone that was seen was passed.
func (s Start) last() time.Duration {
	last := time.Duration(0)
	for _, p := range s.pieces() {
		last = max(last, p.to)
	}
	return last
}

// drawWaterfall draws one bar per start, split into its parts, of so many spans at most.
// It returns nil if there was none, or nothing of them was seen.
func drawWaterfall(starts []Start, spans int) *chart {
	drawn := worstStarts(starts, max(spans/startsDrawn, 1))
	end := axisEnd(drawn)
	if end <= 0 {
		return nil
	}
	c := newCanvas(history.Time(end), spans)
	c.ID, c.Title, c.Legend = "waterfall", "Starts of data planes, split into their parts", waterfallLegend
	c.Cut = len(starts) - len(drawn)
	for _, s := range drawn {
		c.drawStart(s)
	}
	c.drawAxis()
	return c.finished(describeStarts(starts))
}

// worstStarts are the starts that a drawing has room for, by time: those without a good
// answer, then the longest.
func worstStarts(starts []Start, most int) []Start {
	worst := slices.Clone(starts)
	slices.SortStableFunc(worst, func(a, b Start) int {
		return cmp.Or(compareSeen(a.FirstGood, b.FirstGood), cmp.Compare(b.last(), a.last()))
	})
	worst = worst[:min(len(worst), most)]
	slices.SortStableFunc(worst, func(a, b Start) int { return cmp.Compare(a.At, b.At) })
	return worst
}

// drawStart draws one start in a lane of its own.
func (c *canvas) drawStart(s Start) {
	top := c.lane(shorten(s.Node, 12) + " at " + offset(s.At))
	for _, p := range s.pieces() {
		from, to := c.x(history.Time(p.from)), c.x(history.Time(p.to))
		c.Rects = append(c.Rects, rectShape{X: px(from), Y: px(top), W: px(max(to-from, minBarWidth)), H: barHeight, Class: p.class,
			Title: fmt.Sprintf("%s: %s, from %s to %s after the start", clean(s.Node), p.label, duration(p.from), duration(p.to))})
	}
	words, class := duration(s.last()), "total"
	if s.last() > time.Duration(c.end) {
		words = "goes on to " + words
	}
	if s.FirstGood == nil {
		words, class = words+", no good answer seen", "flag"
	}
	x := c.x(history.Time(s.last())) + 6
	if x+charWidth*float64(len(words)) > chartWidth {
		x, class = chartWidth-chartRight-6, class+" back"
	}
	c.Texts = append(c.Texts, textShape{px(x), px(top + barHeight - 3), class, words})
}

// outlier is how many times as long as the median start one is that would make the
// parts of the others too small to see.
const outlier = 6

// axisEnd is how long the axis is. Bars that go on beyond it say so.
func axisEnd(starts []Start) time.Duration {
	lasts := make([]time.Duration, 0, len(starts))
	for _, s := range starts {
		lasts = append(lasts, s.last())
	}
	slices.Sort(lasts)
	if len(lasts) == 0 {
		return 0
	}
	median, longest := quantile(lasts, 50), lasts[len(lasts)-1]
	if longest <= outlier*median {
		return longest
	}
	end := time.Duration(0)
	for _, l := range lasts {
		if l <= outlier*median {
			end = l
		}
	}
	return end * 3 / 2
}

// waterfallLegend explains the parts of a start. Each has a pattern of its own.
var waterfallLegend = []key{
	{"part boot", "", "process start to control plane dialled"},
	{"part detect", "", "to control plane known to be gone (rising lines)"},
	{"part ask", "", "to store asked (upright lines)"},
	{"part read", "", "to snapshot received (falling lines)"},
	{"part apply", "", "to ready (dots)"},
	{"part serve", "", "to first good answer (level lines)"},
	{"part unseen", "", "several parts, the moments between them not seen (crossed)"},
}

// describeStarts says in words how the starts went.
func describeStarts(starts []Start) string {
	var slowest *Start
	never := 0
	for i, s := range starts {
		switch {
		case s.FirstGood == nil:
			never++
		case slowest == nil || *s.FirstGood > *slowest.FirstGood:
			slowest = &starts[i]
		}
	}
	text := count(len(starts), "start") + " of data planes."
	if slowest != nil {
		text += fmt.Sprintf(" The slowest was that of %s: its first good answer came %s after its process was started.", clean(slowest.Node), duration(*slowest.FirstGood))
	}
	if never > 0 {
		text += fmt.Sprintf(" Of %s no good answer was seen.", count(never, "start"))
	}
	return text
}

// compareSeen orders what was not seen before what was.
func compareSeen(a, b *time.Duration) int {
	switch {
	case (a == nil) == (b == nil):
		return 0
	case a == nil:
		return -1
	}
	return 1
}
