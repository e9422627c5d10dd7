// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"slices"

	"blackout/harness/history"
)

// Export is an acknowledged change and its way to the store.
type Export struct {
	Generation int
	Acked      history.Time
	Durable    *history.Time // when a snapshot with it, or with a later one, was in the store; nil if none was found
	Unhindered bool          // every backup node ran, and no fault came in its way, until then
	Rushed     bool          // the recording ends before a good backup node must have exported it
}

// Return is the end of an outage of one or several data planes, after which there was
// something new for some of them.
type Return struct {
	At     history.Time // when the last healing began
	Doubt  string       // why it cannot be believed
	Nodes  []string     // those that had something to catch up with
	Newest int          // the generation in force
	Latest *history.Time
	Behind string // a node that never served it, though it had the time; Latest is nil then
}

// observeExports leaves out a run without a backup node.
func (v *view) observeExports() []Export {
	if len(v.exporters()) == 0 || len(v.objects) == 0 {
		return nil
	}
	allowed := history.Time(v.header.Profile.ExportDelay) + uploadAllowance
	var out []Export
	for _, c := range v.changes.acked {
		e := Export{Generation: c.generation, Acked: c.at, Durable: v.durable(c), Rushed: v.end < c.at+allowed}
		until := min(c.at+allowed, v.end)
		if e.Durable != nil {
			until = *e.Durable
		}
		e.Unhindered = !slices.ContainsFunc(v.exporters(), func(n *node) bool { return v.hindered(n, c.at, until) })
		out = append(out, e)
	}
	return out
}

// hindered says whether a backup node did not run all through an interval, or a fault
// may have kept it from exporting.
func (v *view) hindered(n *node, from, to history.Time) bool {
	ailed := slices.ContainsFunc(v.faults, func(f *fault) bool { return v.ails(n, f) && f.during(from, to) })
	return ailed || !v.lived(n, from, to)
}

// durable is when a change was in the store: when the upload ended that brought what a
// reader found there, or when it was found, if nobody saw an upload.
func (v *view) durable(c change) *history.Time {
	var first *history.Time
	for _, n := range v.exporters() {
		for _, o := range v.snapshotsOf(n) {
			if o.err != "" || v.isPlanted(o.generation) || o.generation < c.generation {
				continue
			}
			found := max(o.at, o.until)
			for _, u := range v.uploads() {
				if u.until <= o.at {
					found = u.until
				}
			}
			if found = max(found, c.at); first == nil || found < *first {
				first = &found
			}
			break
		}
	}
	return first
}

// episode is outages of data planes that overlap.
type episode struct {
	from, to history.Time
	of       []resident
}

func (v *view) observeReturns() []Return {
	var out []Return
	for _, e := range v.episodes() {
		r := Return{At: e.to}
		for _, c := range v.changes.acked {
			if c.at < e.to {
				r.Newest = c.generation
			}
		}
		if r.Newest == 0 || v.end < e.to+history.Time(v.bound()) && !v.allServed(e, r.Newest) {
			continue // there was no time for it
		}
		for _, n := range e.of {
			v.comesBack(&r, n)
		}
		if len(r.Nodes) > 0 {
			out = append(out, r)
		}
	}
	return out
}

// allServed says whether every data plane of an episode served a generation at the end.
func (v *view) allServed(e episode, generation int) bool {
	return !slices.ContainsFunc(e.of, func(n resident) bool {
		_, ok := n.servedSince(generation, e.to)
		return !ok && !v.down(n.node, e.to, v.end)
	})
}

// comesBack adds what a data plane did after an outage. One that had the newest
// configuration already, or that something else befell, says nothing of it.
func (v *view) comesBack(r *Return, n resident) {
	served, ok := n.servedSince(r.Newest, r.At)
	bound := r.At + history.Time(v.bound())
	switch {
	case ok && served.at <= r.At || slices.Contains(r.Nodes, n.Name):
		return
	case len(v.faultsOf(n.node, "cp-older-database")) > 0 || v.down(n.node, r.At, bound) || n.end < bound:
		return
	case slices.ContainsFunc(v.pathFaults(n.node), func(f *fault) bool { return f.inject > r.At && f.inject < min(bound, served.at) }):
		return
	}
	r.Nodes = append(r.Nodes, n.Name)
	for _, f := range n.faults {
		if r.Doubt == "" {
			r.Doubt = (&finding{healed: []*fault{f}}).unfounded(v)
		}
	}
	switch at := seenBy(served); {
	case !ok:
		r.Behind, r.Latest = n.Name, nil
	case r.Behind == "" && (r.Latest == nil || at > *r.Latest):
		r.Latest = &at
	}
}

// episodes are the outages that were healed, of which those that overlap are one.
func (v *view) episodes() []episode {
	all := v.residents(v.cutOff)
	for _, b := range v.boots() { // who started meanwhile has to come back as well
		if b.cut.heal != never {
			all = append(all, resident{b.node, b.life, []*fault{b.cut}})
		}
	}
	byTime(all, resident.from)
	var out []episode
	for _, r := range all {
		for _, f := range r.faults {
			if f.heal == never {
				continue
			}
			alone := resident{r.node, r.life, []*fault{f}}
			i := slices.IndexFunc(out, func(e episode) bool { return f.inject <= e.to && f.heal >= e.from })
			if i < 0 {
				out = append(out, episode{f.inject, f.heal, []resident{alone}})
				continue
			}
			e := &out[i]
			e.from, e.to, e.of = min(e.from, f.inject), max(e.to, f.heal), append(e.of, alone)
		}
	}
	return out
}
