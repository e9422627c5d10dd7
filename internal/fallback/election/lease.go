// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package election

import "blackout/internal/fallback/bucket"

// A leader renews its lease, and others look at it, some times in its duration.
const looks = 4

// tendLease does what is to be done about the lease now.
func (m *step) tendLease() {
	if m.Alone {
		m.leadAlone()
		return
	}
	if m.lease.flight.Kind != 0 {
		return
	}
	switch m.role {
	case Standby:
		if m.wants() && m.due(m.lease.lookAt) {
			m.send(Request{Kind: ReadLease})
		}
	case claiming: // its claim's answer was lost
		if m.due(m.lease.lookAt) {
			m.send(Request{Kind: ReadLease})
		}
	case Leader:
		m.keep()
	}
}

// leadAlone makes a leader of a member that knows what is in the store.
func (m *step) leadAlone() {
	if m.role != Standby || !m.snapshot.known || m.offer.Number == 0 {
		return
	}
	m.lease.mine = Lease{ID: m.ID, Life: m.Life, Term: m.snapshot.content.Epoch.Term + 1}
	m.lease.heldUntil = never
	m.become(Leader)
}

// keep renews a leader's lease, or lets it go.
func (m *step) keep() {
	l := &m.lease
	switch {
	case l.unsure:
		if m.due(l.lookAt) {
			m.send(Request{Kind: ReadLease})
		}
	case m.stopping && !m.writable() && m.snapshot.flight.Kind == 0:
		m.write(true)
	case !m.wants() && !m.stopping:
		// Without a control plane there is nothing to lead: another may take over.
		if m.due(l.heldUntil) {
			m.become(Standby)
		}
	case m.due(l.renewAt):
		m.write(false)
	}
}

// write writes the leader's lease: once more, or for the last time.
func (m *step) write(release bool) {
	m.lease.mine.Beat++
	m.lease.mine.Released = release
	m.send(Request{Kind: WriteLease, Lease: m.lease.mine, If: bucket.IfVersion(m.lease.version)})
}

// claim writes a lease of a new term, once it is known what is in the store.
func (m *step) claim() {
	l := &m.lease
	l.term = max(l.term, m.snapshot.content.Epoch.Term) + 1
	l.mine = Lease{ID: m.ID, Life: m.Life, Term: l.term}
	condition := bucket.IfAbsent()
	if l.there {
		condition = bucket.IfVersion(l.version)
	}
	m.become(claiming)
	m.send(Request{Kind: WriteLease, Lease: l.mine, If: condition})
}

// leaseRead takes in what a read of the lease found.
func (m *step) leaseRead(a Answer) {
	l := &m.lease
	if a.Outcome != Done && a.Outcome != Absent {
		m.leaseFailed(a)
		return
	}
	m.observe(a)
	if m.role != Standby && a.Outcome == Done && a.Lease.Life == m.Life && a.Lease.Term == l.mine.Term && !a.Lease.Released {
		m.recognise(a)
		return
	}
	m.lose()
	if m.claimable() {
		m.become(heading)
		return
	}
	l.looked, l.failures, l.conflicts = true, 0, 0
	if l.noted != l.content.Life {
		l.noted = l.content.Life
		m.note(Note{Event: StandsBy, Holder: l.content, Epoch: Epoch{Term: l.content.Term}})
	}
	l.lookAt = min(m.now+m.spread(m.Lease/looks), max(l.since+m.Lease, m.now+1))
}

// observe notes what the lease is, and since when.
func (m *step) observe(a Answer) {
	l := &m.lease
	there := a.Outcome == Done
	if there != l.there || a.Version != l.version || !l.looked {
		l.since = m.now
	}
	l.there, l.version, l.content = there, "", Lease{}
	if there {
		l.version, l.content = a.Version, a.Lease
		l.term = max(l.term, a.Lease.Term)
	}
}

// claimable says whether the lease, as it was just read, may be taken.
func (m *step) claimable() bool {
	l := &m.lease
	switch {
	case !l.there || l.content.Released:
		return true
	case l.content.Life == m.Life:
		return true // a claim whose answer was lost has taken effect late
	case l.content.ID == m.ID && !l.looked:
		return true // its earlier life's, which is over
	}
	return m.now-l.since >= m.Lease
}

// recognise finds that the lease is the member's own after an answer was lost.
func (m *step) recognise(a Answer) {
	l := &m.lease
	l.unsure, l.failures = false, 0
	if a.Lease.Beat == l.mine.Beat {
		l.heldUntil = max(l.heldUntil, l.wroteAt+m.Lease)
	}
	l.renewAt = m.now
	if m.role == claiming {
		m.become(Leader)
	}
}

// leaseWritten takes in the answer to a claim, a renewal or a release.
func (m *step) leaseWritten(sent Request, a Answer) {
	l := &m.lease
	switch {
	case sent.Lease.Released:
		// Lost or not, it was the last word.
		m.become(Standby)
		l.released = true
	case a.Outcome == Done:
		l.failures, l.conflicts, l.unsure = 0, 0, false
		l.there, l.version, l.content, l.looked = true, a.Version, sent.Lease, true
		l.heldUntil, l.renewAt = l.wroteAt+m.Lease, m.now+m.Lease/looks
		if m.role == claiming {
			m.become(Leader)
		}
	case a.Outcome == Conflict || a.Outcome == Absent:
		l.looked, l.lookAt = true, m.now
		if m.role == claiming {
			l.conflicts++
			l.lookAt += m.backoff(&m.State, l.conflicts)
		}
		m.lose()
	case a.Outcome == Denied && m.role == claiming:
		m.lose()
		m.leaseFailed(a)
	case a.Outcome == Denied:
		m.leaseFailed(a)
		l.renewAt = l.lookAt
	default:
		l.unsure = true
		m.leaseFailed(a)
	}
}

// lose makes a member that led, or wanted to, stand by.
func (m *step) lose() {
	if m.role == Leader {
		m.note(Note{Event: Deposed, Holder: m.lease.content, Epoch: Epoch{Term: m.lease.mine.Term}})
	}
	m.lease.unsure = false
	if m.role != Standby {
		m.become(Standby)
	}
}

// leaseFailed puts the next look at the lease off.
func (m *step) leaseFailed(a Answer) {
	l := &m.lease
	l.failures++
	l.lookAt = m.now + max(m.backoff(&m.State, l.failures), a.After)
	if l.failures == 1 {
		m.note(Note{Event: Failed, Kind: a.Kind})
	}
}

// become changes the member's role.
func (m *step) become(role Role) {
	m.role = role
	switch role {
	case Leader:
		m.snapshot.writes = 0
		m.lease.noted = m.Life
		m.note(Note{Event: BecameLeader, Holder: m.lease.mine, Epoch: Epoch{Term: m.lease.mine.Term}})
	case Standby, heading:
		m.snapshot.known = false // others may write
	case claiming:
	}
}
