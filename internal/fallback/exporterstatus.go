// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package fallback

import (
	"time"

	"blackout/internal/fallback/election"
)

// Role is what an exporter is among the backup nodes.
type Role string

// The roles.
const (
	Unknown Role = "unknown" // it has not learned yet who leads: it has had nothing to export, or has not reached the store
	Standby Role = "standby" // it does not write
	Leader  Role = "leader"  // it writes
	Alone   Role = "alone"   // it writes, and there is no election
)

// ExporterStatus is what an exporter did and has yet to do. It holds no secret.
type ExporterStatus struct {
	Role       Role
	LeaderID   string // id of the node that writes; empty if not known
	LeaderName string
	Takeovers  int // how often this exporter became the leader

	ExportedHash    string         // of the configuration that it wrote, or found written, last; empty before the first
	ExportedAt      time.Time      // when it knew
	ExportedVersion string         // the store's
	Epoch           election.Epoch // of that snapshot

	PendingHash  string    // of the configuration that waits; empty if none does, or another node is to write it
	PendingSince time.Time // since when the store has been behind; zero if it is not
	Failures     int       // requests failed since they last worked
	LastError    string    // of what failed or was refused last, until it works
}

// Status tells what was exported and what is pending.
func (e *Exporter) Status() ExporterStatus {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.told.status()
}

// progress is where the status comes from. The exporter's lock guards it.
type progress struct {
	ExporterStatus // but for the fields that status fills in

	newest  *offer
	settled uint64 // number of the last offer that need not be written any more
	writing uint64 // number of the offer that is on its way, 0 if none is
	behind  time.Time

	trouble map[election.Kind]trouble
	refused string // why the last offer was refused; empty after a good one
	warning string // about the snapshot that was sent last
	sent    int64  // its bytes
	after   int    // how many uploads had failed when it succeeded
}

// trouble is a row of requests of one kind that failed.
type trouble struct {
	count int
	last  error
	at    time.Time // of the last
}

// fail takes note of a failed request.
func (p *progress) fail(kind election.Kind, err error, now time.Time) (first bool) {
	if p.trouble == nil {
		p.trouble = map[election.Kind]trouble{}
	}
	t := p.trouble[kind]
	p.trouble[kind] = trouble{count: t.count + 1, last: err, at: now}
	return t.count == 0
}

// exported takes note that the store holds an offer.
func (p *progress) exported(note election.Note, version string, now time.Time) {
	if note.Event == election.Wrote || p.ExportedHash != note.Hash {
		p.ExportedHash, p.ExportedAt, p.ExportedVersion, p.Epoch = note.Hash, now, version, note.Epoch
	}
	delete(p.trouble, election.HeadSnapshot)
	delete(p.trouble, election.WriteSnapshot)
	p.settle(note.Offer)
}

// offered takes note of a new offer.
func (p *progress) offered(o *offer) {
	p.refused = ""
	if before := p.newest; before != nil && before.Number > p.settled && before.Number != p.writing {
		o.since = before.since // it takes the place of one that was never sent
	}
	if p.newest = o; p.behind.IsZero() {
		p.behind = o.since
	}
}

// settle takes note that an offer is in the store.
func (p *progress) settle(number uint64) {
	p.settled, p.behind = max(p.settled, number), time.Time{}
	if p.newest.Number > p.settled {
		p.behind = p.newest.since
	}
}

func (p *progress) status() ExporterStatus {
	s := p.ExporterStatus
	if s.Role == "" {
		s.Role = Unknown
	}
	if p.newest != nil && p.newest.Number > p.settled && !p.isOthers() {
		s.PendingHash, s.PendingSince = p.newest.Hash, p.behind
	}
	var newest time.Time
	for _, t := range p.trouble {
		s.Failures += t.count
		if t.at.After(newest) || s.LastError == "" {
			newest, s.LastError = t.at, t.last.Error()
		}
	}
	switch {
	case s.LastError != "":
	case p.refused != "":
		s.LastError = p.refused
	default:
		s.LastError = p.warning
	}
	return s
}

// isOthers says whether it is for another node to write what is pending.
func (p *progress) isOthers() bool { return p.Role == Standby && p.LeaderID != "" }
