// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package oracle

import "blackout/harness/history"

var bootsFromBackup = promise{"G11", "A backup node can itself boot from its own backup.", []clause{
	{"G11.1", "A backup node that starts during the outage without a cache serves from its own backup.", "starts", backupServes, func(s *story) {
		s.backupBehind("reset")
		s.ends(60)
	}},
	{"G11.2", "What it booted from its backup it does not write back.", "starts", backupWritesNothing, func(s *story) {
		s.backupBehind("reset")
		s.reads(6, "backup")
		s.live(7, "backup", 1)
		s.writes(8, "backup")
		s.heals(20, "backup>cp")
	}},
}}

// backupBehind tells of a backup node whose disk was wiped, and that was started
// again at 5 s while a fault kept its control plane from it.
func (s *story) backupBehind(kind string) {
	s.exporter("backup", importing)
	s.breaks(2.5, "backup>cp", kind)
	s.stops(3, "backup")
	s.breaks(4, "backup", "disk-wiped")
	s.starts(5, "backup")
	s.ready(5.1, "backup", 503, "no configuration available")
}

// backups are the starts of backup nodes that may import, without a cache and with
// a backup to boot from.
func (v *view) backups() []boot {
	var out []boot
	for _, b := range v.importers() {
		if _, known := v.snapshots(b); known && b.Export && v.storeFaultAt(b.node, b.start) == nil {
			out = append(out, b)
		}
	}
	return out
}

func backupServes(v *view, f *finding) {
	f.missing = "no backup node that may import was started during an outage without a cache"
	for _, b := range v.backups() {
		may, _ := v.snapshots(b)
		served, ok := b.firstGood(b.life)
		inTime := ok && served.at <= b.cut.heal
		if !inTime && v.rushed(b) {
			continue
		}
		f.rests = append(f.rests, b.cut)
		f.opportunities++
		switch {
		case !inTime:
			f.undone.add(b.tells(b.start, "", "did not serve from its own backup before the control plane was back, %s after its start", seconds(b.until(v).Sub(b.start))))
		case !may(served.generation):
			f.bad.add(b.tells(served.at, history.ServeChange, "served generation %d, which was not its backup's", served.generation))
		default:
			f.good.add(b.tells(served.at, history.ServeChange, "served from its own backup %s after its start", seconds(served.at.Sub(b.start))))
		}
	}
}

func backupWritesNothing(v *view, f *finding) {
	f.missing = "no backup node booted from its own backup"
	for _, b := range v.backups() {
		if _, ok := b.firstServed(b.life); !ok || len(b.readsIn(b.life)) == 0 {
			continue
		}
		f.rests = append(f.rests, b.cut)
		f.opportunities++
		for _, r := range b.requestsIn(b.life) {
			if r.writes() && r.snapshot() && r.at < b.cut.heal {
				f.bad.add(b.tells(r.at, history.StoreRequest, "sent %s although its configuration came from there", r).on(storeEdge(b.node)))
			}
		}
	}
}
