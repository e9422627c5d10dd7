// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"slices"
	"time"

	"blackout/harness/history"
)

// stall is how late an answer is late, on a busy machine too: a gateway that lets
// requests wait for an apply makes them wait as long as that takes.
const stall = time.Second

// swap is a time in which a running data plane takes over a new configuration: it
// serves already, and is about to serve a newer one.
type swap struct {
	generation int
	from, to   history.Time
}

// swapSpan is how long before the first sight of a new configuration its apply may
// have begun.
const swapSpan = history.Time(5 * time.Second)

// swaps are a data plane's, by time. A look that saw nothing good between two at one
// generation is none.
func (v *view) swaps(n *node) []swap {
	var out []swap
	for _, l := range n.lives {
		began, had := never, 0 // when it first served, and what it served last
		for _, k := range in(n.serves, l) {
			switch {
			case !k.good():
				continue
			case began == never:
				began = k.until
			case k.generation != had:
				from, to := max(began, k.at-swapSpan), min(k.until+swapTime, l.end)
				if !v.down(n, from, to) {
					out = append(out, swap{k.generation, from, to})
				}
			}
			had = k.generation
		}
	}
	return out
}

// answersMeanwhile judges requests while a configuration is taken over, whether or not
// there was a fault before. A prober that is late itself cannot tell who was.
func answersMeanwhile(v *view, f *finding) {
	f.missing = "no traffic was sent to a data plane while it took over a new configuration"
	var late evidence
	for _, n := range v.planes {
		swaps := v.swaps(n)
		v.answers(f, n, func(r history.Request) {
			i := slices.IndexFunc(swaps, func(s swap) bool { return r.Intended >= s.from && r.Done <= s.to })
			if i < 0 {
				return
			}
			f.opportunities++
			took := r.Done.Sub(r.Sent)
			switch {
			case failed(r):
				v.blames(f, &f.bad, n, r, func() Evidence { return n.got(r, " while it took over generation %d", swaps[i].generation) })
			case took <= stall:
			case took > stall+v.control.kept(n.Name, r.Sent, r.Done):
				late.add(n.got(r, " after %s, while it took over generation %d", seconds(took), swaps[i].generation))
			default:
				f.spare(n.got(r, " after %s", seconds(took)), "the machine kept it waiting for a part of that")
			}
		})
	}
	f.later(func() {
		if onTime := v.onTime(); late.count > 0 && !onTime.OK {
			f.opportunities = 0
			f.missing = "answers were late, and so was the prober: " + onTime.Text
			return
		}
		f.bad.addAll(late)
	})
}

// swapTime is for how long after the first answer of a new configuration an older
// one may still be seen: a gateway's worker processes swap one after another.
const swapTime = history.Time(time.Second)

// goesForwardOnly judges the order of generations in a life. A control plane that
// has an older configuration is followed, so a data plane of one is left out.
func goesForwardOnly(v *view, f *finding) {
	f.missing = "no data plane answered in two configurations"
	for _, n := range v.planes {
		if len(v.faultsOf(n, "cp-older-database")) > 0 {
			continue
		}
		for _, l := range n.lives {
			v.goForward(f, n, l)
		}
	}
}

// goForward judges one life.
func (v *view) goForward(f *finding, n *node, l *life) {
	first := make(map[uint32]history.Time)   // when a generation was first answered
	last := make(map[uint32]history.Request) // the last request that was answered in it
	count := 0
	from := l.start
	if cut := v.outageAt(n, l.start); cut != nil {
		from = cut.heal // until then it has what it started with, which other clauses judge
	}
	v.answers(f, n, func(r history.Request) {
		if r.Class != history.Good || v.isPlanted(int(r.Generation)) || r.Intended < from || r.Done >= l.end {
			return
		}
		count++
		if done, seen := first[r.Generation]; !seen || r.Done < done {
			first[r.Generation] = r.Done
		}
		if r.Sent >= last[r.Generation].Sent {
			last[r.Generation] = r
		}
	})
	f.later(func() {
		if len(first) > 1 {
			f.opportunities += count
		}
		for older, r := range last {
			for newer, done := range first {
				if newer > older && r.Sent > done+swapTime {
					f.bad.add(n.got(r, ", %s after its first answer of generation %d", seconds(r.Sent.Sub(done)), newer))
				}
			}
		}
	})
}
