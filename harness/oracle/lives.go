// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"slices"

	"blackout/harness/history"
)

// life is one run of a node's process.
type life struct {
	start history.Time
	end   history.Time // never if it lived on
	died  *moment      // its process was found ended though nobody ended it
}

// live makes a node's lives out of its starts and ends. What has a start ends
// with the next stop, death or start after it.
func (n *node) live() {
	n.lives = nil
	for i, s := range n.starts {
		l := &life{start: s.at, end: never}
		if i+1 < len(n.starts) {
			l.end = n.starts[i+1].at
		}
		for _, stop := range n.stops {
			if stop.at >= l.start && stop.at < l.end {
				l.end = stop.at
			}
		}
		for _, exit := range n.exits {
			if exit.at >= l.start && exit.at < l.end {
				l.end, l.died = exit.at, &exit
			}
		}
		n.lives = append(n.lives, l)
	}
}

// started says whether a node's process was ever started.
func (n *node) started() bool { return len(n.lives) > 0 }

// ascribe gives an answer to a look that outlasted a process to the next one: a
// connection that was asked for when nobody listened is made when somebody does.
func (n *node) ascribe(looks []look) {
	for i := range looks {
		k := &looks[i]
		for _, l := range n.lives {
			if k.code != 0 && k.at < l.start && l.start < k.until {
				k.at = l.start
			}
		}
	}
	byTime(looks, func(k look) history.Time { return k.at })
}

// in are the looks of a life, by their beginning.
func in(looks []look, l *life) []look {
	from := slices.IndexFunc(looks, func(k look) bool { return k.at >= l.start })
	if from < 0 {
		return nil
	}
	looks = looks[from:]
	if to := slices.IndexFunc(looks, func(k look) bool { return k.at >= l.end }); to >= 0 {
		looks = looks[:to]
	}
	return looks
}

// firstServed is when a node's probed route was first seen to answer well in a
// life.
func (n *node) firstServed(l *life) (history.Time, bool) {
	k, ok := n.firstGood(l)
	return k.at, ok
}

// firstGood is the look that saw it do so.
func (n *node) firstGood(l *life) (look, bool) {
	for _, k := range in(n.serves, l) {
		if k.good() {
			return k, true
		}
	}
	return look{at: never, until: never}, false
}

// requestsIn are a node's requests to the store in a life.
func (n *node) requestsIn(l *life) []storeRequest {
	var out []storeRequest
	for _, r := range n.requests {
		if r.at >= l.start && r.at < l.end {
			out = append(out, r)
		}
	}
	return out
}

// readsIn are its reads of the snapshot in a life.
func (n *node) readsIn(l *life) []storeRequest {
	return slices.DeleteFunc(n.requestsIn(l), func(r storeRequest) bool { return !r.reads() })
}

// boot is the start of a data plane whose control plane could not give it a
// configuration, and the fault that was the cause.
type boot struct {
	*node
	*life
	cut   *fault
	fresh bool // it had no usable cache
}

// until is when the control plane could first be there again, or the run's end or
// the life's if that came first.
func (b boot) until(v *view) history.Time { return min(b.cut.heal, b.end, v.end) }

// rushed says whether a data plane had not the time that a good one may take until it
// serves from the store or its cache, or was not left alone for it.
func (v *view) rushed(b boot) bool {
	until := b.until(v)
	for _, f := range v.held(b.node) {
		if f.inject >= b.start {
			until = min(until, f.inject)
		}
	}
	return until.Sub(b.start) < v.importBound()
}

// boots are the starts during an outage.
func (v *view) boots() []boot {
	var out []boot
	for _, n := range v.planes {
		for _, l := range n.lives {
			if cut := v.outageAt(n, l.start); cut != nil {
				out = append(out, boot{n, l, cut, !v.cached(n, l)})
			}
		}
	}
	return out
}

// cached says whether a node may have had a usable cache when a life began:
// whether it served in an earlier one and nothing took its disk since. After that,
// what it is given anew it may cache: a newer configuration, or any in a later life.
func (v *view) cached(n *node, l *life) bool {
	var lost history.Time
	for _, f := range v.ownFaults(n, losesCache...) {
		if f.inject < l.start {
			lost = max(lost, f.inject)
		}
	}
	had := 0
	for _, k := range n.serves {
		if !k.good() || k.at >= l.start {
			continue
		}
		its := n.lifeAt(k.at)
		if k.at > lost && (k.generation != had || its != nil && its.start > lost) {
			return true
		}
		had = k.generation
	}
	return false
}

// newcomers are the starts without a cache.
func (v *view) newcomers() []boot {
	return slices.DeleteFunc(v.boots(), func(b boot) bool { return !b.fresh })
}

// importers are the newcomers that may import.
func (v *view) importers() []boot {
	return slices.DeleteFunc(v.newcomers(), func(b boot) bool { return !b.Import })
}

// restarts are the starts with a cache, and nothing ever wrong with its disk.
func (v *view) restarts() []boot { return slices.DeleteFunc(v.boots(), v.lacksCache) }

// restartsUnder are such starts while a fault of some sort was in force, which need not
// be an outage.
func (v *view) restartsUnder(of func(*node) []*fault) []boot {
	var out []boot
	for _, n := range v.planes {
		for _, cut := range of(n) {
			for _, l := range n.lives {
				if b := (boot{n, l, cut, !v.cached(n, l)}); cut.at(l.start) && !v.lacksCache(b) {
					out = append(out, b)
				}
			}
		}
	}
	return out
}

func (v *view) lacksCache(b boot) bool {
	return b.fresh || len(v.ownFaults(b.node, diskKinds...)) > 0
}

// resident is a data plane that ran when a fault came between it and its control
// plane.
type resident struct {
	*node
	*life
	faults []*fault // in the order of their injection, the first is when it began
}

func (r resident) from() history.Time { return r.faults[0].inject }

// residents are the data planes that ran when faults of some sort came.
func (v *view) residents(of func(*node) []*fault) []resident {
	var out []resident
	for _, n := range v.planes {
		faults := of(n)
		for _, l := range n.lives {
			met := slices.DeleteFunc(slices.Clone(faults), func(f *fault) bool { return f.inject <= l.start || f.inject >= l.end })
			if len(met) > 0 {
				out = append(out, resident{n, l, met})
			}
		}
	}
	return out
}

// cutOff are the faults that take a data plane's control plane away.
func (v *view) cutOff(n *node) []*fault {
	return slices.DeleteFunc(v.pathFaults(n), func(f *fault) bool { _, ok := outages[f.kind]; return !ok })
}

// disturbed are the faults that a running data plane must not show.
func (v *view) disturbed(n *node) []*fault {
	met := slices.DeleteFunc(v.pathFaults(n), func(f *fault) bool {
		return f.is("cp-empty-configuration", "cp-older-database")
	})
	met = append(met, v.databaseFaults(n)...)
	byTime(met, func(f *fault) history.Time { return f.inject })
	return met
}

// down says whether a node was, or may have been, ended or frozen by the harness
// at any time of an interval.
func (v *view) down(n *node, from, to history.Time) bool {
	return anyDuring(v.ownFaults(n, endsNode...), from, to)
}

// held are the faults by which the harness froze or ended a node, until it let it go
// on: it cannot answer then.
func (v *view) held(n *node) []*fault { return v.ownFaults(n, "pause", "kill", "terminate") }

// anyDuring says whether one of some faults may have been in force at any time of
// an interval.
func anyDuring(faults []*fault, from, to history.Time) bool {
	return slices.ContainsFunc(faults, func(f *fault) bool { return f.during(from, to) })
}
