// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"fmt"
	"net/http"
	"slices"
	"time"

	"blackout/harness/history"
)

var keepsServing = promise{"G10", "Running data planes keep serving their last good configuration through any control-plane outage; readiness follows the configuration, not the control plane.", []clause{
	{"G10.1", "A running data plane loses no request, from the cut to the end of the recovery.", "requests", losesNoRequest, func(s *story) {
		s.residentBehind("dp-1", "exit")
		s.answers("dp-1", 6, 7, lose(history.Timeout))
	}},
	{"G10.2", "During the outage it serves the configuration that it had.", "answers", servesWhatItHad, func(s *story) {
		s.residentBehind("dp-1", "exit")
		s.answers("dp-1", 6, 7, show(2))
	}},
	{"G10.3", "Readiness is not 200 before the configuration is live.", "changes to ready", readyMeansLive, func(s *story) {
		s.changes(0.5, 1)
		s.plane("dp-1")
		s.starts(4, "dp-1")
		s.ready(5, "dp-1", http.StatusOK, "")
		s.checks(5.1, "dp-1", http.StatusNotFound)
		s.breaks(8, "dp-1>cp", "exit")
	}},
	{"G10.4", "Readiness stays 200 after the control plane is gone.", "data planes", staysReady, func(s *story) {
		s.residentBehind("dp-1", "exit")
		s.ready(6, "dp-1", http.StatusServiceUnavailable, "control plane gone")
	}},
	{"G10.5", "A data plane that was added loses no request when the control plane returns.", "requests", losesNoneAtReturn, func(s *story) {
		s.outageBefore("dp-1", "reset")
		s.live(4, "dp-1", 1)
		s.probes("dp-1", 5, 12, 1)
		s.heals(8, "dp-1>cp")
		s.answers("dp-1", 9, 10, lose(history.WrongStatus))
	}},
	{"G10.6", "No data plane goes back to an older configuration by itself.", "answers", goesForwardOnly, func(s *story) {
		s.residentBehind("dp-1", "exit")
		s.answers("dp-1", 3, 9, show(2))
		s.answers("dp-1", 7, 8, show(1))
	}},
	{"G10.7", "An empty configuration, such as that of a control plane that lost its database, does not replace one that serves.", "answers", refusesNothing, func(s *story) {
		s.residentBehind("dp-1", "cp-empty-configuration")
		s.answers("dp-1", 6, 9, lose(history.WrongStatus))
	}},
	{"G10.8", "A running data plane loses no request when its disk fails.", "requests", outlivesItsDisk, func(s *story) {
		s.plane("dp-1")
		s.starts(1, "dp-1")
		s.live(2, "dp-1", 1)
		s.probes("dp-1", 3, 9, 1)
		s.breaks(5, "dp-1", "disk-full")
		s.answers("dp-1", 6, 7, lose(history.WrongStatus))
	}},
	{"G10.9", "A data plane that is restarted during the outage serves from its cache.", "restarts", servesOwnCache, func(s *story) {
		s.restartBehind("dp-1", "exit")
		s.ready(6, "dp-1", http.StatusServiceUnavailable, "no configuration available")
		s.ends(60)
	}},
	{"G10.10", "A running data plane answers every request, and none late, while it takes over a new configuration.", "requests", answersMeanwhile, func(s *story) {
		s.changes(4.5, 2)
		s.plane("dp-1")
		s.starts(1, "dp-1")
		s.live(2, "dp-1", 1)
		s.probes("dp-1", 3, 9, 1)
		s.serves(5, "dp-1", http.StatusOK, 2)
		s.answers("dp-1", 4.8, 5, lose(history.WrongStatus))
		s.breaks(20, "dp-1>cp", "exit")
	}},
}}

// residentBehind tells of a data plane that serves, with traffic from 3 s to 9 s,
// and that a fault comes upon at 5 s.
func (s *story) residentBehind(node, kind string) {
	s.plane(node)
	s.starts(1, node)
	s.live(2, node, 1)
	s.probes(node, 3, 9, 1)
	s.breaks(5, node+">cp", kind)
}

func losesNoRequest(v *view, f *finding) {
	f.missing = "no traffic was sent to a data plane that ran before the cut"
	v.loseNone(f, v.disturbed, "the cut")
	f.later(func() {
		if f.opportunities == 0 {
			return
		}
		if before := v.quietBefore(); !before.OK {
			f.invalid = before.Text
		}
		for _, cut := range f.rests { // the recovery is judged too, where there was one
			if cut.heal != never && !cut.healWitnessed {
				f.doubts("the healing of %s was not witnessed", cut)
			}
		}
	})
}

// loseNone judges that data planes lose no request from their first fault of some
// sort on, for as long as they live and the harness leaves them alone. One that
// was started again owes answers from its first good one on.
func (v *view) loseNone(f *finding, sort func(*node) []*fault, what string) {
	first := make(map[*node]history.Time)
	for _, n := range v.residents(sort) {
		f.rests = append(f.rests, n.faults...)
		if _, later := first[n.node]; !later {
			first[n.node] = n.from()
		}
	}
	for _, n := range v.planes {
		from, met := first[n]
		if !met {
			continue
		}
		owes, unseen := v.owesAnswers(n, from), v.unseenLives(n, from)
		v.answers(f, n, func(r history.Request) {
			for _, l := range unseen {
				if r.Intended >= l.start && r.Done < l.end {
					f.doubts("nobody looked at %s in its life from %s on, when requests were sent to it", n.Name, seconds(l.start.Sub(0)))
				}
			}
			if !owes(r) {
				return
			}
			f.opportunities++
			if failed(r) {
				v.blames(f, &f.bad, n, r, func() Evidence { return n.got(r, ", %s after %s", seconds(r.Done.Sub(from)), what) })
			}
		})
	}
}

// owesAnswers says which requests a data plane that ran at a moment has to answer
// well, from then on. One that was yet starting owes none before its first good one.
func (v *view) owesAnswers(n *node, from history.Time) func(history.Request) bool {
	held := v.held(n)
	type span struct{ begin, end history.Time }
	var spans []span
	for _, l := range n.lives {
		served, _ := n.firstGood(l)
		switch {
		case l.end <= from:
		case l.start < from && (served.at <= from || len(in(n.serves, l)) == 0):
			spans = append(spans, span{l.start, l.end})
		default:
			spans = append(spans, span{served.until, l.end})
		}
	}
	return func(r history.Request) bool {
		if r.Done < from || anyDuring(held, r.Intended, r.Done) {
			return false
		}
		return slices.ContainsFunc(spans, func(s span) bool { return r.Intended >= s.begin && r.Done < s.end })
	}
}

// lookTime is how long a node may live without being looked at: many are looked at
// in turn, and a look may wait for an answer.
const lookTime = history.Time(time.Second)

// unseenLives are a node's lives from a moment on in which nobody looked at it:
// what it owes in them is not known. One shorter than a look takes owes nothing.
func (v *view) unseenLives(n *node, from history.Time) []*life {
	return slices.DeleteFunc(slices.Clone(n.lives), func(l *life) bool {
		return l.start < from || n.looked(l) || min(l.end, v.end)-l.start <= lookTime
	})
}

// looked says whether anybody looked at a node in a life.
func (n *node) looked(l *life) bool { return len(in(n.ready, l)) > 0 || len(in(n.serves, l)) > 0 }

func servesWhatItHad(v *view, f *finding) {
	f.missing = "no data plane answered both before the cut and during the outage"
	v.keepGenerations(f, func(n *node) []*fault {
		return slices.DeleteFunc(v.cutOff(n), func(c *fault) bool { return !outages[c.kind].severs })
	})
}

// keepGenerations judges that data planes answer, while a fault of some sort is in
// force, in the generation that they had before it.
func (v *view) keepGenerations(f *finding, sort func(*node) []*fault) {
	for _, n := range v.residents(sort) {
		for _, cut := range n.faults {
			f.rests = append(f.rests, cut)
			v.keepGeneration(f, n, cut)
		}
	}
}

func (v *view) keepGeneration(f *finding, n resident, cut *fault) {
	var had history.Request // the last good answer before the fault
	answers := make(map[uint32]*evidence)
	v.answers(f, n.node, func(r history.Request) {
		switch {
		case r.Class != history.Good || v.isPlanted(int(r.Generation)): // a planted generation is G2.4's to judge
		case r.Done < cut.inject && r.Done >= had.Done:
			had = r
		case r.Sent >= cut.active && r.Done <= min(cut.heal, n.end):
			if answers[r.Generation] == nil {
				answers[r.Generation] = &evidence{}
			}
			answers[r.Generation].note(r.Done, func() Evidence { return n.got(r, " during the outage") })
		}
	})
	f.later(func() {
		if had.Generation == 0 {
			return
		}
		for generation, seen := range answers {
			f.opportunities += seen.count
			if generation == had.Generation {
				continue
			}
			for i := range seen.first {
				seen.first[i].Text += fmt.Sprintf("; it had generation %d", had.Generation)
			}
			f.bad.addAll(*seen)
		}
	})
}

func readyMeansLive(v *view, f *finding) {
	f.missing = "no data plane was seen to become ready after there was a configuration"
	for _, n := range v.planes {
		nothingGood := slices.Concat(v.storeFaults(n), v.faultsOf(n, "cp-empty-configuration"))
		held := v.held(n)
		since, next := history.Time(0), 0 // when the readiness that a check followed began
		for _, k := range n.checks {
			for ; next < len(n.ready) && n.ready[next].at <= k.at; next++ {
				if n.ready[next].code == http.StatusOK {
					since = n.ready[next].at
				}
			}
			// What a node does with damaged data, or none, is other clauses' to judge.
			if !v.owesRoute(n, since) || slices.ContainsFunc(nothingGood, func(c *fault) bool { return c.at(since) }) {
				continue
			}
			if anyDuring(held, k.at, k.until) || n.endedBefore(k) {
				continue // the harness did not let it answer
			}
			if !k.ok {
				v.blamesLook(f, &f.bad, n, k, k.until, n.tells(k.at, history.ReadyCheck, "said it was ready, and its route then answered %s", status(k.code)))
			}
			f.opportunities++
		}
	}
}

// endedBefore says whether the harness ended a node's process before a look at it
// was over.
func (n *node) endedBefore(k look) bool {
	l := n.lifeAt(k.at)
	if l == nil {
		return n.started()
	}
	return l.died == nil && l.end <= k.until
}

// firstLoad is how long after its acknowledgement the first configuration may take
// to reach a connected data plane whole. It is loaded in several calls, and a node
// may become ready with a part of it: the control plane pushes twice a second, and
// an apply takes less than another half. The rest is for a busy machine.
const firstLoad = history.Time(3 * time.Second)

// owesRoute says whether a node that became ready at a moment has to answer on the
// probed route: the first configuration can no longer be on its way, or it had
// served the route before in that life. Until then, a data plane may well be ready
// with the empty configuration of a fresh control plane, or with a part.
func (v *view) owesRoute(n *node, since history.Time) bool {
	if len(v.changes.acked) == 0 || since <= v.changes.acked[0].at {
		return false
	}
	if since > v.changes.acked[0].at+firstLoad {
		return true
	}
	return slices.ContainsFunc(n.lives, func(l *life) bool {
		served, ok := n.firstGood(l)
		return l.start <= since && since < l.end && ok && served.until <= since
	})
}

func staysReady(v *view, f *finding) {
	f.missing = "no data plane was ready before the cut"
	for _, n := range v.residents(v.disturbed) {
		ready := false
		var lost evidence
		looks := in(n.ready, n.life)
		for i, k := range looks {
			switch {
			case k.at < n.from():
				ready = k.code == http.StatusOK
			case k.code != http.StatusOK && !v.down(n.node, k.at, max(k.at, k.until)):
				seen := n.tells(k.at, history.ReadyChange, "answered %s for readiness %s after the cut", status(k.code), seconds(k.at.Sub(n.from())))
				v.blamesLook(f, &lost, n.node, k, lasts(looks, i, min(n.end, v.end)), seen)
			}
		}
		if ready {
			f.rests = append(f.rests, n.faults...)
			f.opportunities++
			f.bad.addAll(lost)
		}
	}
}

func losesNoneAtReturn(v *view, f *finding) {
	f.missing = "no traffic was sent to a data plane that was added"
	for _, b := range v.newcomers() {
		held := v.held(b.node)
		served, serves := b.firstGood(b.life)
		serves = serves && served.until <= b.cut.heal
		broken := false // before the return, once it had served: that is G3.1's, and its sequel too
		var lost evidence
		returned := 0
		v.answers(f, b.node, func(r history.Request) {
			switch {
			case r.Done >= b.end || r.Intended < b.start || anyDuring(held, r.Intended, r.Done):
			case r.Intended <= b.cut.heal:
				broken = broken || failed(r) && (!serves || r.Intended >= served.until)
			default:
				returned++
				if failed(r) {
					v.blames(f, &lost, b.node, r, func() Evidence {
						return b.got(r, ", %s after the control plane returned", seconds(r.Done.Sub(b.cut.heal)))
					})
				}
			}
		})
		f.later(func() {
			if !broken && returned > 0 {
				f.healed = append(f.healed, b.cut)
				f.opportunities += returned
				f.bad.addAll(lost)
			}
		})
	}
}

func refusesNothing(v *view, f *finding) {
	f.missing = "no running data plane was sent an empty configuration"
	emptied := func(n *node) []*fault { return v.faultsOf(n, "cp-empty-configuration") }
	v.keepGenerations(f, emptied)
	v.loseNone(f, emptied, "an empty configuration was offered to it")
	for _, b := range v.restartsUnder(emptied) {
		v.addFromCache(f, b)
	}
}

func outlivesItsDisk(v *view, f *finding) {
	f.missing = "no running data plane's disk failed"
	v.loseNone(f, func(n *node) []*fault { return v.ownFaults(n, diskKinds...) }, "its disk failed")
}

func servesOwnCache(v *view, f *finding) {
	f.missing = "no data plane that had its configuration from the control plane was restarted during an outage"
	v.servesFromCache(f, func(b boot) bool { return !v.imported(b) })
}
