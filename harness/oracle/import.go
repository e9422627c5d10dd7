// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"net/http"
	"slices"
	"time"

	"blackout/harness/history"
)

var importsWhole = promise{"G3", "The imported configuration is validated whole, applied, cached, and carries traffic; bad data is refused whole.", []clause{
	{"G3.1", "A new data plane becomes ready and carries traffic from the snapshot while the control plane is gone.", "requests", servesTheSnapshot, func(s *story) {
		s.holds(0.5, 1)
		s.outageBefore("dp-1", "reset")
		s.reads(3, "dp-1")
		s.live(4, "dp-1", 1)
		s.probes("dp-1", 5, 8, 1)
		s.answers("dp-1", 6, 7, lose(history.Timeout))
		s.heals(20, "dp-1>cp")
	}},
	refusesData("G3.2", "A truncated snapshot is refused whole.", "truncated", "truncate", "store-truncated"),
	{"G3.3", "The imported configuration is cached, and survives a restart without control plane and store.", "restarts", servesImportedCache, func(s *story) {
		s.outageBefore("dp-1", "reset")
		s.reads(3, "dp-1")
		s.live(4, "dp-1", 1)
		s.starts(6, "dp-1")
		s.ready(6.5, "dp-1", 503, "no configuration available")
		s.ends(60)
	}},
	refusesData("G3.4", "Corrupt, empty and foreign data is refused whole.", "corrupt, empty or foreign", "store-flipped", "store-empty", "store-altered", "store-bare", "store-foreign", "store-bomb"),
	{"G3.5", "A good configuration is never replaced by bad data.", "answers", keepsFromBadData, func(s *story) {
		s.plane("dp-1")
		s.starts(1, "dp-1")
		s.live(2, "dp-1", 1)
		s.probes("dp-1", 3, 9, 1)
		s.breaks(5, "dp-1>cp", "cp-oversized-payload")
		s.answers("dp-1", 6, 7, show(2))
	}},
	{"G3.6", "No data plane serves a configuration that nobody made.", "answers", nothingInvented, func(s *story) {
		s.plane("dp-1")
		s.changes(1, 1)
		s.probes("dp-1", 2, 4, 1)
		s.answers("dp-1", 3, 4, show(7))
		s.breaks(5, "dp-1>cp", "exit")
	}},
	{"G3.7", "A data plane that starts during the outage answers every probe as a running one does.", "answers", answersAlike, func(s *story) {
		s.residentBehind("dp-1", "exit")
		s.outageBefore("dp-2", "reset")
		s.probed(6, "dp-1", 200, "host: 200, kept")
		s.probed(7, "dp-2", 404, "host: 404, no Route matched")
	}},
}}

// snapshots says which generations a new data plane may have found in the bucket:
// the one that an independent reader last saw there, and those that were uploaded
// since; or the older one that its store shows it.
func (v *view) snapshots(b boot) (may func(generation int) bool, known bool) {
	if behind := v.behindAt(b.node, b.start); behind != nil {
		return func(generation int) bool { return generation == behind.generation }, behind.generation > 0
	}
	var last object
	for _, o := range v.snapshotsOf(b.node) {
		if o.at < b.start {
			last, known = o, o.err == "" && o.generation > 0
		}
	}
	replaced := slices.ContainsFunc(v.uploads(), func(u upload) bool { return u.until > last.at && u.at < b.until(v) })
	return func(generation int) bool {
		return generation == last.generation || replaced && generation > last.generation && !v.isPlanted(generation)
	}, known
}

// servesTheSnapshot leaves out backup nodes, whose own boot is G11.1's to judge.
func servesTheSnapshot(v *view, f *finding) {
	f.missing = "no new data plane that may import had a whole snapshot to read"
	for _, b := range v.importers() {
		may, known := v.snapshots(b)
		if b.Export || !known || v.unusable(b) || v.storeIllAt(b.node, b.start) || len(in(b.ready, b.life)) == 0 {
			continue
		}
		served, ok := b.firstGood(b.life)
		inTime := ok && served.at <= b.cut.heal
		if !inTime && (v.rushed(b) || v.slowedDown(b)) {
			continue // there was no time for it
		}
		for _, mild := range []*fault{v.slowedAt(b.node, b.start), v.behindAt(b.node, b.start)} {
			if mild != nil {
				f.rests = append(f.rests, mild)
			}
		}
		f.rests = append(f.rests, b.cut)
		f.opportunities++ // its start
		switch {
		case !inTime:
			f.undone.add(b.tells(b.start, "", "did not serve before the control plane was back, %s after its start", seconds(b.until(v).Sub(b.start))))
			continue
		case !b.readyBefore(b.life, b.cut.heal):
			f.undone.add(b.tells(served.at, history.ServeChange, "served, but was not ready before the control plane was back"))
			continue
		}
		f.good.add(b.tells(served.at, history.ServeChange, "served %s after its process was started", seconds(served.at.Sub(b.start))))
		held := v.held(b.node)
		v.answers(f, b.node, func(r history.Request) {
			if anyDuring(held, r.Intended, r.Done) || r.Intended > b.cut.heal || r.Intended < served.until || r.Done >= b.end || v.isPlanted(int(r.Generation)) {
				return // a planted generation is G2.4's to judge
			}
			f.opportunities++
			// After the healing began an answer may show either configuration.
			if failed(r) || !may(int(r.Generation)) && r.Done <= b.cut.heal {
				v.blames(f, &f.bad, b.node, r, func() Evidence { return b.got(r, " instead of the snapshot's generation") })
			}
		})
	}
}

// slowedDown says whether a slow store kept a new data plane from serving: it was still
// being sent the snapshot, or had it not long enough. One that gives up a read of
// which more comes was not kept from it, unless it had patience.
func (v *view) slowedDown(b boot) bool {
	reads := b.readsIn(b.life)
	if v.slowedAt(b.node, b.start) == nil || len(reads) == 0 {
		return false
	}
	read, until := reads[0], b.until(v)
	if read.done() && read.whole {
		return until.Sub(read.until) < v.importBound()
	}
	return until <= read.until || read.until.Sub(read.at) >= readPatience
}

// readPatience is for how long at least a data plane must wait for a snapshot that keeps
// coming.
const readPatience = 10 * time.Second

// readyBefore says whether a node was seen ready in a life before a moment.
func (n *node) readyBefore(l *life, before history.Time) bool {
	return slices.ContainsFunc(in(n.ready, l), func(k look) bool { return k.code == http.StatusOK && k.until < before })
}

// refusesData is the clause that a new data plane that was only ever sent data
// which a kind of store fault damaged does not use any of it. What was in force at
// its start does not tell: it may be healed before the read.
func refusesData(id, title, damage string, kinds ...string) clause {
	judge := func(v *view, f *finding) {
		f.missing = "no new data plane was sent a " + damage + " snapshot"
		for _, b := range v.importers() {
			met := v.onlyMet(b, kinds...)
			if len(met) == 0 || len(b.readsIn(b.life)) == 0 {
				continue
			}
			f.rests = append(f.rests, b.cut)
			f.rests = append(f.rests, met...)
			f.opportunities++
			f.addLive(b, "although the only snapshot it was ever sent was "+damage)
		}
	}
	return clause{id, title, damage + " downloads", judge, func(s *story) {
		s.outageBefore("dp-1", "reset")
		s.breaks(1.5, "dp-1", kinds[len(kinds)-1])
		s.reads(3, "dp-1")
		s.live(4, "dp-1", 1)
		s.heals(20, "dp-1>cp")
	}}
}

// addLive adds every sign that a new data plane was ready or served before the
// control plane was back.
func (f *finding) addLive(b boot, although string) {
	for _, k := range in(b.ready, b.life) {
		if k.code == http.StatusOK && k.until < b.cut.heal {
			f.bad.add(b.tells(k.at, history.ReadyChange, "said it was ready %s", although))
		}
	}
	for _, k := range in(b.serves, b.life) {
		if k.code == http.StatusOK && k.until < b.cut.heal {
			f.bad.add(b.tells(k.at, history.ServeChange, "served generation %d %s", k.generation, although))
		}
	}
}

func servesImportedCache(v *view, f *finding) {
	f.missing = "no data plane that had imported was restarted during an outage"
	v.servesFromCache(f, func(b boot) bool { return v.imported(b) })
}

// imported says whether the configuration that a node had when it was restarted
// came from the store: an earlier life began with an import, and it was never
// connected since.
func (v *view) imported(b boot) bool {
	return slices.ContainsFunc(v.importers(), func(earlier boot) bool {
		return earlier.node == b.node && earlier.start < b.start && earlier.cut.heal > b.start
	})
}

// servesFromCache judges that data planes that are restarted during an outage, and
// touch no store, serve what they had.
func (v *view) servesFromCache(f *finding, of func(boot) bool) {
	for _, b := range v.restarts() {
		if of(b) {
			v.addFromCache(f, b)
		}
	}
}

// addFromCache adds a start with a cache under a fault in spite of which the data plane
// has to serve from it. One that asks the store is another clause's to judge.
func (v *view) addFromCache(f *finding, b boot) {
	served, ok := b.firstGood(b.life)
	inTime := ok && served.at <= b.cut.heal
	if len(b.requestsIn(b.life)) > 0 || !inTime && v.rushed(b) {
		return
	}
	had := b.servedBefore(b.start)
	f.rests = append(f.rests, b.cut)
	f.opportunities++
	switch {
	case !b.looked(b.life):
		f.doubts("nobody looked at %s after its restart at %s", b.Name, seconds(b.start.Sub(0)))
	case !inTime:
		f.undone.add(b.tells(b.start, "", "did not serve from its cache before the control plane was back, %s after its restart", seconds(b.until(v).Sub(b.start))))
	case served.generation != had && served.until < b.cut.heal && !v.cachedUnseen(b, served.generation, had):
		f.bad.add(b.tells(served.at, history.ServeChange, "served generation %d after its restart; its cache held generation %d", served.generation, had))
	default:
		f.good.add(b.tells(served.at, history.ServeChange, "served from its cache %s after its restart", seconds(served.at.Sub(b.start))))
		held := v.held(b.node)
		v.answers(f, b.node, func(r history.Request) {
			if r.Intended < served.until || r.Done >= min(b.cut.heal, b.end) || anyDuring(held, r.Intended, r.Done) || v.isPlanted(int(r.Generation)) {
				return // a planted generation is G2.4's to judge
			}
			if failed(r) || int(r.Generation) != served.generation {
				v.blames(f, &f.bad, b.node, r, func() Evidence { return b.got(r, " after it served generation %d from its cache", served.generation) })
			}
		})
	}
}

// cachedUnseen says whether a restarted data plane may have cached a newer generation
// than it was last seen to serve: one that came between the last look and its end.
func (v *view) cachedUnseen(b boot, generation, had int) bool {
	possible := b.start
	if outages[b.cut.kind].severs {
		possible = min(b.cut.active, b.start)
	}
	return generation > had && !v.imported(b) && slices.ContainsFunc(v.changes.sent, func(c change) bool {
		return c.generation == generation && c.at < possible
	})
}

// servedBefore is the last generation that a node was seen to serve before a
// moment; 0 if none.
func (n *node) servedBefore(t history.Time) int {
	generation := 0
	for _, k := range n.serves {
		if k.good() && k.at < t {
			generation = k.generation
		}
	}
	return generation
}

func keepsFromBadData(v *view, f *finding) {
	f.missing = "no running data plane was sent bad data"
	v.keepGenerations(f, func(n *node) []*fault {
		return append(v.faultsOf(n, "cp-oversized-payload"), v.faultsOf(n, "cp-invalid-configuration")...)
	})
}

func nothingInvented(v *view, f *finding) {
	f.missing = "no change of the configuration was recorded"
	if len(v.changes.sent) == 0 {
		return
	}
	made := v.made()
	for _, n := range v.planes {
		v.answers(f, n, func(r history.Request) {
			if r.Class != history.Good {
				return
			}
			f.opportunities++
			if !made[int(r.Generation)] {
				f.bad.add(n.got(r, ", which nobody made"))
			}
		})
	}
}

// made are the generations that were sent to the Admin API or planted in a bucket.
func (v *view) made() map[int]bool {
	made := make(map[int]bool)
	for _, c := range v.changes.sent {
		made[c.generation] = true
	}
	for _, p := range v.planted {
		made[p.generation] = true
	}
	return made
}
