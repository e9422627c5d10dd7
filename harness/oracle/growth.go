// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"fmt"
	"slices"
	"strings"

	"blackout/harness/history"
)

// growing is a figure of a node that must not grow from cut to cut.
type growing struct {
	metric    string
	what      string
	most      float64 // that it may grow by with each cut, on the average
	collected bool    // what is no longer needed is given back now and then: the least of the time counts
}

// mustStayFlat are the figures. Of what is counted, one that is kept of every fifth
// cut is too much; memory is given back when its owner gets to it, so that less is
// noise.
var mustStayFlat = []growing{
	{history.ProcessFiles, "open files", 0.2, false},
	{history.ProcessSockets, "open sockets", 0.2, false},
	{history.ProcessThreads, "threads", 0.2, false},
	{history.RunningTimers, "running timers or goroutines", 0.2, false},
	{history.LiveBytes, "bytes in use", 16 << 10, true},
	{history.ProcessResident, "resident bytes", 256 << 10, true},
}

// staysFlat is the clause G13.5.
func staysFlat(v *view, f *finding) {
	f.missing = fmt.Sprintf("no node was cut off and healed %d times in one life with its figures seen after each time", minCuts)
	for _, n := range v.recorded() {
		for _, l := range n.lives {
			cycles := v.cycles(n, l)
			for _, g := range mustStayFlat {
				values, last := n.afterEach(cycles, g)
				if len(values) < minCuts {
					continue
				}
				for _, c := range cycles {
					f.rests = append(f.rests, c.faults...)
				}
				f.opportunities++
				t := trendOf(values)
				if t.above(g.most) {
					f.bad.add(n.tells(last, history.Metric, "has %.4g more %s with each of %d cuts: %.0f, and %.0f in the end", t.slope, g.what, len(values), t.first, t.last))
					continue
				}
				f.good.add(n.tells(last, history.Metric, "has %.0f %s, and %.0f after %d cuts: %.2g more with each", t.first, g.what, t.last, len(values), t.slope))
			}
		}
	}
}

// cycle is a time in which a node was cut off, by one fault or several, and the
// time after it until the next.
type cycle struct {
	faults        []*fault
	cut, healed   history.Time
	nextCutBegins history.Time
}

// cycles are those of a node's life. The last cut has no cycle: what follows it is
// the end of the run.
func (v *view) cycles(n *node, l *life) []cycle {
	var out []cycle
	for _, f := range v.cuts(n) {
		if f.inject <= l.start || f.inject >= l.end || f.healed == never {
			continue
		}
		if i := len(out) - 1; i >= 0 && f.inject <= out[i].healed {
			out[i].healed = max(out[i].healed, f.healed)
			out[i].faults = append(out[i].faults, f)
			continue
		}
		if i := len(out) - 1; i >= 0 {
			out[i].nextCutBegins = f.inject
		}
		out = append(out, cycle{faults: []*fault{f}, cut: f.inject, healed: f.healed})
	}
	return out[:max(0, len(out)-1)]
}

// cuts are the faults between a node and those that it is connected with for its
// configuration: its control plane, or its data planes that ran when they came. From
// others nothing was cut off.
func (v *view) cuts(n *node) []*fault {
	if n.Role == "data_plane" {
		return v.disturbed(n)
	}
	return slices.DeleteFunc(slices.Clone(v.faults), func(f *fault) bool {
		from, to, _ := strings.Cut(f.edge, ">")
		plane := v.nodes[from]
		return to != n.Name || plane == nil || plane.lifeAt(f.inject) == nil
	})
}

// afterEach are a figure's values after each of some cuts, and when it was seen last:
// the median of what was seen in the second half of the time until the next, since in
// the first half connections come back and what was held for the old ones goes; or the
// least of the whole cycle.
func (n *node) afterEach(cycles []cycle, g growing) (values []float64, last history.Time) {
	for _, c := range cycles {
		from, of := c.healed+(c.nextCutBegins-c.healed)/2, median
		if g.collected {
			from, of = c.cut, least
		}
		var seen []float64
		for _, s := range n.figures[g.metric] {
			if s.at >= from && s.at < c.nextCutBegins {
				seen, last = append(seen, s.value), s.at
			}
		}
		if len(seen) > 0 {
			values = append(values, of(seen))
		}
	}
	return values, last
}

func least(values []float64) float64 { return slices.Min(values) }
