// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"fmt"
	"net/http"
	"slices"
	"time"

	"blackout/harness/history"
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
	{"G6.4", "A backup is never replaced by an empty one, or by one that nobody made.", "looks", neverEmptied, func(s *story) {
		s.holds(3, 1)
		s.holds(4, 0)
		s.breaks(5, "backup>cp", "exit")
	}},
	{"G6.5", "What a backup node has written it does not write again.", "uploads", writesNothingTwice, func(s *story) {
		s.exporter("backup")
		s.finds(1.6, 1, "one")
		s.writes(3, "backup")
		s.finds(3.1, 1, "one")
		s.breaks(5, "backup>cp", "exit")
	}},
	{"G6.6", "While it exports, a backup node answers requests like a data plane that does not.", "uploads", exportsBeside, func(s *story) {
		s.exporterProbed(6)
		s.answers("backup", 4, 6, func(r *history.Request) { r.Done = r.Sent + moments(1.5) })
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

// twoExporters tells of the backup nodes backup-1, which has written generation 1, and
// backup-2, which has not written.
func (s *story) twoExporters() {
	s.exporter("backup-1")
	s.plane("backup-2", exporting)
	s.starts(0.5, "backup-2")
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
	return slices.DeleteFunc(writesOf(nodes), upload.conflicts)
}

// writesOf are those and the ones that the store refused because the object was not what
// the writer had taken it for.
func writesOf(nodes []*node) []upload {
	var out []upload
	for _, n := range nodes {
		for _, r := range n.requests {
			if u := (upload{r, n}); r.method == "PUT" && r.snapshot() && (r.good() || u.conflicts()) {
				out = append(out, u)
			}
		}
	}
	byTime(out, func(u upload) history.Time { return u.at })
	return out
}

// conflicts says whether the store itself refused the upload's condition.
func (u upload) conflicts() bool {
	return u.rule == "" && (u.code == http.StatusPreconditionFailed || u.code == http.StatusConflict)
}

// uploads are those by any of them.
func (v *view) uploads() []upload { return uploadsOf(v.exporters()) }

// exporters are the backup nodes.
func (v *view) exporters() []*node {
	var out []*node
	for _, n := range v.recorded() {
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
	from, healed, able := v.exportable(c, allowed)
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

// exportable is from when on a backup node could export a change, after the healing of
// which faults, and whether one could at all: not one that cannot be given it. One that
// ended may be started again: what it left undone is its next life's.
func (v *view) exportable(c change, within history.Time) (from history.Time, healed []*fault, able bool) {
	from = never
	for _, n := range v.exporters() {
		if !v.fits(n, c.generation) || v.overtaken(n, c, c.at+within) {
			continue
		}
		for _, l := range n.lives {
			since, faults, ok := v.exportableIn(n, l, c.at, within)
			if ok && since < from {
				from, healed, able = since, faults, true
			}
		}
	}
	return from, healed, able
}

// exportableIn is the same for one life of a backup node. Where something befell the one
// that wrote before, another has to notice that first.
func (v *view) exportableIn(n *node, l *life, at, within history.Time) (since history.Time, healed []*fault, able bool) {
	since = at
	if l.start > at { // it has to connect first
		since = l.start + history.Time(v.importBound())
	}
	if writer, last := v.writerBefore(n, at); writer != nil && writer != n && v.befell(writer, last, since+within) {
		since += v.takeOver()
	}
	for _, cut := range v.faults {
		ended := cut.node == n.Name && cut.is(endsNode...) && cut.inject < l.start // the start was its healing
		if ended || !v.ails(n, cut) || !cut.during(max(l.start, at), since+within) {
			continue
		}
		since, healed = max(since, cut.healed), append(healed, cut)
		if cut.healed != never {
			since += v.returning(n, cut)
		}
	}
	return since, healed, since != never && l.end > since+within
}

// returning is how long a backup node may take to find out that a fault is healed. It has
// to reconnect to its control plane. Its store it has to try again, and whoever doubles
// the waits between attempts has come to wait as long as the store was away.
func (v *view) returning(n *node, cut *fault) history.Time {
	if slices.Contains(v.storeFaults(n), cut) {
		const longest = history.Time(30 * time.Second)
		return min(cut.healed-cut.inject, longest)
	}
	return history.Time(v.bound())
}

// writerBefore is who of the backup nodes that write what a node writes did so last
// before a moment, and when; nil if none did.
func (v *view) writerBefore(n *node, at history.Time) (writer *node, last history.Time) {
	same := []*node{n}
	for _, rivals := range v.rivals() {
		if slices.Contains(rivals, n) {
			same = rivals
		}
	}
	for _, u := range uploadsOf(same) {
		if u.at < at {
			writer, last = u.by, u.at
		}
	}
	return writer, last
}

// heldBy says whether a store held a change by a moment, and whether that is known:
// it was looked at all the time, or somebody looked later and what was found can be
// dated by the uploads.
func (v *view) heldBy(c change, deadline history.Time) (held, known bool) {
	for _, n := range v.exporters() {
		older := false // it was seen to hold an older one until the next look
		for _, o := range v.snapshotsOf(n) {
			switch {
			case o.err != "" || v.isPlanted(o.generation):
				older = false
			case o.generation < c.generation:
				older = o.followed
				known = known || o.followed || o.at > deadline
			case o.at <= deadline || older:
				return o.at <= deadline, true
			default:
				return v.uploadedBetween(c.at, deadline, o.at)
			}
		}
	}
	return false, known
}

// uploadedBetween says whether what was found in the store at a moment was uploaded from
// one moment to another, and whether that is known: what was on its way then may have been
// found already.
func (v *view) uploadedBetween(from, to, found history.Time) (was, known bool) {
	within := func(u upload) bool { return u.by != nil && u.at >= from && u.until <= to }
	var before, meanwhile upload
	for _, u := range v.uploads() {
		switch {
		case u.until <= found:
			before = u
		case u.at <= found:
			meanwhile = u
		}
	}
	known = meanwhile.by == nil || within(before) == within(meanwhile)
	return known && within(before), known
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
	made := v.made()
	for _, o := range v.objects {
		at := place{o.store, o.key}
		if held[at] && (o.err == "" || o.err == history.ObjectGone) {
			f.opportunities++
			switch {
			case o.generation == 0:
				f.bad.add(o.found("without a configuration, where there had been one"))
			case len(v.changes.sent) > 0 && !made[o.generation]:
				f.bad.add(o.found("with generation %d, which nobody made", o.generation))
			}
		}
		held[at] = held[at] || o.generation > 0
	}
}
