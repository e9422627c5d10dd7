// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"fmt"
	"slices"
	"time"

	"blackout/harness/history"
	"blackout/harness/topology"
)

var exports = promise{"G6", "Every change reaches the store within the export delay plus one upload; changes inside the delay are coalesced to the last; a reader never sees a half-written object.", []clause{
	{"G6.1", "Every change is in the store within the export delay and one upload.", "changes", reachesTheStore, func(s *story) {
		s.exporter("backup")
		s.changes(3, 2)
		s.writes(30, "backup")
		s.holds(31, 2)
		s.breaks(32, "backup>cp", "exit")
	}},
	{"G6.2", "Changes inside the delay are coalesced: uploads keep its distance.", "uploads", coalesces, func(s *story) {
		s.exporter("backup")
		s.changes(3, 2)
		s.writes(3.2, "backup")
		s.changes(3.3, 3)
		s.writes(3.5, "backup")
		s.breaks(32, "backup>cp", "exit")
	}},
	{"G6.3", "A reader never sees a half-written object.", "looks", neverTorn, func(s *story) {
		s.event(3, history.Event{Kind: history.StoreObject, Text: storyObject, Error: "unexpected end of JSON input"})
		s.breaks(5, "backup>cp", "exit")
	}},
	{"G6.4", "A backup is never replaced by an empty one.", "looks", neverEmptied, func(s *story) {
		s.holds(3, 1)
		s.holds(4, 0)
		s.breaks(5, "backup>cp", "exit")
	}},
}}

// exporter tells of a backup node that has written generation 1.
func (s *story) exporter(name string, traits ...trait) {
	s.plane(name, append(traits, exporting)...)
	s.starts(0.5, name)
	s.live(1, name, 1)
	s.writes(1.5, name)
	s.holds(2, 1)
}

// uploadAllowance is for how long one upload may last, in spite of a busy machine.
const uploadAllowance = history.Time(10 * time.Second)

// upload is a snapshot that a backup node has written.
type upload struct {
	storeRequest
	by *node
}

// uploadsOf are the successful uploads by some backup nodes, by time.
func uploadsOf(nodes []*node) []upload {
	var out []upload
	for _, n := range nodes {
		for _, r := range n.requests {
			if r.method == "PUT" && r.snapshot() && r.good() {
				out = append(out, upload{r, n})
			}
		}
	}
	byTime(out, func(u upload) history.Time { return u.at })
	return out
}

// uploads are those by any of them.
func (v *view) uploads() []upload { return uploadsOf(v.exporters()) }

// exporters are the backup nodes.
func (v *view) exporters() []*node {
	var out []*node
	for _, n := range v.planes {
		if n.Export {
			out = append(out, n)
		}
	}
	return out
}

// rivals are the backup nodes that write one and the same object, where they are
// several.
func (v *view) rivals() [][]*node {
	var groups [][]*node
	for _, n := range v.exporters() {
		same := func(group []*node) bool { return storeOf(group[0]) == storeOf(n) && v.home(group[0]) == v.home(n) }
		if i := slices.IndexFunc(groups, same); i >= 0 {
			groups[i] = append(groups[i], n)
		} else {
			groups = append(groups, []*node{n})
		}
	}
	return slices.DeleteFunc(groups, func(group []*node) bool { return len(group) < 2 })
}

func reachesTheStore(v *view, f *finding) {
	f.missing = "nobody looked into the bucket after a change that a backup node could export"
	if len(v.exporters()) == 0 {
		return
	}
	for _, c := range v.changes.acked {
		v.reachStore(f, c)
	}
}

// reachStore judges one change. Whatever ails every backup node puts the time off
// until it is over.
func (v *view) reachStore(f *finding, c change) {
	allowed := history.Time(v.header.Profile.ExportDelay) + uploadAllowance
	if held, _ := v.heldBy(c, c.at+allowed); held {
		f.opportunities++
		return
	}
	from, healed, able := v.exportable(c.at, allowed)
	if !able || v.end < from+allowed {
		return
	}
	held, known := v.heldBy(c, from+allowed)
	if !known {
		return
	}
	f.opportunities++
	f.healed = append(f.healed, healed...)
	if !held {
		f.undone.add(Evidence{At: from + allowed, Kind: history.StoreObject,
			Text: fmt.Sprintf("the store did not hold generation %d, %s after a backup node could have it", c.generation, seconds(allowed.Sub(0)))})
	}
}

// exportable is from when on a backup node could export what was in force at a
// moment, after the healing of which faults, and whether one could at all.
func (v *view) exportable(at, within history.Time) (from history.Time, healed []*fault, able bool) {
	from = never
	for _, n := range v.exporters() {
		since, faults := at, []*fault(nil)
		for _, cut := range v.faults {
			cp := v.controlPlane(n)
			ails := slices.Contains([]string{v.cpEdge(n), storeEdge(n), topology.DatabaseEdge(cp).String()}, cut.edge) || cut.node == n.Name || cut.node == cp
			if !ails || !cut.during(since, since+within) {
				continue
			}
			since, faults = max(since, cut.healed), append(faults, cut)
			if cut.healed != never {
				since += history.Time(v.bound()) // it has to reconnect first
			}
		}
		l := n.lifeAt(at)
		if l != nil && since != never && l.end > since+within && since < from {
			from, healed, able = since, faults, true
		}
	}
	return from, healed, able
}

// heldBy says whether a store held a change by a moment, and whether that is known:
// it was looked at all the time, or somebody looked later and what was found can be
// dated by the uploads.
func (v *view) heldBy(c change, deadline history.Time) (held, known bool) {
	for _, n := range v.exporters() {
		for _, o := range v.snapshotsOf(n) {
			switch {
			case o.err != "" || v.isPlanted(o.generation):
			case o.generation < c.generation:
				known = known || o.followed || o.at > deadline
			default:
				return o.at <= deadline || v.uploadedBetween(c.at, deadline, o.at), true
			}
		}
	}
	return false, known
}

// uploadedBetween says whether what was found in the store at a moment was
// uploaded from one moment to another.
func (v *view) uploadedBetween(from, to, found history.Time) bool {
	last := upload{}
	for _, u := range v.uploads() {
		if u.until <= found {
			last = u
		}
	}
	return last.by != nil && last.at >= from && last.until <= to
}

func coalesces(v *view, f *finding) {
	f.missing = "no backup node uploaded twice"
	delay := v.header.Profile.ExportDelay
	last := make(map[*node]upload)
	for _, u := range v.uploads() {
		before, again := last[u.by]
		last[u.by] = u
		l := u.by.lifeAt(u.at)
		if !again || l == nil || before.at < l.start {
			continue
		}
		f.opportunities++
		if gap := u.at.Sub(before.at); gap < delay-delay/10 {
			f.bad.add(u.by.tells(u.at, history.StoreRequest, "uploaded again after %s (export delay %s)", seconds(gap), delay).on(storeEdge(u.by)))
		}
	}
}

func neverTorn(v *view, f *finding) {
	f.missing = "nobody looked into the bucket"
	for _, o := range v.objects {
		if o.err == history.ObjectGone {
			continue
		}
		f.opportunities++
		if o.err != "" {
			f.bad.add(o.found("torn: %s", o.err))
		}
	}
}

// found is evidence of what an independent reader found.
func (o object) found(format string, args ...any) Evidence {
	return Evidence{At: o.at, Node: o.store, Kind: history.StoreObject, Text: "a reader found " + o.key + " " + fmt.Sprintf(format, args...)}
}

func neverEmptied(v *view, f *finding) {
	f.missing = "nobody looked twice into the bucket"
	type place struct{ store, key string }
	held := make(map[place]bool) // there was a configuration
	for _, o := range v.objects {
		at := place{o.store, o.key}
		if held[at] && (o.err == "" || o.err == history.ObjectGone) {
			f.opportunities++
			if o.generation == 0 {
				f.bad.add(o.found("without a configuration, where there had been one"))
			}
		}
		held[at] = held[at] || o.generation > 0
	}
}
