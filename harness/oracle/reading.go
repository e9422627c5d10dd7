// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"net/http"
	"slices"
	"time"

	"blackout/harness/history"
)

var readsOnce = promise{"G2", "The store is read when a data plane is created, once; a failed read is not repeated; it is never polled.", []clause{
	{"G2.1", "A new data plane reads the snapshot exactly once.", "starts", readsExactlyOnce, func(s *story) {
		s.outageBefore("dp-1", "reset")
		s.reads(2.5, "dp-1")
		s.reads(2.6, "dp-1")
		s.live(2.7, "dp-1", 1)
	}},
	{"G2.2", "A read that failed is not repeated.", "failed reads", failedReadNotRepeated, func(s *story) {
		s.outageBefore("dp-1", "reset")
		s.breaks(1.5, "dp-1", "store-status")
		s.readsInVain(2.5, "dp-1", 503)
		s.readsInVain(4, "dp-1", 503)
	}},
	{"G2.3", "A data plane that serves never touches the store again.", "data planes", neverPolls, func(s *story) {
		s.plane("dp-1", importing)
		s.starts(1, "dp-1")
		s.live(2, "dp-1", 1)
		s.dials("dp-1", "dp-1>store", 5)
		s.breaks(6, "dp-1>cp", "exit")
	}},
	{"G2.4", "A change of the object after the start is followed by nobody.", "answers", plantedNotFollowed, func(s *story) {
		s.plane("dp-1", importing)
		s.plants(2, 500)
		s.probes("dp-1", 3, 5, 1)
		s.answers("dp-1", 4, 5, show(500))
		s.breaks(6, "dp-1>cp", "exit")
	}},
	{"G2.5", "A data plane that restarts with a usable cache does not read the store.", "restarts", cacheBeatsStore, func(s *story) {
		s.restartBehind("dp-1", "exit")
		s.reads(5.5, "dp-1")
		s.live(6, "dp-1", 1)
	}},
}}

// restartBehind tells of a data plane that served, and was restarted at 5 s while
// a fault kept its control plane from it.
func (s *story) restartBehind(node, kind string, traits ...trait) {
	s.plane(node, append(traits, importing)...)
	s.starts(1, node)
	s.live(2, node, 1)
	s.breaks(3, node+">cp", kind)
	s.stops(4, node)
	s.starts(5, node)
}

func readsExactlyOnce(v *view, f *finding) {
	f.missing = "no new data plane read the snapshot whole"
	for _, b := range v.importers() {
		reads := b.readsIn(b.life)
		if b.Export || len(reads) == 0 || v.storeIllAt(b.node, b.start) {
			continue
		}
		f.rests = append(f.rests, b.cut)
		f.opportunities++
		v.addRepeats(f, b, reads[0])
	}
}

func failedReadNotRepeated(v *view, f *finding) {
	f.missing = "no new data plane's read failed"
	for _, b := range v.importers() {
		cut := v.storeFaultAt(b.node, b.start)
		if b.Export || cut == nil || !cut.is(slices.Concat(failingStore, damagingStore)...) {
			continue
		}
		reads := b.readsIn(b.life)
		switch {
		case v.storeOutOfReach(b) && (len(reads) == 0 || reads[0].at > cut.heal):
			if !v.addRedials(f, b, cut) {
				continue
			}
		case len(reads) > 0:
			v.addRepeats(f, b, reads[0])
		default:
			continue
		}
		f.rests = append(f.rests, b.cut, cut)
		f.opportunities++
	}
}

// addRedials adds a node's attempts to reach its store again after one that got
// nothing through to be seen there, and says whether there was anything to judge.
// Where attempts under the fault are not counted, what comes after its healing tells,
// if a good node's only attempt must have been made by then and it was looked at after.
func (v *view) addRedials(f *finding, b boot, cut *fault) bool {
	dials := v.dialled(b.node, storeEdge(b.node), b.start, b.end)
	uncounted := cut.edge != "" && !outages[cut.kind].metered
	if uncounted {
		early, late := cut.heal.Sub(b.start) < v.importBound(), b.until(v).Sub(cut.healed) < lookAfter
		if early || late {
			return false
		}
		for _, t := range dials {
			if t > cut.heal {
				f.bad.add(b.tells(t, history.EdgeConnect, "dialled the store %s after its start, when it was well again", seconds(t.Sub(b.start))).on(storeEdge(b.node)))
			}
		}
		return true
	}
	if len(dials) == 0 {
		return false
	}
	// A second connection may belong to the same read only at once.
	for _, t := range dials[1:] {
		if t > dials[0]+lookSlack {
			f.bad.add(b.tells(t, history.EdgeConnect, "dialled the store again %s after its read failed", seconds(t.Sub(dials[0]))).on(storeEdge(b.node)))
		}
	}
	return true
}

// lookAfter is for how long at least a node must have been looked at after its store
// was healed, for its silence to mean something.
const lookAfter = 2 * time.Second

// addRepeats adds a node's requests after its read of the snapshot: of whatever
// kind and object, for none is needed any more. A further read is one too many
// also while the first still runs. Where the store said that there is no such
// object, one look at which there are belongs to the read: it makes the node's
// error clearer.
func (v *view) addRepeats(f *finding, b boot, read storeRequest) {
	reads, looked := 0, read.code != http.StatusNotFound
	for _, r := range b.requestsIn(b.life) {
		if r.reads() {
			reads++
		}
		if !looked && r.lists() && r.at <= read.until+lookSoon {
			looked = true
			continue
		}
		if r.at > max(read.until, read.at) || r.reads() && reads > 1 {
			f.bad.add(b.tells(r.at, history.StoreRequest, "sent %s %s after its read of the snapshot began", r, seconds(r.at.Sub(read.at))).on(storeEdge(b.node)))
		}
	}
}

// lookSlack is how close two observers' times may lie before their order is
// unknown: the import's own read and the first good answer can be that near. A
// node that polls does so again later.
const lookSlack = history.Time(50 * time.Millisecond)

// lookSoon is how soon after its read was answered a node looks which objects there
// are: at once, on a busy machine.
const lookSoon = history.Time(time.Second)

// neverPolls has two witnesses: the requests that were signed with the node's
// credential, refused ones too, and the connection attempts on its edge.
func neverPolls(v *view, f *finding) {
	f.missing = "no data plane with an account of the store was seen serving"
	for _, n := range v.planes {
		for _, l := range n.lives {
			first, ok := n.firstGood(l)
			if !n.Import || n.Export || !ok {
				continue
			}
			served := max(first.at, first.until) // the answer may have waited for the import
			f.opportunities++
			for _, r := range n.requestsIn(l) {
				if r.at > served+lookSlack {
					f.bad.add(n.tells(r.at, history.StoreRequest, "sent %s %s after it began to serve", r, seconds(r.at.Sub(served))).on(storeEdge(n)))
				}
			}
			for _, t := range v.dialled(n, storeEdge(n), served+lookSlack+1, l.end) {
				f.bad.add(n.tells(t, history.EdgeConnect, "dialled the store %s after it began to serve", seconds(t.Sub(served))).on(storeEdge(n)))
			}
		}
	}
}

func plantedNotFollowed(v *view, f *finding) {
	f.missing = "nothing was planted in the bucket"
	for _, n := range v.planes {
		left := v.leftovers(n)
		own := slices.DeleteFunc(slices.Clone(v.planted), func(p planting) bool { return slices.Contains(left, p) })
		v.addFollowers(f, n, own, "which was only ever planted in the bucket")
	}
}

// addFollowers adds every answer of a node in a generation that was only ever put into
// the bucket.
func (v *view) addFollowers(f *finding, n *node, planted []planting, which string) {
	if len(planted) == 0 {
		return
	}
	is := func(generation int) bool {
		return slices.ContainsFunc(planted, func(p planting) bool { return p.generation == generation })
	}
	v.answers(f, n, func(r history.Request) {
		if r.Intended < planted[0].at || r.Class != history.Good {
			return
		}
		f.opportunities++
		if is(int(r.Generation)) {
			f.bad.add(n.got(r, ", %s", which))
		}
	})
	for _, k := range n.serves {
		if is(k.generation) {
			f.bad.add(n.tells(k.at, history.ServeChange, "served generation %d, %s", k.generation, which))
		}
	}
}

func cacheBeatsStore(v *view, f *finding) {
	f.missing = "no data plane with a usable cache was restarted during an outage"
	for _, b := range v.restarts() {
		if !b.Import || b.Export {
			continue
		}
		f.rests = append(f.rests, b.cut)
		f.opportunities++
		for _, r := range b.requestsIn(b.life) {
			f.bad.add(b.tells(r.at, history.StoreRequest, "sent %s after a restart with a usable cache", r).on(storeEdge(b.node)))
		}
	}
}
