// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"net/http"

	"blackout/harness/history"
)

var onlyReads = promise{"G7", "Only the backup node writes; a data plane needs read access and nothing more.", []clause{
	{"G7.1", "Only backup nodes try to write.", "requests", onlyBackupsWrite, func(s *story) {
		s.plane("dp-1", importing)
		s.asks(2, "dp-1", "PUT blackout/backup/3.9.1/election/dp-1", http.StatusForbidden)
		s.breaks(5, "dp-1>cp", "exit")
	}},
	{"G7.2", "Read access is enough to import.", "starts", readingIsEnough, func(s *story) {
		s.asks(0.5, history.ReaderAccount, "PUT "+storyObject, http.StatusForbidden)
		s.outageBefore("dp-1", "reset")
		s.asks(3, "dp-1", "HEAD blackout", http.StatusForbidden)
		s.heals(30, "dp-1>cp")
	}},
}}

func onlyBackupsWrite(v *view, f *finding) {
	f.missing = "no node that is not a backup node sent a request to the store"
	for _, n := range v.recorded() {
		if n.Export {
			continue
		}
		for _, r := range n.requests {
			f.opportunities++
			if r.writes() {
				f.bad.add(n.tells(r.at, history.StoreRequest, "sent %s, answered with %s, and is no backup node", r, status(r.code)).on(storeEdge(n)))
			}
		}
	}
}

// readingIsEnough needs a witness that the importers' rights were a reader's: the
// harness tries to write with the same rights, and must be refused.
func readingIsEnough(v *view, f *finding) {
	f.missing = "nobody tried to write with a reader's rights"
	tried := false
	for _, r := range v.node(history.ReaderAccount).requests {
		if !r.writes() {
			continue
		}
		tried = true
		if r.code != http.StatusForbidden && r.code != http.StatusUnauthorized {
			f.invalid = "a write with a reader's rights was not refused but answered with " + status(r.code) + ": the importers may have had more than read access"
		}
	}
	if !tried {
		return
	}
	f.missing = "no new data plane imported"
	for _, b := range v.importers() {
		if b.Export || v.storeFaultAt(b.node, b.start) != nil {
			continue
		}
		served, ok := b.firstServed(b.life)
		imported := ok && served <= b.cut.heal
		var refused *storeRequest
		for _, r := range b.requestsIn(b.life) {
			if r.code == http.StatusForbidden && refused == nil {
				refused = &r
			}
		}
		if !imported && refused == nil {
			continue // whatever kept it, it was not its rights
		}
		f.rests = append(f.rests, b.cut)
		f.opportunities++
		if !imported {
			f.bad.add(b.tells(refused.at, history.StoreRequest, "sent %s, which a reader may not, and did not import", refused).on(storeEdge(b.node)))
		}
	}
}
