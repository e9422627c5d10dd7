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

var oneWriter = promise{"G9", "Among several backup nodes exactly one writes; another takes over when it dies; a paused ex-leader can't overwrite newer data.", []clause{
	{"G9.1", "One backup node writes at a time.", "uploads", oneWrites, func(s *story) {
		s.exporter("backup-1")
		s.exporter("backup-2")
		s.breaks(5, "dp-1>cp", "exit")
	}},
	{"G9.2", "Another takes over when the writer dies.", "deaths of a writer", takesOverWriting, func(s *story) {
		s.twoExporters()
		s.breaks(3, "backup-1", "kill")
		s.changes(5, 2)
		s.ends(120)
	}},
	{"G9.3", "A writer that was paused while another took over does not overwrite what that one wrote.", "pauses of a writer", pausedWritesNoMore, func(s *story) {
		s.twoExporters()
		s.breaks(3, "backup-1", "pause")
		s.writes(30, "backup-2")
		s.heals(40, "backup-1")
		s.writes(40.5, "backup-1")
	}},
}}

// takeOver is how long the others may take to notice that the writer is gone, beside
// the export delay: the lease, which is three silences or what it is by default, and
// what a busy machine adds.
func (v *view) takeOver() history.Time {
	const byDefault, silences = 20 * time.Second, 3
	return history.Time(min(byDefault, silences*v.header.Profile.Silence) + 10*time.Second)
}

// oneWrites judges the order of uploads: the writer may only change where something
// befell the one before. Who is refused because another wrote tried to, and would have
// replaced what that one wrote in a store that knows no conditions.
func oneWrites(v *view, f *finding) {
	f.missing = "no two backup nodes could write the same object, or none did"
	for _, rivals := range v.rivals() {
		var last upload
		wrote := make(map[*node]history.Time) // last
		for _, u := range writesOf(rivals) {
			if u.conflicts() {
				v.addRefused(f, last, u, wrote[u.by])
				continue
			}
			f.opportunities++
			if last.by != nil && last.by != u.by {
				v.addUsurper(f, last, u)
			}
			last, wrote[u.by] = u, u.at
		}
	}
}

// addUsurper adds that another wrote than before, unless it had a reason.
func (v *view) addUsurper(f *finding, last, u upload) {
	switch {
	case u.at < last.until:
		f.bad.add(u.by.tells(u.at, history.StoreRequest, "wrote the snapshot while %s was writing it", last.by.Name).on(storeEdge(u.by)))
	case !v.befell(last.by, last.at, u.at):
		f.bad.add(u.by.tells(u.at, history.StoreRequest, "wrote the snapshot %s after %s, which nothing had befallen", seconds(u.at.Sub(last.at)), last.by.Name).on(storeEdge(u.by)))
	}
}

// addRefused adds that another tried to write than before, unless it had a reason: what
// befell it since it wrote itself may have hidden from it that another leads.
func (v *view) addRefused(f *finding, last, u upload, wrote history.Time) {
	l := u.by.lifeAt(u.at)
	if last.by == nil || last.by == u.by || l == nil || v.befell(last.by, last.at, u.at) || v.befell(u.by, max(wrote, l.start), u.at) {
		return
	}
	f.bad.add(u.by.tells(u.at, history.StoreRequest, "was refused when it tried to write the snapshot %s after %s, which nothing had befallen", seconds(u.at.Sub(last.at)), last.by.Name).on(storeEdge(u.by)))
}

// ails says whether a fault is on a backup node, on its store or on what it gets its
// configuration from.
func (v *view) ails(n *node, cut *fault) bool {
	cp := v.controlPlane(n)
	return cut.node == n.Name || cut.node == cp || slices.Contains([]string{v.cpEdge(n), storeEdge(n), topology.DatabaseEdge(cp).String()}, cut.edge)
}

// befell says whether a backup node ended, or a fault came upon it or its edges,
// in an interval or before and lasted into it.
func (v *view) befell(n *node, from, to history.Time) bool {
	if l := n.lifeAt(from); l == nil || l.end <= to {
		return true
	}
	for _, cut := range v.faults {
		if v.ails(n, cut) && cut.during(from, to) {
			return true
		}
	}
	return false
}

// gone is a writer that ended, or was frozen.
type gone struct {
	*node
	rivals []*node
	at     history.Time
	cut    *fault   // nil if the harness simply ended it
	after  []upload // by it and its rivals
}

// done is when an upload took effect, at the latest.
func (u upload) done() history.Time { return max(u.at, u.until) }

// writersGone are the ends of writers that had rivals. Uploads count in the order in
// which they took effect: one may have been on its way when its writer was frozen.
func (v *view) writersGone() []gone {
	var out []gone
	for _, rivals := range v.rivals() {
		uploads := uploadsOf(rivals)
		byTime(uploads, upload.done)
		for i, u := range uploads {
			next := v.end
			if i+1 < len(uploads) {
				next = min(next, uploads[i+1].at)
			}
			if g := v.goneAfter(u); g.at < next {
				g.rivals, g.after = rivals, uploads[i+1:]
				out = append(out, g)
			}
		}
	}
	return out
}

// goneAfter is when and why a writer went after an upload of its.
func (v *view) goneAfter(u upload) gone {
	g := gone{node: u.by, at: never}
	if l := u.by.lifeAt(u.at); l != nil {
		g.at = l.end
	}
	for _, cut := range v.ownFaults(u.by, endsNode...) {
		if cut.inject > u.at && cut.inject < g.at {
			g.at, g.cut = cut.inject, cut
		}
	}
	return g
}

// takesOverWriting needs a change after the writer's end: without one there is
// nothing to write.
func takesOverWriting(v *view, f *finding) {
	f.missing = "no writer died with another backup node alive and a change to write"
	allowed := history.Time(v.header.Profile.ExportDelay) + uploadAllowance + v.takeOver()
	for _, g := range v.writersGone() {
		due := v.changedAfter(g.at)
		if due == never {
			continue
		}
		next := upload{storeRequest: storeRequest{at: never}}
		if len(g.after) > 0 {
			next = g.after[0]
		}
		inTime := next.by != nil && next.by != g.node && next.at <= due+allowed
		if heir := v.heir(g); !inTime && (heir == nil || v.end < due+allowed || v.befell(heir, g.at, due+allowed)) {
			continue
		}
		if g.cut != nil {
			f.rests = append(f.rests, g.cut)
		}
		f.opportunities++
		if !inTime {
			f.undone.add(g.tells(g.at, "", "was gone, and no other backup node wrote within %s of the next change", seconds(allowed.Sub(0))))
			continue
		}
		f.good.add(next.by.tells(next.at, history.StoreRequest, "wrote %s after %s was gone", seconds(next.at.Sub(g.at)), g.Name))
	}
}

// heir is a backup node that lived when a writer went, or nil.
func (v *view) heir(g gone) *node {
	for _, n := range g.rivals {
		if n != g.node && n.lifeAt(g.at) != nil && v.storeFaultAt(n, g.at) == nil && v.outageAt(n, g.at) == nil {
			return n
		}
	}
	return nil
}

// changedAfter is when the first change after a moment was acknowledged.
func (v *view) changedAfter(t history.Time) history.Time {
	for _, c := range v.changes.acked {
		if c.at > t {
			return c.at
		}
	}
	return never
}

func pausedWritesNoMore(v *view, f *finding) {
	f.missing = "no writer was paused while another took over"
	for _, g := range v.writersGone() {
		if g.cut == nil || !g.cut.is("pause") || len(g.after) == 0 || g.after[0].by == g.node || g.after[0].at > g.cut.heal {
			continue
		}
		f.rests = append(f.rests, g.cut)
		f.opportunities++
		heir := g.after[0].by
		for _, u := range g.after {
			if u.by == g.node && !v.befell(heir, g.after[0].at, u.done()) {
				f.bad.add(g.tells(u.done(), history.StoreRequest, "wrote the snapshot %s after its pause began, although %s had taken over", seconds(u.done().Sub(g.cut.inject)), heir.Name).on(storeEdge(g.node)))
			}
		}
		v.addSetBack(f, g)
	}
}

// addSetBack adds that an older configuration was found in the store after a newer
// one, once a paused writer went on.
func (v *view) addSetBack(f *finding, g gone) {
	newest := 0
	for _, o := range v.snapshotsOf(g.node) {
		if o.err != "" || v.isPlanted(o.generation) {
			continue
		}
		if o.at > g.cut.heal && o.generation < newest {
			f.bad.add(Evidence{At: o.at, Node: g.Name, Kind: history.StoreObject,
				Text: fmt.Sprintf("the store held generation %d again after generation %d, once %s went on", o.generation, newest, g.Name)})
		}
		newest = max(newest, o.generation)
	}
}
