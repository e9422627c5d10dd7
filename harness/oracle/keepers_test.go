// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"net/http"

	"blackout/harness/history"
)

// keepers tell, for each clause, a small history that keeps it, and had an
// opportunity to break it. What breaks it is its canary.
var keepers = map[string]func(*story){
	"G1.1": func(s *story) {
		s.outageBefore("dp-1", "reset")
		s.dials("dp-1", "dp-1>cp", 2.2)
		s.reads(2.5, "dp-1")
	},
	"G1.2": func(s *story) {
		s.plane("dp-1", importing)
		s.starts(1, "dp-1")
		s.live(2, "dp-1", 1)
		s.breaks(5, "dp-1>cp", "exit")
	},
	"G1.3": turned("reset"),
	"G1.4": turned("exit"),
	"G1.5": turned("blackhole"),
	"G1.6": turned("certificate-expired"),
	"G1.7": turned("cp-busy"),
	"G1.8": turned("cp-no-database"),
	"G1.9": turned("cp-oversized-payload"),
	"G2.1": func(s *story) { turned("reset")(s); s.live(4, "dp-1", 1) },
	"G2.2": func(s *story) {
		s.outageBefore("dp-1", "reset")
		s.breaks(1.5, "dp-1>store", "truncate")
		s.readsInVain(2.5, "dp-1", http.StatusOK)
		s.heals(20, "dp-1>cp")
	},
	"G2.3": func(s *story) {
		s.plane("dp-1", importing)
		s.starts(1, "dp-1")
		s.reads(1.5, "dp-1")
		s.live(1.6, "dp-1", 1)
		s.breaks(6, "dp-1>cp", "exit")
	},
	"G2.4": func(s *story) {
		s.plane("dp-1", importing)
		s.plants(2, 500)
		s.probes("dp-1", 3, 5, 1)
		s.breaks(6, "dp-1>cp", "exit")
	},
	"G2.5": func(s *story) { s.restartBehind("dp-1", "exit"); s.live(6, "dp-1", 1) },
	"G3.1": func(s *story) {
		s.holds(0.5, 1)
		s.outageBefore("dp-1", "reset")
		s.reads(3, "dp-1")
		s.live(4, "dp-1", 1)
		s.probes("dp-1", 5, 8, 1)
		s.heals(20, "dp-1>cp")
	},
	"G3.2": spoiled("store-truncated"),
	"G3.3": func(s *story) {
		s.outageBefore("dp-1", "reset")
		s.reads(3, "dp-1")
		s.live(4, "dp-1", 1)
		s.starts(6, "dp-1")
		s.live(6.5, "dp-1", 1)
		s.probes("dp-1", 7, 9, 1)
		s.heals(20, "dp-1>cp")
	},
	"G3.4": spoiled("store-empty"),
	"G3.5": func(s *story) { s.residentBehind("dp-1", "cp-oversized-payload") },
	"G3.6": func(s *story) {
		s.plane("dp-1")
		s.changes(1, 1)
		s.probes("dp-1", 2, 4, 1)
		s.breaks(5, "dp-1>cp", "exit")
	},
	"G3.7": func(s *story) {
		s.residentBehind("dp-1", "exit")
		s.outageBefore("dp-2", "reset")
		s.probed(6, "dp-1", 200, "host: 200, kept")
		s.probed(7, "dp-2", 200, "host: 200, kept")
	},
	"G4.1": func(s *story) {
		s.outageBefore("dp-1", "blackhole")
		s.keepsDialling("dp-1", "dp-1>cp", 2.2, 30)
		s.heals(30, "dp-1>cp")
	},
	"G4.2": func(s *story) {
		s.outageBefore("dp-1", "reset")
		s.keepsDialling("dp-1", "dp-1>cp", 2.2, 30)
		s.heals(30, "dp-1>cp")
	},
	"G4.3": func(s *story) {
		s.changes(0.5, 1)
		s.residentBehind("dp-1", "exit")
		s.changes(6, 2)
		s.heals(8, "dp-1>cp")
		s.serves(9, "dp-1", http.StatusOK, 2)
	},
	"G4.4": func(s *story) {
		s.residentBehind("dp-1", "exit")
		s.knocks("dp-1>cp", 3, 1.2, 5.8, 6.5, 7.4, 8.1, 8.9, 9.6)
		s.heals(10, "dp-1>cp")
	},
	"G4.5": func(s *story) {
		s.residentBehind("dp-1", "exit")
		s.changes(6, 2)
		s.heals(30, "dp-1>cp")
		s.serves(32, "dp-1", http.StatusOK, 2)
		s.ends(60)
	},
	"G4.6": func(s *story) {
		for i, node := range []string{"dp-1", "dp-22"} {
			s.outageBefore(node, "reset")
			s.keepsDialling(node, node+">cp", 2.2+0.3*float64(i), 20)
			s.heals(20, node+">cp")
		}
	},
	"G4.7": func(s *story) {
		s.residentBehind("dp-1", "reset")
		s.keepsDialling("dp-1", "dp-1>cp", 5.6, 12)
		s.heals(12, "dp-1>cp")
	},
	"G4.12": func(s *story) {
		s.residentBehind("dp-1", "cp-older-database")
		s.serves(7, "dp-1", http.StatusOK, 4)
		s.pushes("dp-1>cp", 4)
		s.heals(40, "dp-1>cp")
	},
	"G4.8": func(s *story) {
		s.residentBehind("dp-1", "half-open")
		s.dials("dp-1", "dp-1>cp", 9)
		s.heals(30, "dp-1>cp")
	},
	"G4.9": func(s *story) {
		s.residentBehind("dp-1", "exit")
		s.heals(8, "dp-1>cp")
		s.dials("dp-1", "dp-1>cp", 8.3, 8.9)
	},
	"G4.10": func(s *story) {
		s.changes(0.5, 1)
		s.residentBehind("dp-1", "exit")
		s.hashes(2.1, "dp-1", "4fb2")
		s.outageBefore("dp-2", "reset")
		s.live(4, "dp-2", 1)
		s.hashes(4.1, "dp-2", "4fb2")
		s.ends(20)
	},
	"G4.11": func(s *story) {
		s.plane("dp-1")
		s.starts(1, "dp-1")
		s.live(2, "dp-1", 1)
		s.hashes(2.5, "dp-1", "4fb2")
		s.lists(3, "a-1", "4fb2")
		s.breaks(20, "dp-1>cp", "exit")
	},
	"G5.1": func(s *story) { turned("reset")(s) },
	"G5.2": func(s *story) {
		s.outageBefore("dp-1", "reset")
		s.breaks(1.5, "dp-1", "store-other-version")
		s.readsInVain(2.5, "dp-1", http.StatusNotFound)
		s.heals(20, "dp-1>cp")
	},
	"G5.3": func(s *story) {
		s.plane("backup", exporting)
		s.asks(2, "backup", "PUT blackout/backup/3.9.1/election/backup", http.StatusOK)
		s.breaks(5, "backup>cp", "exit")
	},
	"G6.1": func(s *story) {
		s.exporter("backup")
		s.changes(3, 2)
		s.writes(4, "backup")
		s.holds(31, 2)
		s.breaks(32, "backup>cp", "exit")
	},
	"G6.2": func(s *story) {
		s.exporter("backup")
		s.writes(3, "backup")
		s.writes(4.1, "backup")
		s.breaks(32, "backup>cp", "exit")
	},
	"G6.3": func(s *story) { s.holds(3, 1); s.breaks(5, "backup>cp", "exit") },
	"G6.4": func(s *story) { s.holds(3, 1); s.holds(4, 2); s.breaks(5, "backup>cp", "exit") },
	"G6.5": func(s *story) {
		s.exporter("backup")
		s.finds(1.6, 1, "one")
		s.writes(3, "backup")
		s.finds(3.1, 2, "two")
		s.breaks(5, "backup>cp", "exit")
	},
	"G6.6": func(s *story) { s.exporterProbed(6) },
	"G7.1": func(s *story) { turned("reset")(s) },
	"G7.2": func(s *story) {
		s.asks(0.5, history.ReaderAccount, "PUT "+storyObject, http.StatusForbidden)
		turned("reset")(s)
		s.live(4, "dp-1", 1)
	},
	"G8.1": func(s *story) {
		s.outageBefore("dp-1", "reset")
		s.breaks(1.5, "dp-1", "store-unknown-ca")
		s.dials("dp-1", "dp-1>store", 2.5)
		s.heals(20, "dp-1>cp")
	},
	"G8.2": func(s *story) {
		s.plane("backup", exporting, encrypts("AES256"))
		s.event(3, history.Event{Kind: history.StoreObject, Text: storyObject, Generation: 1, Encryption: "AES256"})
		s.breaks(5, "backup>cp", "exit")
	},
	"G9.1": func(s *story) {
		s.twoExporters()
		s.breaks(3, "backup-1", "kill")
		s.writes(8, "backup-2")
	},
	"G9.2": func(s *story) {
		s.twoExporters()
		s.breaks(3, "backup-1", "kill")
		s.changes(5, 2)
		s.writes(20, "backup-2")
		s.ends(120)
	},
	"G9.3": func(s *story) {
		s.twoExporters()
		s.breaks(3, "backup-1", "pause")
		s.writes(30, "backup-2")
		s.heals(40, "backup-1")
		s.asks(41, "backup-1", "PUT "+storyObject, http.StatusPreconditionFailed)
		s.ends(60)
	},
	"G10.1": func(s *story) { s.residentBehind("dp-1", "half-open") },
	"G10.2": func(s *story) { s.residentBehind("dp-1", "exit") },
	"G10.3": func(s *story) {
		s.changes(0.5, 1)
		s.plane("dp-1")
		s.starts(4, "dp-1")
		s.live(5, "dp-1", 1)
		s.breaks(8, "dp-1>cp", "exit")
	},
	"G10.4": func(s *story) { s.residentBehind("dp-1", "latency") },
	"G10.5": func(s *story) {
		s.outageBefore("dp-1", "reset")
		s.live(4, "dp-1", 1)
		s.probes("dp-1", 5, 12, 1)
		s.heals(8, "dp-1>cp")
	},
	"G10.6": func(s *story) { s.residentBehind("dp-1", "exit"); s.answers("dp-1", 7, 10, show(2)) },
	"G10.7": func(s *story) { s.residentBehind("dp-1", "cp-empty-configuration") },
	"G10.8": func(s *story) {
		s.plane("dp-1")
		s.starts(1, "dp-1")
		s.live(2, "dp-1", 1)
		s.probes("dp-1", 3, 9, 1)
		s.breaks(5, "dp-1", "disk-read-only")
	},
	"G10.9": func(s *story) { s.restartBehind("dp-1", "exit"); s.live(6, "dp-1", 1); s.ends(60) },
	"G10.10": func(s *story) {
		s.changes(4.5, 2)
		s.plane("dp-1")
		s.starts(1, "dp-1")
		s.live(2, "dp-1", 1)
		s.probes("dp-1", 3, 9, 1)
		s.serves(5, "dp-1", http.StatusOK, 2)
		s.answers("dp-1", 5, 10, show(2))
		s.breaks(20, "dp-1>cp", "exit")
	},
	"G11.1": func(s *story) {
		s.backupBehind("reset")
		s.reads(6, "backup")
		s.live(7, "backup", 1)
		s.ends(60)
	},
	"G11.2": func(s *story) {
		s.backupBehind("reset")
		s.reads(6, "backup")
		s.live(7, "backup", 1)
		s.heals(20, "backup>cp")
		s.writes(22, "backup")
	},
	"G12.1": func(s *story) {
		s.outageBefore("dp-1", "reset")
		s.live(4, "dp-1", 1)
		s.probesWithoutKey("dp-1", 5, 8)
	},
	"G12.2": func(s *story) {
		s.event(1, history.Event{Kind: history.SecretWatch, Looks: 2})
		s.event(2, history.Event{Kind: history.NodeLog, Node: "dp-1", Text: "started"})
		s.breaks(5, "dp-1>cp", "exit")
	},
	"G12.3": func(s *story) {
		s.residentBehind("dp-1", "exit")
		s.event(2, history.Event{Kind: history.NodeListens, Node: "dp-1", Text: "tcp 0.0.0.0:8000"})
		s.outageBefore("dp-2", "reset")
		s.event(7, history.Event{Kind: history.NodeListens, Node: "dp-2", Text: "tcp 0.0.0.0:8000"})
	},
	"G13.1": func(s *story) {
		s.plane("dp-1")
		s.breaks(1, "dp-1>cp", "reset")
		s.starts(2, "dp-1")
		s.ready(2.5, "dp-1", http.StatusServiceUnavailable, "no configuration available")
		s.heals(20, "dp-1>cp")
		s.live(21, "dp-1", 1)
	},
	"G13.2": func(s *story) {
		s.plane("dp-1")
		s.ready(2, "dp-1", http.StatusServiceUnavailable, "no configuration available")
		s.breaks(5, "dp-1>cp", "exit")
	},
	"G13.3": func(s *story) { s.residentBehind("dp-1", "exit"); s.stops(9, "dp-1") },
	"G13.4": func(s *story) {
		s.plane("dp-1")
		s.breaks(1, "dp-1", "disk-full")
		s.starts(2, "dp-1")
		s.dies(3, "dp-1", "prefix /kong cannot be written: no space left on device")
	},
	"G13.5": func(s *story) {
		s.cutsAndHeals("dp-1", minCuts+1, func(cut int) float64 { return float64(40 + cut%3) })
	},
	"G13.6": func(s *story) {
		s.exporterBehind("exit")
		s.says(4.5, "backup", `{"level":"ERROR","msg":"not exported","key":"backup/3.9.1/config.json","error":"connection refused"}`)
	},
	"G13.7": func(s *story) {
		s.misfit("plugin cors")
		s.syncs(4.5, "a-1", "plugin_set_incompatible")
		s.ends(60)
	},
	"G13.8": func(s *story) {
		s.misfit(history.NeedsPayload)
		s.says(4.5, "cp", `{"level":"WARN","msg":"dataplane.disconnected","error":"payload too big"}`)
		s.ends(60)
	},
}

// turned tells of a new data plane that read the snapshot when its control plane
// failed it.
func turned(kind string) func(*story) {
	return func(s *story) {
		s.outageBefore("dp-1", kind)
		s.reads(3, "dp-1")
		s.ends(60)
	}
}

// spoiled tells of a new data plane that used nothing of a damaged snapshot.
func spoiled(kind string) func(*story) {
	return func(s *story) {
		s.outageBefore("dp-1", "reset")
		s.breaks(1.5, "dp-1", kind)
		s.reads(3, "dp-1")
		s.heals(20, "dp-1>cp")
	}
}
