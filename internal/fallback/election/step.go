// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package election

import (
	"fmt"
	"time"
)

// never is later than any wake-up.
const never = time.Duration(1<<63 - 1)

// step is one step under way.
type step struct {
	Config
	State
	now time.Duration
	out Output
}

// Step is what a member in state s does when in happens at the moment now of its
// own monotonic clock, which never goes back from one step to the next.
func (c Config) Step(s State, now time.Duration, in Input) (State, Output) {
	m := &step{Config: c, State: s, now: now, out: Output{Wake: never}}
	switch in := in.(type) {
	case Offer:
		m.offer = in
	case Online:
		m.online = bool(in)
	case Answer:
		m.answer(in)
	case Stop:
		m.stopping = true
		m.hurry()
	case Tick:
	default:
		panic(fmt.Sprintf("election: unknown input %T", in))
	}
	m.tendLease()
	m.tendSnapshot()
	m.tendLease() // what became of the snapshot may let the lease go
	m.out.Done = m.done()
	if m.out.Wake == never {
		m.out.Wake = -1
	}
	return m.State, m.out
}

func (m *step) answer(a Answer) {
	switch a.Kind {
	case ReadLease, WriteLease:
		sent := m.lease.flight
		m.lease.flight = Request{}
		if a.Kind == ReadLease {
			m.leaseRead(a)
		} else {
			m.leaseWritten(sent, a)
		}
	case HeadSnapshot, WriteSnapshot:
		sent := m.snapshot.flight
		m.snapshot.flight = Request{}
		if a.Kind == HeadSnapshot {
			m.snapshotSeen(a)
		} else {
			m.snapshotWritten(sent, a)
		}
	}
}

// hurry takes back the waits after what failed: who stops may be gone before they end.
// What fails after it is waited for from the shortest on.
func (m *step) hurry() {
	m.snapshot.failures, m.snapshot.conflicts, m.snapshot.retryAt = 0, 0, m.now
	l := &m.lease
	if l.failures > 0 || l.conflicts > 0 {
		l.failures, l.conflicts, l.lookAt, l.renewAt = 0, 0, m.now, min(l.renewAt, m.now)
	}
}

// send sends a request. What it is about must have none under way.
func (m *step) send(r Request) {
	m.out.Requests = append(m.out.Requests, r)
	switch r.Kind {
	case ReadLease, WriteLease:
		m.lease.flight = r
		if r.Kind == WriteLease {
			m.lease.wroteAt = m.now
		}
	case HeadSnapshot, WriteSnapshot:
		m.snapshot.flight = r
	}
}

func (m *step) note(n Note) { m.out.Notes = append(m.out.Notes, n) }

// due says whether a moment has come, and asks for a tick if it has not.
func (m *step) due(at time.Duration) bool {
	if m.now >= at {
		return true
	}
	m.out.Wake = min(m.out.Wake, at)
	return false
}

// fresh says whether the newest offer is at least as new as what was found in the
// store.
func (m *step) fresh() bool {
	return m.Alone || m.offer.Mark >= m.snapshot.needMark
}

// writable says whether the newest offer should be written by whoever leads, as
// far as this member can tell.
func (m *step) writable() bool { return m.Pending() && m.fresh() }

// wants says whether the member should lead if it can. Without its control plane it
// does so only for what it got from there before and may still write: that may be the
// newest there is, and the control plane may stay away.
func (m *step) wants() bool {
	if m.stopping {
		return m.writable()
	}
	return m.offer.Number > 0 && (m.online || m.writable())
}

// done says whether a member that was asked to stop has nothing left to do.
func (m *step) done() bool {
	if !m.stopping || m.lease.flight.Kind != 0 || m.snapshot.flight.Kind != 0 {
		return false
	}
	switch m.role {
	case Leader:
		return m.Alone && !m.writable()
	case Standby:
		// What is pending is left to the holder, where there is one.
		return !m.wants() || m.lease.looked && !m.claimable()
	}
	return false
}
