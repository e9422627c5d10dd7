// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"fmt"
	"time"

	"blackout/harness/history"
)

var asksFirst = promise{"G1", "A data plane asks the control plane first, and reads the store only if that cannot give it a configuration.", []clause{
	{"G1.1", "A new data plane dials the control plane before it touches the store.", "starts", asksBeforeItReads, func(s *story) {
		s.outageBefore("dp-1", "reset")
		s.reads(2.3, "dp-1")
		s.dials("dp-1", "dp-1>cp", 2.5)
	}},
	{"G1.2", "A data plane that gets its configuration from the control plane does not touch the store on the way.", "starts", readsNothingWhenServed, func(s *story) {
		s.plane("dp-1", importing)
		s.starts(1, "dp-1")
		s.reads(1.5, "dp-1")
		s.live(2, "dp-1", 1)
		s.breaks(5, "dp-1>cp", "exit")
	}},
	turnsToStore("G1.3", "A control plane that resets the connection counts as one that cannot give a configuration.", "reset", resetting),
	turnsToStore("G1.4", "So does one that refuses the connection.", "exit", refusing),
	turnsToStore("G1.5", "So does one that does not answer.", "drop", silent),
	turnsToStore("G1.6", "So does one whose TLS handshake fails.", "certificate-expired", untrusting),
	turnsToStore("G1.7", "So does one that refuses the upgrade.", "cp-busy", declining),
	turnsToStore("G1.8", "So does one that is connected but silent beyond the wait.", "cp-silent-after-upgrade", mute),
	turnsToStore("G1.9", "So does one that sends nothing but what cannot be used.", "cp-invalid-configuration", useless),
}}

// outageBefore tells of a new data plane that may import, started while a fault
// keeps its control plane from it. Its story goes on at 2.2 s.
func (s *story) outageBefore(node, kind string) {
	s.plane(node, importing)
	target := node + ">cp"
	if kind == "certificate-expired" {
		target = node
	}
	s.breaks(1, target, kind)
	s.starts(2, node)
	s.ready(2.1, node, 503, "no configuration available")
}

func asksBeforeItReads(v *view, f *finding) {
	f.missing = "no new data plane touched the store"
	for _, b := range v.importers() {
		store := v.dialled(b.node, storeEdge(b.node), b.start, b.end)
		if len(store) == 0 || !outages[b.cut.kind].metered {
			continue // where its attempts at the control plane cannot be counted, their order is not known
		}
		f.rests = append(f.rests, b.cut)
		f.opportunities++
		cp := v.dialled(b.node, v.cpEdge(b.node), b.start, b.end)
		if len(cp) == 0 || cp[0] > store[0] {
			f.bad.add(b.tells(store[0], history.EdgeConnect, "dialled the store before the control plane").on(storeEdge(b.node)))
			continue
		}
		f.good.add(b.tells(store[0], history.EdgeConnect, "dialled the store %s after the control plane", seconds(store[0].Sub(cp[0]))).on(storeEdge(b.node)))
	}
}

func readsNothingWhenServed(v *view, f *finding) {
	f.missing = "no data plane that may import got its configuration from the control plane"
	for _, n := range v.planes {
		for i, l := range n.lives {
			served, ok := n.firstServed(l)
			if i > 0 || !n.Import || n.Export || !ok || v.starved(n, l.start) || v.outageAt(n, l.start) != nil || len(v.faultsBefore(n, served)) > 0 {
				continue
			}
			f.opportunities++
			for _, r := range n.requestsIn(l) {
				if r.at < served {
					f.bad.add(n.tells(r.at, history.StoreRequest, "sent %s though the control plane was there", r).on(storeEdge(n)))
				}
			}
		}
	}
}

// faultsBefore are the faults between a data plane and its control plane that
// began before a moment.
func (v *view) faultsBefore(n *node, t history.Time) []*fault {
	var out []*fault
	for _, f := range v.pathFaults(n) {
		if f.inject < t {
			out = append(out, f)
		}
	}
	return out
}

// turnsToStore is the clause that a new data plane reads the snapshot when its
// control plane fails in a manner; kind is a fault that makes it do so. That a backup
// node does is part of G11.1.
func turnsToStore(id, title, kind string, how manner) clause {
	judge := func(v *view, f *finding) {
		f.missing = fmt.Sprintf("no new data plane that may import met a control plane that %s", how)
		for _, b := range v.importers() {
			if b.Export || outages[b.cut.kind].manner != how || v.storeOutOfReach(b) {
				continue
			}
			reads := b.readsIn(b.life)
			turned := len(reads) > 0 && reads[0].at <= b.cut.heal
			if !turned && v.rushed(b) {
				continue // there was no time for it
			}
			f.rests = append(f.rests, b.cut)
			f.opportunities++
			if !turned {
				f.undone.add(b.tells(b.start, "", "did not read the snapshot although the control plane %s", how).on(storeEdge(b.node)))
				continue
			}
			v.addTurn(f, b, reads[0].at, how)
		}
	}
	return clause{id, title, "starts", judge, func(s *story) {
		s.outageBefore("dp-1", kind)
		s.ends(60)
	}}
}

// addTurn adds when a new data plane turned to the store. It may not before a control
// plane that is connected has been silent for the shortest wait. From its first sign of
// life on it knows by the longest: what it takes until then to start a process, or a
// container, is not the gateway's.
func (v *view) addTurn(f *finding, b boot, at history.Time, how manner) {
	turned := b.tells(at, history.StoreRequest, "read the snapshot %s after its start", seconds(at.Sub(b.start))).on(storeEdge(b.node))
	least := min(v.header.Profile.NoConfiguration, v.header.Profile.DialTimeout) - turnSlack
	if how == mute && at.Sub(b.start) < least {
		turned.Text += fmt.Sprintf(", and had to wait for its control plane for %s at least", seconds(least))
		f.bad.add(turned)
		return
	}
	awake := b.awake(v.dialled(b.node, v.cpEdge(b.node), b.start, at))
	most := v.importBound() + v.control.kept(b.Name, awake, at)
	if at.Sub(awake) > most && !anyDuring(v.held(b.node), b.start, at) {
		turned.Text += fmt.Sprintf(" and %s after its first sign of life, and had to within %s", seconds(at.Sub(awake)), seconds(most))
		f.bad.add(turned)
		return
	}
	f.good.add(turned)
}

// turnSlack is by how much a data plane may turn to the store sooner: the error of clocks.
const turnSlack = 50 * time.Millisecond

// storeOutOfReach says whether a fault kept a new data plane's requests from
// reaching the store at all, so that it cannot be seen to turn to it.
func (v *view) storeOutOfReach(b boot) bool {
	f := v.storeFaultAt(b.node, b.start)
	return f != nil && (f.is(untrustedStore...) || f.edge != "" && !f.is("truncate"))
}
