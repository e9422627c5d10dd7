// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"cmp"
	"fmt"
	"time"

	"blackout/harness/history"
)

// StallLimit is how long the upstream may keep the harness waiting that asks it past
// every gateway. Beyond it the machine stalled, and what a gateway did not do in time
// has another owner: a quarter of the usual time-out of a probe, which goes through one
// process more.
const StallLimit = 500 * time.Millisecond

// control is what the harness saw of the machine: of the upstream itself, and of what
// kept nodes from running.
type control struct {
	asked   map[string]int    // how often, by upstream
	longest time.Duration     // that an answer took; 0: none took long enough to be recorded
	stalls  delays            // in which it kept the harness waiting
	denials map[string]delays // in which a node's process was kept from running, by node
}

func (c *control) take(e history.Event) {
	took := e.Until.Sub(e.At)
	c.longest = max(c.longest, took)
	if took >= StallLimit || e.Error != "" {
		c.stalls = append(c.stalls, delay{e.At, e.Until})
	}
}

// tell takes how often an upstream was asked.
func (c *control) tell(e history.Event) {
	if c.asked == nil {
		c.asked = make(map[string]int)
	}
	c.asked[e.Node] = max(c.asked[e.Node], int(e.Value))
}

// deny takes that a node was kept from running, or that it cannot be known.
func (c *control) deny(e history.Event) {
	if e.Error != "" {
		return
	}
	if c.denials == nil {
		c.denials = make(map[string]delays)
	}
	c.denials[e.Node] = append(c.denials[e.Node], delay{e.At, e.Until})
}

func (c *control) settle() {
	c.stalls = c.stalls.settled()
	for node, d := range c.denials {
		c.denials[node] = d.settled()
	}
}

// excuse says what of the machine's kept a node from answering a request, "" for
// nothing: it stalled, for as long as it takes to call that a stall, or for at least half
// of the time it gave the node no processor. Only a time-out has that excuse: such a
// machine makes nobody answer wrongly.
func (v *view) excuse(n *node, r history.Request) string {
	if r.Class != history.Timeout {
		return ""
	}
	return v.control.keptFrom(n.Name, r.Intended, r.Done)
}

// excuseLook says the same of a look that got no answer, when what it saw was so until
// some moment. Only changes are recorded: one that outlasts the stall by more than a look
// has another cause.
func (v *view) excuseLook(n *node, k look, until history.Time) string {
	if k.code != 0 || until.Sub(k.until) > v.control.kept(n.Name, k.until, until)+lookLimit {
		return ""
	}
	return v.control.keptFrom(n.Name, k.at, k.until)
}

// keptFrom says what of the machine's kept a node from answering within a time, "" for
// nothing.
func (c *control) keptFrom(node string, from, to history.Time) string {
	switch denied := c.denials[node].within(from, to); {
	case c.stalls.within(from, to) >= StallLimit:
		return "the upstream itself kept the harness waiting: the machine stalled"
	case denied >= StallLimit && denied >= to.Sub(from)/2:
		return fmt.Sprintf("the machine kept %s from running for %s", node, seconds(denied))
	}
	return ""
}

// kept says for how much of a time the machine may have kept a node from answering.
func (c *control) kept(node string, from, to history.Time) time.Duration {
	return max(c.stalls.within(from, to), c.denials[node].within(from, to))
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

// blames notes a counterexample that is a node's request, unless the machine kept the node
// from answering it.
func (v *view) blames(f *finding, bad *evidence, n *node, r history.Request, seen func() Evidence) {
	if why := v.excuse(n, r); why != "" {
		f.spare(seen(), why)
		return
	}
	bad.note(r.Done, seen)
}

// blamesLook does the same with a look, of which what it saw was so until some moment.
func (v *view) blamesLook(f *finding, bad *evidence, n *node, k look, until history.Time, seen Evidence) {
	if why := v.excuseLook(n, k, until); why != "" {
		f.spare(seen, why)
		return
	}
	bad.add(seen)
}

// spare keeps what the machine may have made from counting as a counterexample; the
// clause cannot be called held either.
func (f *finding) spare(seen Evidence, why string) {
	f.spared = cmp.Or(f.spared, fmt.Sprintf("%s, while %s", seen.Text, why))
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
	stalls := v.control.stalls.amid(v.traffic.firstDue(), v.end)
	c.OK = len(stalls) == 0
	c.Text = fmt.Sprintf("%d requests straight to the upstream, past every gateway", asked)
	if v.control.longest > 0 {
		c.Text += fmt.Sprintf("; the longest took %.1f ms", float64(v.control.longest)/1e6)
	}
	c.Text += fmt.Sprintf(" (limit %s; what times out beyond it is not laid at a gateway's door)", StallLimit)
	if !c.OK {
		first := stalls[0]
		c.Text += fmt.Sprintf("; %d stalls, first from %s to %s", len(stalls), seconds(first.from.Sub(0)), seconds(first.to.Sub(0)))
	}
	return c
}
