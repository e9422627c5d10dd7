// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"cmp"
	"fmt"
	"slices"
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
	stalls  []Stall        // apart, by time
}

func (c *control) take(e history.Event) {
	took := e.Until.Sub(e.At)
	c.longest = max(c.longest, took)
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

// settle merges stalls that overlap.
func (c *control) settle() {
	slices.SortFunc(c.stalls, func(a, b Stall) int { return cmp.Compare(a.From, b.From) })
	merged := c.stalls[:0]
	for _, s := range c.stalls {
		if last := len(merged) - 1; last >= 0 && s.From <= merged[last].To {
			merged[last].To = max(merged[last].To, s.To)
		} else {
			merged = append(merged, s)
		}
	}
	c.stalls = merged
}

// amid are the stalls of a time.
func (c *control) amid(from, to history.Time) []Stall {
	return slices.DeleteFunc(slices.Clone(c.stalls), func(s Stall) bool { return s.To < from || s.From > to })
}

// stalled says for how long the machine stalled within a time.
func (c *control) stalled(from, to history.Time) time.Duration {
	var sum time.Duration
	for _, s := range c.stalls {
		sum += max(0, min(to, s.To).Sub(max(from, s.From)))
	}
	return sum
}

// excuses says whether a request came to nothing while the machine stalled, for as long
// as it takes to call that a stall. Only a time-out has that excuse: a stalled machine
// makes nobody answer wrongly.
func (c *control) excuses(r history.Request) bool {
	return r.Class == history.Timeout && c.stalled(r.Intended, r.Done) >= StallLimit
}

// excusesLook says the same of a look that got no answer, when what it saw was so until
// some moment. Only changes are recorded: one that outlasts the stall by more than a look
// has another cause.
func (c *control) excusesLook(k look, until history.Time) bool {
	return k.code == 0 && c.stalled(k.at, k.until) >= StallLimit && until.Sub(k.until) <= c.stalled(k.until, until)+lookLimit
}

// lookLimit is how long the first look after a stall may take, and the time before it.
const lookLimit = 3 * time.Second

// lasts is until when what a look saw was so: until the next change, or an end.
func lasts(looks []look, i int, end history.Time) history.Time {
	if i+1 < len(looks) {
		return min(looks[i+1].at, end)
	}
	return end
}

// blames adds a counterexample that is a request, unless the machine stalled.
func (v *view) blames(f *finding, r history.Request, seen func() Evidence) {
	if v.control.excuses(r) {
		f.spare(seen())
		return
	}
	f.bad.note(r.Done, seen)
}

// spare keeps what a stall may have made from counting as a counterexample; the clause
// cannot be called held either.
func (f *finding) spare(seen Evidence) {
	f.doubts("%s, while the upstream itself kept the harness waiting: the machine stalled", seen.Text)
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
