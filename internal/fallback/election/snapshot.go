// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package election

import "blackout/internal/fallback/bucket"

// tendSnapshot does what is to be done about the snapshot now.
func (m *step) tendSnapshot() {
	s := &m.snapshot
	if s.flight.Kind != 0 {
		return
	}
	switch {
	case m.role == heading, m.Alone && m.role == Standby && m.offer.Number > 0:
		if m.due(s.retryAt) {
			m.send(Request{Kind: HeadSnapshot})
		}
	case m.role == Leader:
		m.lead()
	}
}

// lead keeps the newest offer in the store.
func (m *step) lead() {
	s := &m.snapshot
	if m.lease.unsure || m.now >= m.lease.heldUntil {
		return // the lease comes first
	}
	if !s.known {
		if m.due(s.retryAt) {
			m.send(Request{Kind: HeadSnapshot})
		}
		return
	}
	if m.Pending() && s.there && s.content.Hash != "" && s.content.Hash == m.offer.Hash {
		m.settle(Unchanged)
	}
	if !m.fresh() {
		m.askAnew()
		return
	}
	if !m.Pending() {
		if !m.stopping && m.Check > 0 && m.due(max(s.checkAt, s.retryAt)) {
			m.send(Request{Kind: HeadSnapshot})
		}
		return
	}
	if !m.due(s.retryAt) || !m.stopping && !m.due(s.notBefore) {
		return
	}
	s.writes++
	wrote := Snapshot{Hash: m.offer.Hash, ID: m.ID, Life: m.Life, Epoch: Epoch{Term: m.lease.mine.Term, Write: s.writes}}
	m.send(Request{Kind: WriteSnapshot, Offer: m.offer.Number, Wrote: wrote, If: m.condition()})
}

// condition is what must hold for the snapshot to be replaced.
func (m *step) condition() bucket.Condition {
	switch {
	case m.Alone:
		return bucket.Condition{}
	case m.snapshot.there:
		return bucket.IfVersion(m.snapshot.version)
	}
	return bucket.IfAbsent()
}

// askAnew asks the control plane for its configuration, once for each mark.
func (m *step) askAnew() {
	if m.online && m.asked < m.snapshot.needMark {
		m.asked = m.snapshot.needMark
		m.out.Refresh = true
		m.note(Note{Event: AsksAnew, Writer: m.snapshot.content.ID, Epoch: m.snapshot.content.Epoch, Hash: m.snapshot.content.Hash})
	}
}

// settle finds the newest offer in the store.
func (m *step) settle(how Event) {
	m.settled = m.offer.Number
	m.note(Note{Event: how, Epoch: m.snapshot.content.Epoch, Hash: m.offer.Hash, Offer: m.offer.Number})
}

// snapshotSeen takes in what a look at the snapshot found.
func (m *step) snapshotSeen(a Answer) {
	s := &m.snapshot
	if a.Outcome != Done && a.Outcome != Absent {
		m.snapshotFailed(a)
		if m.role == heading {
			m.lease.lookAt = s.retryAt
			m.become(Standby)
		}
		return
	}
	s.checkAt = m.now + m.Check
	if m.role == Leader && s.known && s.there && a.Version == s.version {
		s.failures = 0
		return // nobody touched it
	}
	lost := s.unsure
	s.known, s.there, s.unsure = true, a.Outcome == Done, false
	s.content, s.version = Snapshot{}, ""
	if s.there {
		s.content, s.version = a.Snapshot, a.Version
	}
	if !s.there || s.content.Hash != m.offer.Hash {
		m.settled = min(m.settled, max(m.offer.Number, 1)-1)
	}
	// An id tells nothing of who wrote: another node may have been given the same.
	foreign := s.there && s.content.Life != m.Life
	if foreign {
		m.mark++
		s.needMark = m.mark
	}
	switch m.role {
	case heading:
		m.claim()
	case Leader:
		m.judge(foreign, lost)
	}
}

// judge compares what a leader found in the store with its own right to write.
func (m *step) judge(foreign, lost bool) {
	s := &m.snapshot
	found, mine := s.content, m.lease.mine.Term
	m.lease.term = max(m.lease.term, found.Epoch.Term)
	switch {
	case !s.there:
	case m.Alone:
		if foreign {
			m.note(Note{Event: ForeignWriter, Writer: found.ID, Epoch: found.Epoch, Hash: found.Hash})
		}
	case found.Epoch.Term > mine || found.Epoch.Term == mine && found.Life != m.Life:
		m.lose()
		m.lease.lookAt = m.now
	case found.Life == m.Life:
		if lost {
			s.failures, s.notBefore = 0, m.now+m.Delay
			if m.Pending() && found.Hash == m.offer.Hash && m.fresh() {
				m.settle(Wrote)
			}
		}
	case foreign:
		m.note(Note{Event: ForeignWriter, Writer: found.ID, Epoch: found.Epoch, Hash: found.Hash})
	}
}

// snapshotWritten takes in the answer to a write of the snapshot.
func (m *step) snapshotWritten(sent Request, a Answer) {
	s := &m.snapshot
	switch a.Outcome {
	case Done:
		s.failures, s.conflicts, s.retryAt = 0, 0, 0
		s.notBefore, s.checkAt = m.now+m.Delay, m.now+m.Check
		s.content, s.version, s.there = sent.Wrote, a.Version, true
		s.known = m.role == Leader && sent.Wrote.Epoch.Term == m.lease.mine.Term
		m.settled = max(m.settled, sent.Offer)
		m.note(Note{Event: Wrote, Epoch: sent.Wrote.Epoch, Hash: sent.Wrote.Hash, Offer: sent.Offer})
	case Conflict, Absent:
		s.known = false
		if s.conflicts++; s.conflicts > 1 {
			s.retryAt = m.now + m.backoff(&m.State, s.conflicts-1)
		}
	case Denied:
		m.snapshotFailed(a)
	default:
		s.known, s.unsure = false, true
		m.snapshotFailed(a)
	}
}

// snapshotFailed puts the next request for the snapshot off.
func (m *step) snapshotFailed(a Answer) {
	s := &m.snapshot
	s.failures++
	s.retryAt = m.now + max(m.backoff(&m.State, s.failures), a.After)
	if s.failures == 1 {
		m.note(Note{Event: Failed, Kind: a.Kind, Hash: m.offer.Hash, Offer: m.offer.Number})
	}
}
