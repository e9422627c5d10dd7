// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package election_test

import (
	"time"

	"blackout/internal/fallback/bucket"
	"blackout/internal/fallback/election"
)

// move moves a request on: it takes effect, is answered, or its answer is lost.
func (w *world) move(f *flight) {
	lossy := w.chaos && w.random.IntN(8) == 0
	switch {
	case w.now < f.stuck && w.chaos:
	case lossy && !f.answered && w.random.IntN(2) == 0:
		// Who sent it gives up; it may take effect much later.
		f.stuck = w.now + w.some(6*leaseTime)
		w.reply(f, election.Answer{Kind: f.request.Kind, Outcome: election.Unknown})
	case lossy && !f.effected && f.answered && w.random.IntN(2) == 0:
		f.effected = true // it never will
	case lossy && !f.effected && !f.answered && w.random.IntN(2) == 0:
		f.effected = true
		w.reply(f, election.Answer{Kind: f.request.Kind, Outcome: election.Denied, After: w.some(5 * time.Second)})
	case !f.effected:
		f.effected = true
		f.answer = w.effect(f)
	case !f.answered:
		if lossy {
			f.answer = election.Answer{Kind: f.request.Kind, Outcome: election.Unknown}
		}
		w.reply(f, f.answer)
	}
}

// reply answers a request, if who sent it is still there.
func (w *world) reply(f *flight, a election.Answer) {
	f.answered = true
	if f.of.config.Life == f.life && !f.of.ended {
		f.of.inbox = append(f.of.inbox, a)
	}
}

// effect is what a request does to the store.
func (w *world) effect(f *flight) election.Answer {
	a := election.Answer{Kind: f.request.Kind, Outcome: election.Done}
	switch f.request.Kind {
	case election.ReadLease:
		if w.lease == nil {
			a.Outcome = election.Absent
			return a
		}
		a.Lease, a.Version = *w.lease, leaseVersion(*w.lease)
	case election.HeadSnapshot:
		if w.snapshot == nil {
			a.Outcome = election.Absent
			return a
		}
		a.Snapshot, a.Version = w.snapshot.Snapshot, w.snapshot.bytes
		if w.noFloor {
			a.Snapshot.Epoch = election.Epoch{}
		}
	case election.WriteLease:
		version := ""
		if w.lease != nil {
			version = leaseVersion(*w.lease)
		}
		if a.Outcome = holds(f.request.If, w.lease != nil, version); w.bareLease {
			a.Outcome = election.Done
		}
		if a.Outcome == election.Done {
			w.takeLease(f)
			a.Version = leaseVersion(*w.lease)
		}
	case election.WriteSnapshot:
		version := ""
		if w.snapshot != nil {
			version = w.snapshot.bytes
		}
		if a.Outcome = holds(f.request.If, w.snapshot != nil, version); w.bareSnapshot {
			a.Outcome = election.Done
		}
		if a.Outcome == election.Done {
			w.takeSnapshot(f)
			a.Version = w.snapshot.bytes
		}
	}
	return a
}

// leaseVersion is a digest of a lease's bytes.
func leaseVersion(l election.Lease) string {
	digest := l.Life + " " + election.Epoch{Term: l.Term, Write: l.Beat}.String()
	if l.Released {
		digest += " released"
	}
	return digest
}

// holds says what becomes of a conditional write.
func holds(c bucket.Condition, there bool, version string) election.Outcome {
	want, must := c.Version()
	switch {
	case c.Absent() && there, must && there && want != version:
		return election.Conflict
	case must && !there:
		return election.Absent
	}
	return election.Done
}

func (w *world) takeLease(f *flight) {
	l := f.request.Lease
	if w.tracing {
		w.log("the lease is %+v", l)
	}
	claim := l.Beat == 0
	if claim && l.Term <= w.topTerm {
		w.violate("term %d claimed after term %d", l.Term, w.topTerm)
	}
	w.topTerm = max(w.topTerm, l.Term)
	w.lease = &l
}

func (w *world) takeSnapshot(f *flight) {
	s := f.request.Wrote
	if w.tracing {
		w.log("the snapshot is %d by %s %s %s", f.number, s.ID, s.Life, s.Epoch)
	}
	w.written++
	if s.Epoch.Compare(w.top) <= 0 {
		w.violate("epoch %s after %s", s.Epoch, w.top)
	}
	if other, taken := w.terms[s.Epoch.Term]; taken && other != s.Life {
		w.violate("two writers in term %d: %s and %s", s.Epoch.Term, other, s.Life)
	}
	if f.number < w.newest {
		w.violate("configuration %d replaced by the older %d", w.newest, f.number)
	}
	w.top, w.terms[s.Epoch.Term], w.newest = s.Epoch, s.Life, f.number
	bytes := s.Hash + " " + s.Life + " " + s.Epoch.String()
	if w.sameBytes {
		bytes = s.Hash
	}
	w.snapshot = &object{Snapshot: s, number: f.number, bytes: bytes}
}
