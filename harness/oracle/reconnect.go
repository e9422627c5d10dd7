// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"time"

	"blackout/harness/history"
)

var keepsTrying = promise{"G4", "A data plane keeps trying the control plane for as long as it lives, with jitter, and takes over its configuration when it returns.", []clause{
	{"G4.1", "A new data plane goes on dialling for as long as the control plane is gone.", "connection attempts", newGoesOnDialling, func(s *story) {
		s.outageBefore("dp-1", "reset")
		s.keepsDialling("dp-1", "dp-1>cp", 2.2, 5)
		s.heals(30, "dp-1>cp")
	}},
	{"G4.2", "Attempts keep their distance and are spread.", "connection attempts", keepsDistance, func(s *story) {
		s.outageBefore("dp-1", "reset")
		for at := 3.0; at < 20; at += 0.75 {
			s.dials("dp-1", "dp-1>cp", at)
		}
		s.heals(20, "dp-1>cp")
	}},
	{"G4.3", "Every data plane is ready with the control plane's newest configuration after its return.", "data planes", takesOver, func(s *story) {
		s.changes(0.5, 1)
		s.residentBehind("dp-1", "exit")
		s.changes(6, 2)
		s.heals(8, "dp-1>cp")
		s.ends(60)
	}},
	{"G4.4", "A running data plane goes on dialling while connections are refused.", "connection attempts", dialsWhenRefused, func(s *story) {
		s.residentBehind("dp-1", "exit")
		s.knocks("dp-1>cp", 3, 1.2, 5.8, 6.5)
		s.heals(30, "dp-1>cp")
	}},
	{"G4.5", "A change reaches every data plane whose control plane is there, within a reconnect and an apply.", "changes", reachesInTime, func(s *story) {
		s.plane("dp-1")
		s.starts(1, "dp-1")
		s.live(2, "dp-1", 1)
		s.changes(3, 2)
		s.serves(50, "dp-1", http.StatusOK, 2)
		s.breaks(55, "dp-1>cp", "exit")
	}},
	{"G4.6", "Data planes do not dial in step.", "connection attempts", notInStep, func(s *story) {
		for _, node := range []string{"dp-1", "dp-2"} {
			s.outageBefore(node, "reset")
			for i := range 12 {
				s.dials(node, node+">cp", 3+0.7*float64(i)+0.05*float64(i%3))
			}
			s.heals(20, node+">cp")
		}
	}},
	{"G4.7", "A running data plane goes on dialling for as long as the control plane is gone.", "connection attempts", runningGoesOnDialling, func(s *story) {
		s.residentBehind("dp-1", "reset")
		s.keepsDialling("dp-1", "dp-1>cp", 5.6, 9)
		s.heals(30, "dp-1>cp")
	}},
	{"G4.8", "A running data plane notices that its connection has fallen silent, and dials anew.", "silent connections", noticesSilence, func(s *story) {
		s.residentBehind("dp-1", "half-open")
		s.heals(30, "dp-1>cp")
	}},
	{"G4.9", "No data plane dials again before the shortest delay has passed, whatever became of its last attempt.", "connection attempts", neverStorms, func(s *story) {
		s.residentBehind("dp-1", "exit")
		s.heals(8, "dp-1>cp")
		s.dials("dp-1", "dp-1>cp", 8.3, 8.4)
	}},
	{"G4.10", "Data planes that serve the same configuration report the same hash of it, however they came by it.", "comparisons", reportsItsHash, func(s *story) {
		s.changes(0.5, 1)
		s.residentBehind("dp-1", "exit")
		s.hashes(2.1, "dp-1", "4fb2")
		s.outageBefore("dp-2", "reset")
		s.live(4, "dp-2", 1)
		s.hashes(4.1, "dp-2", "91c3")
		s.ends(20)
	}},
	{"G4.11", "The control plane lists for each data plane the configuration that it has.", "data planes", listsWhatTheyHave, func(s *story) {
		s.plane("dp-1")
		s.starts(1, "dp-1")
		s.live(2, "dp-1", 1)
		s.hashes(2.5, "dp-1", "4fb2")
		s.lists(3, "a-1", "0000")
		s.breaks(20, "dp-1>cp", "exit")
	}},
	{"G4.12", "A data plane follows its control plane to the configuration of an older database.", "data planes", followsBack, func(s *story) {
		s.residentBehind("dp-1", "cp-older-database")
		s.heals(40, "dp-1>cp")
	}},
}}

// attemptSlack covers a busy machine between two attempts, beyond the longest
// reconnect delay and the dial time-out.
const attemptSlack = time.Second

// minAttempts is how many attempts it takes to speak of their spread: eight
// distances drawn evenly lie within an eighth of their range once in 260 000
// times, and a scheduler's noise without jitter hardly fills more.
const minAttempts = 9

// startAllowance is how long a process may take until it first dials or answers:
// the container's creation and the program's own start are not this promise's.
const startAllowance = history.Time(30 * time.Second)

// silenceLimit is the longest time without an attempt during an outage.
func (v *view) silenceLimit(cut *fault) time.Duration {
	p := v.header.Profile
	limit := p.ReconnectMax + p.DialTimeout + attemptSlack
	switch outages[cut.kind].attempt {
	case silence:
		limit += p.Silence + p.PingInterval
	case sentOff: // who honours it may still draw a delay, for a whole fleet is told the same
		limit += cut.retryAfter
	}
	return limit
}

// trier is a data plane whose attempts an outage lets be counted.
type trier struct {
	*node
	cut      *fault
	from, to history.Time // when its attempts are due
	attempts []history.Time
	resident bool
	packets  bool // counted by packets, now and then: their times are not exact
}

// triers are the data planes, new or running, whose attempts can be counted during
// an outage in which every attempt ends by itself.
func (v *view) triers() []trier {
	var out []trier
	for _, b := range v.boots() {
		t := trier{node: b.node, cut: b.cut, to: b.until(v)}
		if v.countAttempts(&t, b.start) {
			t.from = b.awake(t.attempts)
			out = append(out, t)
		}
	}
	for _, r := range v.residents(v.cutOff) {
		for _, cut := range r.faults {
			t := trier{node: r.node, cut: cut, from: max(cut.inject+v.noticed(cut), cut.active), to: min(cut.heal, r.end, v.end), resident: true}
			if outages[cut.kind].severs && v.countAttempts(&t, cut.inject) {
				out = append(out, t)
			}
		}
	}
	return out
}

// countAttempts counts a data plane's attempts from a moment on: by the meter, or
// where none reaches it by packets. It says whether that was possible.
func (v *view) countAttempts(t *trier, from history.Time) bool {
	o, edge := outages[t.cut.kind], v.edges[v.cpEdge(t.node)]
	switch {
	case o.attempt == endless:
		return false
	case o.metered:
		t.attempts = v.dialled(t.node, v.cpEdge(t.node), from, t.to)
		return true
	case edge == nil || len(edge.packets) == 0:
		return false
	}
	t.attempts, t.packets = edge.knocked(from, t.to), true
	return true
}

// exactTriers are those whose attempts' times are known.
func (v *view) exactTriers() []trier {
	return slices.DeleteFunc(v.triers(), func(t trier) bool { return t.packets || len(t.attempts) < minAttempts })
}

// noticed is how long a running data plane may take to notice an outage: one that
// only falls silent it knows by the silence.
func (v *view) noticed(cut *fault) history.Time {
	if outages[cut.kind].manner != silent {
		return 0
	}
	return history.Time(v.header.Profile.Silence + v.header.Profile.PingInterval)
}

// awake is when a new data plane first showed that it was running: by an answer
// of its Status API or by its first attempt.
func (b boot) awake(attempts []history.Time) history.Time {
	first := b.start + startAllowance
	if len(attempts) > 0 {
		first = min(first, attempts[0])
	}
	for _, k := range in(b.ready, b.life) {
		if k.code != 0 {
			return min(first, k.at)
		}
	}
	return first
}

func newGoesOnDialling(v *view, f *finding) {
	f.missing = "no new data plane met a cut that lets its attempts be counted"
	v.goesOnDialling(f, func(t trier) bool { return !t.resident })
}

func runningGoesOnDialling(v *view, f *finding) {
	f.missing = "no running data plane met a cut that lets its attempts be counted"
	v.goesOnDialling(f, func(t trier) bool { return t.resident && outages[t.cut.kind].manner != refusing })
}

func dialsWhenRefused(v *view, f *finding) {
	f.missing = "no running data plane met a refusing edge whose packets were counted: an edge cut by exit refuses connections before Toxiproxy can count them"
	v.goesOnDialling(f, func(t trier) bool { return t.resident && outages[t.cut.kind].manner == refusing })
}

func (v *view) goesOnDialling(f *finding, which func(trier) bool) {
	for _, t := range v.triers() {
		if !which(t) {
			continue
		}
		limit := v.silenceLimit(t.cut)
		if t.packets {
			limit += attemptSlack // the count is read now and then: that is how late an attempt is known
		}
		f.rests = append(f.rests, t.cut)
		f.opportunities += len(t.attempts)
		f.addSilences(v, t, limit)
		f.good.add(t.tells(t.from, history.EdgeConnect, "tried %d times in %s", len(t.attempts), seconds(max(t.to.Sub(t.from), 0))).on(v.cpEdge(t.node)))
		if cp := v.nodes[v.controlPlane(t.node)]; f.undone.count > 0 && cp != nil && len(cp.exits) > 0 {
			f.invalid = "the control plane's process had ended: Toxiproxy cannot count attempts whose upstream refuses"
		}
	}
}

// addSilences adds the times without an attempt that are longer than limit, from
// when attempts are due to when they need not go on.
func (f *finding) addSilences(v *view, t trier, limit time.Duration) {
	what, last := "it was running", t.from
	for i, next := range append(slices.Clone(t.attempts), t.to) {
		for _, s := range v.awakeTimes(t, last, next) {
			if gap := s.to.Sub(s.from); gap > limit+v.control.kept(t.Name, s.from, s.to) {
				f.undone.add(t.tells(s.from, "", "did not dial the control plane for %s after %s (limit %s)", seconds(gap), cmp.Or(s.after, what), seconds(limit)).on(v.cpEdge(t.node)))
			}
		}
		what, last = fmt.Sprintf("attempt %d", i+1), next
	}
}

// stretch is a time in which a data plane could dial, and what it began with, if not
// with the data plane's own attempt.
type stretch struct {
	from, to history.Time
	after    string
}

// awakeTimes are the parts of a time in which the harness did not hold a data plane
// frozen or ended. One that goes on has to notice the outage anew.
func (v *view) awakeTimes(t trier, from, to history.Time) []stretch {
	var out []stretch
	after := ""
	for _, d := range v.ownFaults(t.node, endsNode...) {
		if !d.during(from, to) {
			continue
		}
		out = append(out, stretch{from, d.inject, after})
		if d.healed == never {
			return out
		}
		from, after = max(from, d.healed+v.noticed(t.cut)), "the harness let it go on"
	}
	return append(out, stretch{from, to, after})
}

func takesOver(v *view, f *finding) {
	f.missing = "no cut was healed"
	newest, certain := v.newest()
	switch {
	case newest == 0:
		f.missing = "no configuration was acknowledged"
		return
	case !certain:
		f.missing = "the last change's acknowledgement was lost: either generation may be in force"
		return
	}
	for _, n := range v.planes {
		cut := v.lastCut(n)
		if cut == nil || !v.fits(n, newest) || cut.healed > v.end || !n.livesAt(v.end) || len(n.ready) == 0 {
			continue
		}
		f.healed = append(f.healed, cut)
		f.opportunities++
		after := seconds(v.end.Sub(cut.healed))
		var last look
		if len(n.serves) > 0 {
			last = n.serves[len(n.serves)-1]
		}
		switch {
		case len(n.serves) == 0:
			f.undone.add(n.tells(cut.healed, "", "never answered"))
		case last.generation != newest:
			f.undone.add(n.tells(last.at, history.ServeChange, "still answered with status %d, generation %d at the end, %s after the control plane was back with generation %d", last.code, last.generation, after, newest))
		case n.ready[len(n.ready)-1].code != http.StatusOK:
			f.undone.add(n.tells(v.end, history.ReadyChange, "was not ready at the end, %s after the control plane was back", after))
		default:
			f.good.add(n.took(newest, cut))
		}
	}
}

// took is evidence of when a data plane first served the newest generation.
func (n *node) took(newest int, cut *fault) Evidence {
	at := n.serves[slices.IndexFunc(n.serves, func(k look) bool { return k.generation == newest })].at
	when := "before the edge was healed"
	if at >= cut.healed {
		when = seconds(at.Sub(cut.healed)) + " after the edge was healed"
	}
	return n.tells(at, history.ServeChange, "served generation %d %s", newest, when).on(cut.edge)
}

// lastCut is the last fault between a data plane and its control plane, or nil. A
// control plane that was given an older database stays the last word.
func (v *view) lastCut(n *node) *fault {
	var last *fault
	for _, f := range v.pathFaults(n) {
		if last == nil || f.healed >= last.healed {
			last = f
		}
	}
	return last
}

// livesAt says whether a node's process was not known to have ended by the harness
// at a moment.
func (n *node) livesAt(t history.Time) bool {
	if !n.started() {
		return false
	}
	last := n.lives[len(n.lives)-1]
	return last.end > t || last.died != nil
}

// knocked are the moments at which more attempts were counted.
func (g *edge) knocked(from, to history.Time) []history.Time {
	var out []history.Time
	var n int64
	for _, c := range g.packets {
		if c.n > n && c.at >= from && c.at <= to {
			out = append(out, c.at)
		}
		n = max(n, c.n)
	}
	return out
}
