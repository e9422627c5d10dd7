// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"slices"

	"blackout/harness/history"
)

// reachesInTime bounds staleness: a change that was acknowledged, or is in force
// at a control plane that returns, is served soon.
func reachesInTime(v *view, f *finding) {
	f.missing = "no change was made while a data plane's control plane was there"
	for _, n := range v.planes {
		if len(n.serves) == 0 {
			continue
		}
		for _, c := range v.changes.acked {
			v.reachInTime(f, n, c, c.at)
		}
		v.reachNewcomer(f, n)
	}
}

// reachNewcomer judges the newest change that a data plane found when it was started
// first. Its control plane has had it all the while, also if it has lost its database
// since (Kong/kong#6935).
func (v *view) reachNewcomer(f *finding, n *node) {
	if !n.started() {
		return
	}
	born := n.lives[0].start
	var newest *change
	for _, c := range v.changes.acked {
		if c.at < born {
			newest = &c
		}
	}
	if newest != nil && v.lived(v.node(v.controlPlane(n)), newest.at, born) {
		v.reachInTime(f, n, *newest, born)
	}
}

// reachInTime judges one change at one data plane, from its acknowledgement or a later
// moment on. A fault between the two, or one that comes before the time is up, puts the
// time off until it is healed. What the data plane cannot be given it is not owed, nor
// what such a change overtook.
func (v *view) reachInTime(f *finding, n *node, c change, from history.Time) {
	if !v.fits(n, c.generation) {
		return
	}
	bound := history.Time(v.bound())
	if served, ok := n.servedSince(c.generation, from); ok && served.at <= from+bound {
		f.opportunities++
		f.good.add(n.tells(served.at, history.ServeChange, "served generation %d %s after it was acknowledged", c.generation, seconds(served.at.Sub(c.at))))
		return
	}
	var healed []*fault
	for _, cut := range append(v.pathFaults(n), v.unread(n, c)...) {
		if cut.is("cp-older-database") || cut.during(from, from+bound) && cut.healed == never {
			return // what is the newest there is not what was acknowledged, or nothing could come
		}
		if cut.during(from, from+bound) {
			from, healed = cut.healed, append(healed, cut)
		}
	}
	if v.end < from+bound || v.overtaken(n, c, from+bound) || !v.lived(n, from, from+bound) || !v.lived(v.node(v.controlPlane(n)), from, from+bound) {
		return
	}
	f.healed = append(f.healed, healed...)
	f.opportunities++
	if served, ok := n.servedSince(c.generation, c.at); ok && served.at <= from+bound {
		f.good.add(n.tells(served.at, history.ServeChange, "served generation %d %s after the control plane returned", c.generation, seconds(max(served.at.Sub(from), 0))))
		return
	}
	f.undone.add(n.tells(from+bound, "", "did not serve generation %d within %s, though its control plane was there", c.generation, v.bound()))
}

// unread are the faults between a data plane's control plane and its database that may
// have come before the control plane had read a change back: no data plane of it had
// been seen to serve it.
func (v *view) unread(n *node, c change) []*fault {
	return slices.DeleteFunc(v.databaseFaults(n), func(cut *fault) bool {
		return slices.ContainsFunc(v.planes, func(o *node) bool {
			return v.controlPlane(o) == v.controlPlane(n) && slices.ContainsFunc(o.serves, func(k look) bool {
				return k.at < cut.inject && k.generation >= c.generation
			})
		})
	})
}

// servedSince is the first look after a moment that saw a generation or a newer
// one; what it served already counts from that moment.
func (n *node) servedSince(generation int, from history.Time) (look, bool) {
	var last look
	for _, k := range n.serves {
		switch {
		case k.at < from:
			last = k
		case last.generation < generation && k.generation >= generation:
			return k, true
		}
	}
	last.at = from
	return last, last.generation >= generation
}

// lived says whether a node's process ran through an interval undisturbed. Of one
// whose start was not recorded that is taken for granted; one that could not start did
// not, whenever that was found out.
func (v *view) lived(n *node, from, to history.Time) bool {
	l := n.lifeAt(from)
	return (!n.started() || l != nil && l.end > to && !v.stillborn(n, l)) && !v.down(n, from, to)
}

// lifeAt is a node's life at a moment, or nil.
func (n *node) lifeAt(t history.Time) *life {
	for _, l := range n.lives {
		if l.start <= t && t < l.end {
			return l
		}
	}
	return nil
}

// followsBack judges running data planes whose control plane was given an older
// database: what it has counts, whatever its age. The generation is the fault's.
func followsBack(v *view, f *finding) {
	f.missing = "no running data plane's control plane was given an older database for long enough"
	bound := history.Time(v.bound())
	for _, r := range v.residents(func(n *node) []*fault { return v.faultsOf(n, "cp-older-database") }) {
		for _, cut := range r.faults {
			if min(cut.heal, r.end, v.end) < cut.active+bound || v.down(r.node, cut.active, cut.active+bound) {
				continue
			}
			f.rests = append(f.rests, cut)
			f.opportunities++
			i := slices.IndexFunc(r.serves, func(k look) bool {
				return k.at >= cut.inject && k.at <= cut.active+bound && k.good() && k.generation == cut.generation
			})
			if i < 0 {
				f.undone.add(r.tells(cut.active+bound, "", "did not serve generation %d, that of its control plane's database, within %s", cut.generation, v.bound()))
				continue
			}
			f.good.add(r.tells(r.serves[i].at, history.ServeChange, "served generation %d %s after its control plane had no newer one", cut.generation, seconds(r.serves[i].at.Sub(cut.inject))))
		}
	}
}
