// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"net/http"
	"strings"

	"blackout/harness/history"
)

var namesKeys = promise{"G5", "Object keys are <prefix>/<exact version>/config.json; another version's object is never used; election objects live under <prefix>/<version>/election/.", []clause{
	{"G5.1", "Every request for a snapshot names the node's exact version.", "requests", namesItsVersion, func(s *story) {
		s.plane("dp-1", importing)
		s.asks(2, "dp-1", "GET blackout/backup/3.9.0/config.json", http.StatusOK)
		s.breaks(5, "dp-1>cp", "exit")
	}},
	{"G5.2", "Another version's object is never used.", "starts", usesNoOtherVersion, func(s *story) {
		s.outageBefore("dp-1", "reset")
		s.breaks(1.5, "dp-1", "store-other-version")
		s.readsInVain(2.5, "dp-1", http.StatusNotFound)
		s.live(4, "dp-1", 1)
		s.heals(20, "dp-1>cp")
	}},
	{"G5.3", "What is written beside the snapshot lives under its version's election/.", "writes", writesElectionsOnly, func(s *story) {
		s.plane("backup", exporting)
		s.asks(2, "backup", "PUT blackout/backup/3.9.1/leader.json", http.StatusOK)
		s.breaks(5, "backup>cp", "exit")
	}},
}}

// home is where a node's objects live, with a slash at its end; empty if the
// recording does not say.
func (v *view) home(n *node) string {
	if v.header.Storage == "" || n.Version == "" {
		return ""
	}
	return v.header.Storage + "/" + n.Version + "/"
}

func namesItsVersion(v *view, f *finding) {
	f.missing = "no node asked for a snapshot"
	for _, n := range v.recorded() {
		home := v.home(n)
		for _, r := range n.requests {
			if home == "" || !r.snapshot() {
				continue
			}
			f.opportunities++
			if r.key != home+"config.json" {
				f.bad.add(n.tells(r.at, history.StoreRequest, "sent %s; its own is %sconfig.json", r, home).on(storeEdge(n)))
			}
		}
	}
}

func usesNoOtherVersion(v *view, f *finding) {
	f.missing = "no new data plane met a store that has another version's object"
	for _, b := range v.importers() {
		if left := v.leftovers(b.node); len(left) > 0 && len(b.requestsIn(b.life)) > 0 {
			f.rests = append(f.rests, b.cut)
			v.addFollowers(f, b.node, left, "which is another version's")
		}
		met := v.onlyMet(b, "store-other-version")
		if len(met) == 0 {
			continue
		}
		f.rests = append(f.rests, b.cut)
		f.rests = append(f.rests, met...)
		f.opportunities++
		f.addLive(b, "although the store held only another version's object")
	}
}

func writesElectionsOnly(v *view, f *finding) {
	f.missing = "no node wrote anything beside a snapshot"
	for _, n := range v.recorded() {
		home := v.home(n)
		for _, r := range n.requests {
			if home == "" || !r.writes() || r.snapshot() {
				continue
			}
			f.opportunities++
			if !strings.HasPrefix(r.key, home+"election/") {
				f.bad.add(n.tells(r.at, history.StoreRequest, "sent %s, which is not below %selection/", r, home).on(storeEdge(n)))
			}
		}
	}
}
