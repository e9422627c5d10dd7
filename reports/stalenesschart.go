// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"blackout/harness/history"
)

// The measures of the staleness chart.
const (
	manyPlanes   = 4    // data planes that have a line each; of more, the highest and the lowest
	rowHeight    = 26.0 // of a generation, while all of them fit
	mostRows     = 12   // generations that are labelled
	lineDistance = 3.5  // between lines at the same generation
)

// steppedLine is one place whose generation is drawn over time.
type steppedLine struct {
	name, class string
	levels      []Level
}

// drawStaleness draws the generation that was acknowledged, in the store and served, as
// steps. It returns nil if no generation was seen anywhere.
func drawStaleness(m Model, spans int) *chart {
	if m.Staleness == nil || m.Duration <= 0 {
		return nil
	}
	lines := m.Staleness.lines()
	generations := generationsOf(lines)
	if len(generations) == 0 {
		return nil
	}
	c := newCanvas(history.Time(m.Duration), spans)
	c.ID, c.Title = "steps", "Configuration generations over time: acknowledged, in the store, served"
	top := c.y + 6
	height := rowHeight * float64(min(len(generations), mostRows))
	y := func(generation int) float64 {
		i, _ := slices.BinarySearch(generations, generation)
		return top + height*(1-(float64(i)+0.25)/float64(len(generations)))
	}
	c.labelGenerations(generations, m.Staleness.Planted, y)
	for i, l := range lines {
		raised := float64(len(lines)-1-i) * lineDistance
		c.Paths = append(c.Paths, pathShape{c.treads(l.levels, func(g int) px { return px(y(g) - raised) }), l.class})
		c.Legend = append(c.Legend, key{l.class, line, l.name})
	}
	c.y = top + height + groupGap
	c.bandFaults(m.Faults)
	c.drawAxis()
	return c.finished(describeStaleness(*m.Staleness))
}

// lines are what is drawn, from the control plane to the data planes.
func (s Staleness) lines() []steppedLine {
	var lines []steppedLine
	if len(s.Acknowledged) > 0 {
		lines = append(lines, steppedLine{"acknowledged by the control plane (solid)", "tread acked", s.Acknowledged})
	}
	for i, l := range s.Stores {
		lines = append(lines, steppedLine{"in " + clean(l.Node) + " (long dashes)", []string{"tread stored", "tread stored alt"}[i%2], l.Levels})
	}
	if len(s.DataPlanes) > manyPlanes {
		high, low := envelope(s.DataPlanes)
		return append(lines, steppedLine{"newest served by any data plane (dots)", "tread plane-0", high},
			steppedLine{"oldest served by any data plane (dash and dot)", "tread plane-1", low})
	}
	for i, l := range s.DataPlanes {
		style := []string{"dots", "dash and dot", "short dashes", "two dashes and dot"}[i]
		lines = append(lines, steppedLine{fmt.Sprintf("served by %s (%s)", clean(l.Node), style), "tread plane-" + strconv.Itoa(i), l.Levels})
	}
	return lines
}

// envelope is the highest and the lowest generation that any data plane served.
func envelope(planes []GenerationLevel) (high, low []Level) {
	var edges []history.Time
	for _, p := range planes {
		for _, l := range p.Levels {
			edges = append(edges, l.From, l.To)
		}
	}
	slices.Sort(edges)
	edges = slices.Compact(edges)
	at := make([]int, len(planes)) // the level of each data plane that has not ended
	for i := range max(len(edges)-1, 0) {
		from, to := edges[i], edges[i+1]
		highest, lowest := 0, 0
		for j, p := range planes {
			for at[j] < len(p.Levels) && p.Levels[at[j]].To <= from {
				at[j]++
			}
			if at[j] == len(p.Levels) || p.Levels[at[j]].From > from {
				continue
			}
			g := p.Levels[at[j]].Generation
			highest = max(highest, g)
			if lowest == 0 || g < lowest {
				lowest = g
			}
		}
		high, low = next(high, Level{from, to, highest}), next(low, Level{from, to, lowest})
	}
	return present(high), present(low)
}

// generationsOf are those that occur in lines, ascending.
func generationsOf(lines []steppedLine) []int {
	var all []int
	for _, l := range lines {
		for _, s := range l.levels {
			all = append(all, s.Generation)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// labelGenerations draws the axis of generations, of which too many are not all named.
func (c *canvas) labelGenerations(generations, planted []int, y func(int) float64) {
	every := (len(generations) + mostRows - 1) / mostRows
	for i, g := range generations {
		if i%every != 0 {
			continue
		}
		label := "generation " + strconv.Itoa(g)
		if slices.Contains(planted, g) {
			label = "planted " + strconv.Itoa(g)
		}
		c.Texts = append(c.Texts, textShape{chartLeft - 8, px(y(g) + 4), "label", label})
		c.Lines = append(c.Lines, lineShape{chartLeft, px(y(g) + 4), chartWidth - chartRight, px(y(g) + 4), "grid"})
	}
}

// treads draws levels as a stepped line with gaps. Levels that would share one of as many
// columns as the drawing may have spans are drawn as one stroke over all of them.
func (c *canvas) treads(levels []Level, y func(int) px) string {
	var d strings.Builder
	column := (chartWidth - chartLeft - chartRight) / float64(max(c.spans, 1))
	for i := 0; i < len(levels); {
		first, to := levels[i], i+1
		low, high := first.Generation, first.Generation
		for to < len(levels) && levels[to].From == levels[to-1].To && c.x(levels[to].To)-c.x(first.From) < column {
			low, high = min(low, levels[to].Generation), max(high, levels[to].Generation)
			to++
		}
		last := levels[to-1]
		if i > 0 && levels[i-1].To == first.From {
			fmt.Fprintf(&d, "V%s", y(first.Generation))
		} else {
			fmt.Fprintf(&d, "M%s %s", px(c.x(first.From)), y(first.Generation))
		}
		if to > i+1 {
			fmt.Fprintf(&d, "V%sV%sV%s", y(low), y(high), y(last.Generation))
		}
		fmt.Fprintf(&d, "H%s", px(c.x(last.To)))
		i = to
	}
	return d.String()
}

// describeStaleness says in words how changes came through.
func describeStaleness(s Staleness) string {
	if len(s.Changes) == 0 {
		return "No change was acknowledged in this run."
	}
	text := []string{fmt.Sprintf("%s acknowledged, the newest of generation %d.", count(len(s.Changes), "change"), s.Changes[len(s.Changes)-1].Generation)}
	if c, after, missing := slowest(s.Changes, func(c ChangeReach) *time.Duration { return c.Stored }); len(s.Stores) > 0 {
		text = append(text, slowestText("In the store", "was not found in the store", c, after, missing))
	} else {
		text = append(text, "Nobody looked into the store.")
	}
	awaited := slices.DeleteFunc(slices.Clone(s.Changes), func(c ChangeReach) bool { return c.DataPlanes == 0 })
	c, after, missing := slowest(awaited, func(c ChangeReach) *time.Duration {
		if c.Served < c.DataPlanes {
			return nil
		}
		return c.Last
	})
	text = append(text, slowestText("Served by all data planes that served then", "was not served by all data planes that served then", c, after, missing))
	return strings.Join(text, " ")
}

// slowest is the change that took the longest to come to a place, and the first that did
// not.
func slowest(changes []ChangeReach, after func(ChangeReach) *time.Duration) (found *ChangeReach, took time.Duration, missing *ChangeReach) {
	for i := range changes {
		d := after(changes[i])
		switch {
		case d == nil && missing == nil:
			missing = &changes[i]
		case d != nil && (found == nil || *d > took):
			found, took = &changes[i], *d
		}
	}
	return found, took, missing
}

// slowestText says in words what slowest found.
func slowestText(where, not string, found *ChangeReach, took time.Duration, missing *ChangeReach) string {
	var parts []string
	if found != nil {
		parts = append(parts, fmt.Sprintf("%s at the latest %s after its acknowledgement (generation %d).", where, duration(took), found.Generation))
	}
	if missing != nil {
		parts = append(parts, fmt.Sprintf("Generation %d %s within the recording.", missing.Generation, not))
	}
	return strings.Join(parts, " ")
}

// levelTable is the chart in figures.
func levelTable(m Model) table {
	t := table{
		head: []string{"Where", "Generation", "From", "To"},
		none: "Generations: " + notMeasured + ". None was acknowledged, found in a store or served.",
	}
	if m.Staleness == nil {
		return t
	}
	add := func(where string, levels []Level) {
		for _, l := range levels {
			t.rows = append(t.rows, []string{where, strconv.Itoa(l.Generation), offset(l.From), offset(l.To)})
		}
	}
	add("acknowledged", m.Staleness.Acknowledged)
	for _, l := range slices.Concat(m.Staleness.Stores, m.Staleness.DataPlanes) {
		add(l.Node, l.Levels)
	}
	return t
}

// changeTable says how far each change came.
func changeTable(m Model) table {
	t := table{
		head: []string{"Generation", "Acknowledged", "In the store", "Served by", "First served", "Last served"},
		none: "No change was acknowledged in this run.",
	}
	if m.Staleness == nil {
		return t
	}
	for _, c := range m.Staleness.Changes {
		t.rows = append(t.rows, []string{strconv.Itoa(c.Generation), offset(c.Acked), after(c.Stored),
			fmt.Sprintf("%d of %s", c.Served, count(c.DataPlanes, "data plane")), after(c.First), after(c.Last)})
	}
	return t
}
