// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"fmt"
	"slices"
	"time"

	"blackout/harness/history"
	"blackout/harness/topology"
)

// distanceSlack is how much shorter than the shortest delay a distance may be: the
// error of mapping the meter's clock, twice.
const distanceSlack = 20 * time.Millisecond

// paceSlack is how much longer than the longest delay half of the distances may be: an
// attempt takes a while, too.
const paceSlack = 100 * time.Millisecond

func keepsDistance(v *view, f *finding) {
	f.missing = fmt.Sprintf("no data plane made %d attempts that could be counted", minAttempts)
	p := v.header.Profile
	for _, t := range v.exactTriers() {
		f.rests = append(f.rests, t.cut)
		gaps := make([]time.Duration, len(t.attempts)-1)
		for i := range gaps {
			gaps[i] = t.attempts[i+1].Sub(t.attempts[i])
			short := gaps[i] < p.ReconnectMin-distanceSlack
			if short && v.heldUp(t.node, t.attempts[i], t.attempts[i+1]) {
				continue // it is not judged
			}
			f.opportunities++
			if short {
				v.blamesDistance(f, t.node, t.attempts[i], t.attempts[i+1])
			}
		}
		if spread := slices.Max(gaps) - slices.Min(gaps); spread < (p.ReconnectMax-p.ReconnectMin)/8 {
			f.bad.add(t.tells(t.attempts[0], history.EdgeConnect, "dialled without jitter: all of its %d distances lie within %s", len(gaps), seconds(spread)).on(v.cpEdge(t.node)))
		}
		if t.cut.is("reset") {
			v.addSlow(f, t, gaps)
		}
	}
}

// addSlow adds that a data plane whose attempts end at once makes most of them later than
// the longest delay, and what the machine kept it or Toxiproxy from running on the average.
func (v *view) addSlow(f *finding, t trier, gaps []time.Duration) {
	from, to := t.attempts[0], t.attempts[len(t.attempts)-1]
	if slices.ContainsFunc(v.pathFaults(t.node), func(o *fault) bool { return o != t.cut && o.during(from, to) }) {
		return // each attempt may take longer
	}
	half := slices.Sorted(slices.Values(gaps))[(len(gaps)-1)/2]
	kept := max(v.control.kept(t.Name, from, to), v.control.denials[topology.Toxiproxy].within(from, to)) / time.Duration(len(gaps))
	if most := v.header.Profile.ReconnectMax + paceSlack + kept; half > most {
		f.bad.add(t.tells(from, history.EdgeConnect, "dialled too seldom: more than half of its %d distances are %s and more, and the longest delay is %s",
			len(gaps), seconds(half), seconds(v.header.Profile.ReconnectMax)).on(v.cpEdge(t.node)))
	}
}

// neverStorms judges the attempts that a meter counts, with and without a fault, and
// the first after the loss of a connection. A backup node may be asked to connect anew
// at once, so as not to set its backup back.
func neverStorms(v *view, f *finding) {
	f.missing = "no data plane dialled its control plane twice where a meter counts it"
	shortest := v.header.Profile.ReconnectMin
	for _, n := range v.planes {
		if n.Export {
			continue
		}
		for _, l := range n.lives {
			dials := v.dialled(n, v.cpEdge(n), l.start, l.end)
			v.addRash(f, n, dials)
			for i := 1; i < len(dials); i++ {
				if v.heldUp(n, dials[i-1], dials[i]) {
					continue
				}
				f.opportunities++
				if dials[i].Sub(dials[i-1]) < shortest-distanceSlack {
					v.blamesDistance(f, n, dials[i-1], dials[i])
				}
			}
		}
	}
}

// heldLimit is how long after a control plane's start attempts may arrive that were on
// their way before: a kernel tries to connect again after 1 s, 2 s and 4 s more.
const heldLimit = history.Time(8 * time.Second)

// heldUp says whether attempts between two moments may have reached the meter together:
// Toxiproxy shows it a connection once the control plane has taken it, which one whose
// machine is gone does when it is back, and one whose machine stalls when it goes on.
func (v *view) heldUp(n *node, from, to history.Time) bool {
	if v.control.stalls.within(from-history.Time(v.header.Profile.ReconnectMin), to) > 0 {
		return true
	}
	cp := v.nodes[v.controlPlane(n)]
	if cp == nil {
		return false
	}
	for i := 1; i < len(cp.lives); i++ {
		if cp.lives[i-1].end <= to && from <= cp.lives[i].start+heldLimit {
			return true
		}
	}
	return false
}

// denialError is how long after it a time may be recorded in which the machine kept a
// process from running: the kernel is asked twice a second.
const denialError = history.Time(500 * time.Millisecond)

// blamesDistance notes that an attempt came too soon after another one, unless the machine
// may have made it so: Toxiproxy takes a data plane's attempt as late as it gets a processor.
func (v *view) blamesDistance(f *finding, n *node, from, to history.Time) {
	shortest, gap := v.header.Profile.ReconnectMin, to.Sub(from)
	seen := n.tells(to, history.EdgeConnect, "dialled again after %s (at least %s)", seconds(gap), seconds(shortest)).on(v.cpEdge(n))
	denied := v.control.denials[topology.Toxiproxy].within(from-history.Time(shortest), from+denialError)
	if denied >= shortest-distanceSlack-gap {
		f.spare(seen, fmt.Sprintf("the machine kept Toxiproxy from running for %s", seconds(denied)))
		return
	}
	f.bad.add(seen)
}

// addRash adds attempts of a life that follow the loss of a connection too soon. It was
// lost no sooner than a reset came upon it. Who had dialled shortly before, or had
// another fault between, may have had none.
func (v *view) addRash(f *finding, n *node, dials []history.Time) {
	p := v.header.Profile
	for _, cut := range v.faultsOf(n, "reset") {
		next, _ := slices.BinarySearch(dials, cut.inject)
		if next == 0 || next == len(dials) || dials[next] > cut.heal || cut.inject.Sub(dials[next-1]) <= p.ReconnectMax+p.DialTimeout {
			continue
		}
		if slices.ContainsFunc(v.pathFaults(n), func(o *fault) bool { return o != cut && o.during(dials[next-1], cut.inject) }) {
			continue
		}
		f.opportunities++
		if after := dials[next].Sub(cut.inject); after < p.ReconnectMin-distanceSlack {
			f.bad.add(n.tells(dials[next], history.EdgeConnect, "dialled again %s after it lost its connection (at least %s)", seconds(after), seconds(p.ReconnectMin)).on(v.cpEdge(n)))
		}
	}
}

// inStep is how close two attempts must be to be made together: a twentieth of the
// shortest delay. Drawn evenly, one in fifteen attempts has another's so near.
const inStep = 20

// notInStep judges whether the attempts of data planes coincide. In step are two that
// each have more than two in three of their attempts beside one of the other's. Not
// all need to be: a few that were cut off together are storm enough.
func notInStep(v *view, f *finding) {
	f.missing = fmt.Sprintf("no two data planes made %d attempts during one outage that could be counted", minAttempts)
	triers := v.exactTriers()
	near := v.header.Profile.ReconnectMin / inStep
	for _, t := range triers {
		others := slices.DeleteFunc(slices.Clone(triers), func(o trier) bool { return o.node == t.node || o.from > t.to || o.to < t.from })
		if len(others) == 0 {
			continue
		}
		f.rests = append(f.rests, t.cut)
		f.opportunities += len(t.attempts)
		for _, o := range others {
			together := t.together(o, near)
			if 3*together > 2*len(t.attempts) && 3*o.together(t, near) > 2*len(o.attempts) {
				f.bad.add(t.tells(t.attempts[0], history.EdgeConnect, "dialled in step: %d of its %d attempts fall within %s of one by %s", together, len(t.attempts), near, o.Name).on(v.cpEdge(t.node)))
			}
		}
	}
}

// together is how many of the attempts lie near to one of another's.
func (t trier) together(o trier, near time.Duration) (count int) {
	for _, at := range t.attempts {
		if o.nearTo(at, near) {
			count++
		}
	}
	return count
}

// nearTo says whether one of the attempts lies near to a moment.
func (t trier) nearTo(at history.Time, near time.Duration) bool {
	i, _ := slices.BinarySearch(t.attempts, at)
	return i < len(t.attempts) && t.attempts[i].Sub(at) <= near || i > 0 && at.Sub(t.attempts[i-1]) <= near
}
