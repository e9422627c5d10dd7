// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"strings"

	"blackout/harness/history"
)

// answersAlike compares what data planes that started during an outage answer with
// what those answer that had their configuration from the control plane. Between the
// two answers nobody may have changed it.
func answersAlike(v *view, f *finding) {
	f.missing = "no data plane that started during the outage was asked what a running one was asked"
	boots := v.boots()
	for _, b := range boots {
		for _, k := range in(b.probed, b.life) {
			if k.at > b.cut.heal {
				continue
			}
			like, ok := v.likeness(boots, k)
			if !ok {
				if like.by != "" {
					f.doubts("%s, which ran on, has no answer to compare with %q", like.by, k.text)
				}
				continue
			}
			f.rests = append(f.rests, b.cut)
			f.opportunities++
			if k.text != like.text {
				v.blamesLook(f, &f.bad, b.node, k, k.until, b.tells(k.at, history.ProbeAnswer, "answered %q; %s answered %q", k.text, like.by, like.text))
			}
		}
	}
}

// likeness is what a running data plane answered to the same probe, and who it was; or
// who was asked, and did not answer.
func (v *view) likeness(boots []boot, k look) (like struct{ by, text string }, ok bool) {
	name, _, _ := strings.Cut(k.text, ": ")
	for _, n := range v.planes {
		for _, o := range n.probed {
			asked, _, _ := strings.Cut(o.text, ": ")
			if asked != name || startedDark(boots, n, o) || v.changedBetween(o.at, k.at) {
				continue
			}
			like.by, like.text = n.Name, o.text
			if o.code != 0 {
				return like, true
			}
		}
	}
	return like, false
}

// startedDark says whether a node answered in a life that began during an outage.
func startedDark(boots []boot, n *node, k look) bool {
	for _, b := range boots {
		if b.node == n && k.at >= b.start && k.at < b.end {
			return true
		}
	}
	return false
}

// changedBetween says whether the configuration was changed between two moments.
func (v *view) changedBetween(a, b history.Time) bool {
	for _, c := range v.changes.sent {
		if c.at > min(a, b) && c.at < max(a, b) {
			return true
		}
	}
	return false
}
