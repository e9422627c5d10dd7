// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"maps"
	"net/http"
	"slices"
	"time"

	"blackout/harness/history"
)

var failsVisibly = promise{"G13", "What needs the control plane fails in that part, visibly, and takes nothing else down.", []clause{
	{"G13.1", "A new data plane that may not import, or could not, is not ready and serves nothing until the control plane returns.", "data planes", waitsForControlPlane, func(s *story) {
		s.plane("dp-1")
		s.breaks(1, "dp-1>cp", "reset")
		s.starts(2, "dp-1")
		s.live(4, "dp-1", 1)
		s.heals(20, "dp-1>cp")
	}},
	{"G13.2", "A data plane that is not ready says why.", "answers", saysWhy, func(s *story) {
		s.plane("dp-1")
		s.ready(2, "dp-1", http.StatusServiceUnavailable, "")
		s.breaks(5, "dp-1>cp", "exit")
	}},
	{"G13.3", "No node dies of the outage.", "nodes", nobodyDies, func(s *story) {
		s.residentBehind("dp-1", "exit")
		s.dies(9, "dp-1", "panic")
	}},
	{"G13.4", "A node that cannot start at all says why.", "nodes that did not start", diesSayingWhy, func(s *story) {
		s.plane("dp-1")
		s.breaks(1, "dp-1", "disk-read-only")
		s.starts(2, "dp-1")
		s.dies(3, "dp-1", "")
	}},
	{"G13.5", "No node keeps something of each outage or change: its files, connections, threads, goroutines and memory do not grow.", "figures of nodes", staysFlat, func(s *story) {
		s.cutsAndHeals("dp-1", minCuts+1, func(cut int) float64 { return float64(40 + cut) })
	}},
	{"G13.6", "A backup node that cannot write says so, and names what.", "faults", saysThatItCannotWrite, func(s *story) {
		s.exporterBehind("exit")
		s.says(4.5, "backup", `{"level":"INFO","msg":"a lease was looked at","key":"backup/3.9.1/election/lease.json"}`)
	}},
	{"G13.7", "A data plane that lacks a plugin of the configuration is not given it and serves on, and the control plane lists it as incompatible.", "answers", keepsFromMisfits, func(s *story) {
		s.misfit("plugin cors")
		s.syncs(4.5, "a-1", "normal")
		s.ends(60)
	}},
	{"G13.8", "A configuration larger than what may be sent is served by nobody and stops nobody, and somebody says that it is.", "answers", keepsFromOversize, func(s *story) {
		s.misfit(history.NeedsPayload)
		s.ends(60)
	}},
}}

func waitsForControlPlane(v *view, f *finding) {
	f.missing = "no data plane that may not import, or could not, was started during the outage"
	for _, b := range v.newcomers() {
		if b.Import {
			f.addUnserved(v, b)
			continue
		}
		f.rests = append(f.rests, b.cut)
		if len(in(b.ready, b.life)) == 0 {
			continue
		}
		f.opportunities++
		f.addLive(b, "although it may not import and the control plane was gone")
		f.addFailing(b)
		for _, r := range b.requestsIn(b.life) {
			if !b.Export {
				f.bad.add(b.tells(r.at, history.StoreRequest, "sent %s although it may not import", r).on(storeEdge(b.node)))
			}
		}
	}
}

// addUnserved judges a new data plane that may import and was given nothing: every
// request of its was answered by a fault that fails it, or none arrived.
func (f *finding) addUnserved(v *view, b boot) {
	met := v.onlyMet(b, deniesStore...)
	if cut := v.storeFaultAt(b.node, b.start); len(met) == 0 && cut != nil && cut.is(deniesStore...) && v.storeOutOfReach(b) && len(b.readsIn(b.life)) == 0 {
		met = append(met, cut)
	}
	if len(met) == 0 || len(in(b.ready, b.life)) == 0 {
		return
	}
	f.rests = append(append(f.rests, b.cut), met...)
	f.opportunities++
	f.addLive(b, "although it could not import and the control plane was gone")
	f.addFailing(b)
}

// addFailing adds what a new data plane answered before the control plane was back, other
// than that it has no such route, which is what it has to say without a configuration.
func (f *finding) addFailing(b boot) {
	for _, k := range in(b.serves, b.life) {
		if !slices.Contains([]int{0, http.StatusOK, http.StatusNotFound}, k.code) && k.until < b.cut.heal {
			f.bad.add(b.tells(k.at, history.ServeChange, "answered with status %d instead of %d without a configuration", k.code, http.StatusNotFound))
		}
	}
}

func saysWhy(v *view, f *finding) {
	f.missing = "no data plane was seen not ready"
	for _, b := range v.newcomers() {
		looks := in(b.ready, b.life)
		mute := func(k look) bool { return k.code == 0 || k.at > b.cut.heal }
		if len(looks) > 0 && b.died == nil && !slices.ContainsFunc(looks, func(k look) bool { return !mute(k) }) {
			f.undone.add(b.tells(looks[0].at, history.ReadyChange, "ran, and its Status API did not answer before the control plane was back"))
		}
	}
	for _, n := range v.planes {
		for _, k := range n.ready {
			if k.code == http.StatusOK || k.code == 0 {
				continue
			}
			f.opportunities++
			if k.text == "" {
				f.bad.add(n.tells(k.at, history.ReadyChange, "answered %s for readiness and did not say why", status(k.code)))
				continue
			}
			f.good.add(n.tells(k.at, history.ReadyChange, "said why it was not ready: %q", k.text))
		}
	}
}

func nobodyDies(v *view, f *finding) {
	f.missing = "no node was started"
	for _, n := range v.recorded() {
		if !n.started() {
			continue
		}
		f.opportunities++
		for _, l := range n.lives {
			if l.died != nil && !v.stillborn(n, l) {
				f.bad.add(n.tells(l.died.at, history.NodeExit, "was found ended with code %d; its last line: %s", l.died.code, l.died.text))
			}
		}
	}
}

// recorded are the nodes of the header, in its order.
func (v *view) recorded() []*node {
	var out []*node
	for _, n := range v.header.Nodes {
		out = append(out, v.nodes[n.Name])
	}
	return out
}

// stillborn says whether a node that died could not start: something of its own
// that it needs, its disk or its identity, was broken when its process began, and
// it never answered.
func (v *view) stillborn(n *node, l *life) bool {
	needs := slices.Concat(diskKinds, []string{"certificate-wrong", "certificate-expired", "certificate-rotated", "secret-missing"})
	broken := slices.ContainsFunc(v.ownFaults(n, needs...), func(f *fault) bool { return f.at(l.start) })
	answered := slices.ContainsFunc(in(n.ready, l), func(k look) bool { return k.code != 0 })
	return broken && !answered
}

// startTime is how long a node may take to find out that it cannot start.
const startTime = history.Time(10 * time.Second)

func diesSayingWhy(v *view, f *finding) {
	f.missing = "every node could start"
	for _, n := range v.recorded() {
		for _, l := range n.lives {
			if l.died == nil || !v.stillborn(n, l) {
				v.startsWithout(f, n, l)
				continue
			}
			f.opportunities++
			if l.died.text == "" || l.died.text == history.WroteNothing || l.died.code == 0 {
				f.bad.add(n.tells(l.died.at, history.NodeExit, "could not start and ended with code %d; its last line: %q", l.died.code, l.died.text))
				continue
			}
			f.good.add(n.tells(l.died.at, history.NodeExit, "could not start and said: %q", l.died.text))
		}
	}
}

// startsWithout judges a life that did not end at once. One that began without a secret
// which the node is told to use should have.
func (v *view) startsWithout(f *finding, n *node, l *life) {
	missing := v.ownFaults(n, "secret-missing")
	i := slices.IndexFunc(missing, func(m *fault) bool { return m.at(l.start) })
	if i < 0 {
		return
	}
	until := min(missing[i].heal, l.end, v.end)
	looks := in(n.ready, l)
	answered := slices.IndexFunc(looks, func(k look) bool { return k.code != 0 && k.at < until })
	switch {
	case answered >= 0:
		f.bad.add(n.tells(looks[answered].at, history.ReadyChange, "started without a secret that it is told to use, and answered %s", status(looks[answered].code)))
	case until-l.start >= startTime:
		f.undone.add(n.tells(l.start, "", "neither started nor said why not within %s", seconds(startTime.Sub(0))))
	default:
		return // it had no time for either
	}
	f.rests = append(f.rests, missing[i])
	f.opportunities++
}

// sorted are the keys of a set, in order.
func sorted(set map[string]bool) []string { return slices.Sorted(maps.Keys(set)) }
