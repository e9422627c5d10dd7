// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"blackout/reports/objective"
	"blackout/reports/stats"
)

// The measures of the chart of percentiles.
const (
	percentileHeight = 200.0
	maxColumn        = 120.0 // for the highest answers, which are no percentile
)

// phaseStyle is how a phase's latencies are shown.
var phaseStyle = map[string]struct{ class, marker, name string }{
	objective.Steady:   {"quant before", "M%s %sm-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0z", "before (round, solid)"},
	objective.Outage:   {"quant during", "M%s %sm-4 -4h8v8h-8z", "during the outage (square, dashed)"},
	objective.Recovery: {"quant after", "M%s %sm0 -5l5 9h-10z", "after it (triangle, dotted)"},
}

// nines is where a percentile lies on an axis on which each nine takes the same room:
// 90 at 1, 99 at 2.
func nines(percent float64) float64 { return -math.Log10(1 - percent/100) }

// drawPercentiles plots latency by percentile, each phase as far as its answers carry
// it, and beside it the highest of each. It returns nil without answers.
func drawPercentiles(rows []PhaseLatency) *chart {
	var all []time.Duration
	highest := nines(ladder[0])
	for _, r := range rows {
		all = append(all, r.Max)
		for _, p := range r.Percentiles {
			all, highest = append(all, p.Value, p.AtMost), max(highest, nines(p.Percent))
		}
	}
	scale, ok := scaleOf(all, percentileHeight)
	if !ok {
		return nil
	}
	c := newCanvas(1, 0)
	c.ID, c.Title = "percentiles", "Latency by percentile, before, during and after the outage"
	top := c.y + 8
	c.drawDecades(scale, top)
	x := func(percent float64) float64 {
		const left, right = chartLeft + 30, chartWidth - chartRight - maxColumn
		return left + (right-left)*(nines(percent)-nines(ladder[0]))/max(highest-nines(ladder[0]), 0.1)
	}
	c.y = top + percentileHeight
	c.labelPercentiles(x, highest, top)
	for i, r := range rows {
		c.drawPhase(r, x, func(d time.Duration) px { return scale.y(top, d) }, float64(i-1)*14)
	}
	c.y += axisHeight
	return c.finished(describePercentiles(rows))
}

// labelPercentiles draws the axis of percentiles, and the column of the highest.
func (c *canvas) labelPercentiles(x func(float64) float64, highest, top float64) {
	bottom := px(c.y)
	label := func(x float64, text string) {
		c.Lines = append(c.Lines, lineShape{px(x), px(top), px(x), bottom + 4, "grid"})
		c.Texts = append(c.Texts, textShape{px(x), bottom + 17, "axis", text})
	}
	for _, percent := range []float64{50, 90, 99, 99.9, 99.99, 99.999} {
		if nines(percent) <= highest+1e-9 {
			label(x(percent), "p"+plain(percent))
		}
	}
	label(chartWidth-chartRight-maxColumn/2, "highest")
}

// drawPhase draws the percentiles of a phase with their upper bounds, and its highest
// answer, moved aside from those of other phases.
func (c *canvas) drawPhase(r PhaseLatency, x func(float64) float64, y func(time.Duration) px, aside float64) {
	style := phaseStyle[r.Phase]
	var curve, bounds, marks strings.Builder
	for i, p := range r.Percentiles {
		at := px(x(p.Percent))
		move := "L"
		if i == 0 {
			move = "M"
		}
		fmt.Fprintf(&curve, "%s%s %s", move, at, y(p.Value))
		fmt.Fprintf(&bounds, "M%s %sV%sm-3 0h6", at+px(aside/4), y(p.Value), y(p.AtMost))
		fmt.Fprintf(&marks, style.marker, at, y(p.Value))
	}
	fmt.Fprintf(&marks, style.marker, px(chartWidth-chartRight-maxColumn/2+aside), y(r.Max))
	if curve.Len() > 0 {
		c.Paths = append(c.Paths, pathShape{curve.String(), style.class}, pathShape{bounds.String(), style.class + " bound"})
	}
	c.Paths = append(c.Paths, pathShape{marks.String(), style.class + " mark"})
	c.Legend = append(c.Legend, key{style.class + " mark", fmt.Sprintf(style.marker, px(11), px(6)),
		fmt.Sprintf("%s: %s", style.name, count(r.Answers, "answer"))})
}

// plain is a number in its shortest form.
func plain(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// describePercentiles says in words what the chart shows.
func describePercentiles(rows []PhaseLatency) string {
	var parts []string
	for _, r := range rows {
		name := phaseName(r.Phase)
		name = strings.ToUpper(name[:1]) + name[1:]
		text := fmt.Sprintf("%s: the highest of %s %s", name, count(r.Answers, "answer"), duration(r.Max))
		if n := len(r.Percentiles); n > 0 {
			last := r.Percentiles[n-1]
			text = fmt.Sprintf("%s: p50 %s, p%s %s (at most %s), the highest of %s %s", name, duration(r.Percentiles[0].Value),
				plain(last.Percent), duration(last.Value), duration(last.AtMost), count(r.Answers, "answer"), duration(r.Max))
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, ". ") + "."
}

// percentileTable is the chart in figures. A percentile that the answers do not carry
// says how many it takes.
func percentileTable(m Model) table {
	t := table{head: []string{"Phase", "Answers"}, none: "Latency: " + notMeasured + ". No request was answered well."}
	shown := []float64{50, 90, 99, 99.9, 99.99}
	for _, p := range shown {
		t.head = append(t.head, "p"+plain(p)+" (at most)")
	}
	t.head = append(t.head, "Highest")
	for _, r := range m.LatencyByPhase {
		row := []string{phaseName(r.Phase), strconv.Itoa(r.Answers)}
		for _, p := range shown {
			row = append(row, r.at(p))
		}
		t.rows = append(t.rows, append(row, duration(r.Max)))
	}
	return t
}

// at is a percentile and its bound.
func (r PhaseLatency) at(percent float64) string {
	for _, p := range r.Percentiles {
		if p.Percent == percent {
			return fmt.Sprintf("%s (%s)", duration(p.Value), duration(p.AtMost))
		}
	}
	return fmt.Sprintf("takes %d", stats.Needed(0, percent/100, stats.Confidence))
}
