// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"fmt"

	"blackout/harness/history"
)

var isProtected = promise{"G8", "The store's TLS certificate is verified; encryption asked for by configuration is in force on the stored object.", []clause{
	{"G8.1", "A store whose certificate is not trusted is told nothing and believed nothing.", "nodes", trustsNoStranger, func(s *story) {
		s.outageBefore("dp-1", "reset")
		s.breaks(1.5, "dp-1", "store-unknown-ca")
		s.reads(2.5, "dp-1")
		s.live(4, "dp-1", 1)
		s.heals(20, "dp-1>cp")
	}},
	{"G8.2", "The stored object is encrypted as the backup node was told to ask for.", "looks", isEncrypted, func(s *story) {
		s.plane("backup", exporting, encrypts("AES256"))
		s.holds(3, 1)
		s.breaks(5, "backup>cp", "exit")
	}},
}}

func trustsNoStranger(v *view, f *finding) {
	f.missing = "no node dialled a store whose certificate it could not trust"
	for _, n := range v.planes {
		for _, cut := range v.ownFaults(n, untrustedStore...) {
			if len(v.dialled(n, storeEdge(n), cut.active, cut.heal)) == 0 {
				continue
			}
			f.rests = append(f.rests, cut)
			f.opportunities++
			for _, r := range n.requests {
				if r.at >= cut.active && r.at <= cut.heal {
					f.bad.add(n.tells(r.at, history.StoreRequest, "sent %s to a store whose certificate it could not trust", r).on(storeEdge(n)))
				}
			}
			for _, b := range v.importers() {
				if b.node == n && cut.at(b.start) {
					f.addLive(b, "although the store's certificate was not to be trusted")
				}
			}
		}
	}
}

func isEncrypted(v *view, f *finding) {
	f.missing = "no backup node was told to ask for encryption"
	for _, n := range v.exporters() {
		if n.Encryption == "" {
			continue
		}
		f.missing = "nobody looked into the bucket"
		for _, o := range v.snapshotsOf(n) {
			if o.err != "" || v.isPlanted(o.generation) {
				continue
			}
			f.opportunities++
			if o.encryption != n.Encryption {
				f.bad.add(n.tells(o.at, history.StoreObject, "was told to ask for encryption by %s, and %s is stored with %s", n.Encryption, o.key, orNone(o.encryption)))
			}
		}
	}
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return fmt.Sprintf("%q", s)
}
