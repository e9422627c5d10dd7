// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"cmp"
	"fmt"
	"slices"
	"sort"
	"time"

	"blackout/harness/history"
)

// StallLimit is how long the upstream may keep the harness waiting that asks it past
// every gateway. Beyond it the machine stalled, and what a gateway did not do in time
// has another owner: a quarter of the usual time-out of a probe, which goes through one
// process more.
const StallLimit = 500 * time.Millisecond

// control is what the harness saw of the upstream itself.
type control struct {
	asked   map[string]int // how often, by upstream
	longest time.Duration  // that an answer took; 0: none took long enough to be recorded
	slow    []Stall        // in which it waited for an answer long enough for that; apart, by time
	stalls  []Stall        // those of them that were too long; apart, by time
}

func (c *control) take(e history.Event) {
	took := e.Until.Sub(e.At)
	c.longest = max(c.longest, took)
	c.slow = append(c.slow, Stall{e.At, e.Until})
	if took >= StallLimit || e.Error != "" {
		c.stalls = append(c.stalls, Stall{e.At, e.Until})
	}
}

// tell takes how often an upstream was asked.
func (c *control) tell(e history.Event) {
	if c.asked == nil {
		c.asked = make(map[string]int)
	}
	c.asked[e.Node] = max(c.asked[e.Node], int(e.Value))
}

func (c *control) settle() { c.slow, c.stalls = merged(c.slow), merged(c.stalls) }

// merged are stalls by time; those that overlap are one.
func merged(stalls []Stall) []Stall {
	slices.SortFunc(stalls, func(a, b Stall) int { return cmp.Compare(a.From, b.From) })
	apart := stalls[:0]
	for _, s := range stalls {
		if last := len(apart) - 1; last >= 0 && s.From <= apart[last].To {
			apart[last].To = max(apart[last].To, s.To)
		} else {
			apart = append(apart, s)
		}
	}
	return apart
}

// starving are the figures that tell when a node had no processor.
var starving = map[string]bool{history.ProcessCPU: true, history.ProcessWait: true}

// starved are the times, from one sample to the next, in which others had the processor:
// for at least half of the time threads of the node waited for one, longer than they had
// one, which was for at most half of it, and an answer of the upstream was slow, too. A
// node that uses up the processors itself is not starved.
func (n *node) starved(slow []Stall) []Stall {
	var found []Stall
	waits := n.figures[history.ProcessWait]
	for i := 1; i < len(waits); i++ {
		from, to := waits[i-1], waits[i]
		began := slices.ContainsFunc(n.starts, func(m moment) bool { return m.at > from.at && m.at <= to.at })
		ran, told := n.used(from.at, to.at)
		if began || !told {
			continue // the figures are not of one process
		}
		half, waited := to.at.Sub(from.at).Seconds()/2, to.value-from.value
		if waited >= half && ran <= half && waited > ran && within(slow, from.at, to.at) > 0 {
			found = append(found, Stall{from.at, to.at})
		}
	}
	return found
}

// used is the processor time, in seconds, that the node used between two samples, if both
// tell.
func (n *node) used(from, to history.Time) (float64, bool) {
	before, ok := n.cpuAt(from)
	after, told := n.cpuAt(to)
	return after - before, ok && told && after >= before
}

// sampled is how far apart figures of one sample are at most.
const sampled = history.Time(500 * time.Millisecond)

// cpuAt is the processor time of the sample of a moment.
func (n *node) cpuAt(at history.Time) (float64, bool) {
	samples := n.figures[history.ProcessCPU]
	i := sort.Search(len(samples), func(i int) bool { return samples[i].at > at })
	if i == 0 || at-samples[i-1].at > sampled {
		return 0, false
	}
	return samples[i-1].value, true
}

// amid are the stalls of a time.
func (c *control) amid(from, to history.Time) []Stall {
	return slices.DeleteFunc(slices.Clone(c.stalls), func(s Stall) bool { return s.To < from || s.From > to })
}

// stalled says for how long the node was kept from answering within a time, by the
// machine.
func (n *node) stalled(from, to history.Time) time.Duration { return within(n.stalls, from, to) }

// stalled says for how long the machine stalled for all within a time.
func (c *control) stalled(from, to history.Time) time.Duration { return within(c.stalls, from, to) }

// within says how much of a time stalls cover.
func within(stalls []Stall, from, to history.Time) time.Duration {
	var sum time.Duration
	for _, s := range stalls {
		sum += max(0, min(to, s.To).Sub(max(from, s.From)))
	}
	return sum
}

// excused says whether a request came to nothing while the machine stalled, for as long
// as it takes to call that a stall. Only a time-out has that excuse: a stalled machine
// makes nobody answer wrongly.
func (n *node) excused(r history.Request) bool {
	return r.Class == history.Timeout && n.stalled(r.Intended, r.Done) >= StallLimit
}

// excusedLook says the same of a look that got no answer. Only changes of what is seen are
// recorded: one that outlasts the stall by more than a look has another cause.
func (n *node) excusedLook(k look, until history.Time) bool {
	return k.code == 0 && n.stalled(k.at, k.until) >= StallLimit && until.Sub(k.until) <= n.stalled(k.until, until)+lookLimit
}

// lasts is until when what a look saw was so: until the next change, or an end.
func lasts(looks []look, i int, end history.Time) history.Time {
	if i+1 < len(looks) {
		return min(looks[i+1].at, end)
	}
	return end
}

// lookLimit is how long the first look after a stall may take, and the time before it.
const lookLimit = 3 * time.Second

// blames adds a counterexample that is a request to the node, unless the machine stalled.
func (n *node) blames(f *finding, r history.Request, seen func() Evidence) {
	if n.excused(r) {
		f.spare(seen())
		return
	}
	f.bad.note(r.Done, seen)
}

// spare keeps what a stall may have made from counting as a counterexample; the clause
// cannot be called held either.
func (f *finding) spare(seen Evidence) {
	f.doubts("%s, while the upstream itself kept the harness waiting, or others had the processor: the machine stalled", seen.Text)
}

// observeStalls are the stalls of each node.
func (v *view) observeStalls() map[string][]Stall {
	stalls := make(map[string][]Stall)
	for name, n := range v.nodes {
		if len(n.stalls) > 0 {
			stalls[name] = n.stalls
		}
	}
	return stalls
}

// machineAnswered looks at what the harness asked of the upstream past every gateway.
func (v *view) machineAnswered() Check {
	c := Check{Name: CheckMachine}
	asked := 0
	for _, n := range v.control.asked {
		asked += n
	}
	if asked == 0 {
		c.Unmeasured, c.Text = true, "not measured: nobody asked the upstream itself"
		return c
	}
	stalls := v.control.amid(v.traffic.firstDue(), v.end)
	c.OK = len(stalls) == 0
	c.Text = fmt.Sprintf("%d requests straight to the upstream, past every gateway", asked)
	if v.control.longest > 0 {
		c.Text += fmt.Sprintf("; the longest took %.1f ms", float64(v.control.longest)/1e6)
	}
	c.Text += fmt.Sprintf(" (limit %s; what times out beyond it is not laid at a gateway's door)", StallLimit)
	if !c.OK {
		first := stalls[0]
		c.Text += fmt.Sprintf("; %d stalls, first from %s to %s", len(stalls), seconds(first.From.Sub(0)), seconds(first.To.Sub(0)))
	}
	return c
}
