// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package election

import "time"

// Role is what a member is at the moment.
type Role int

// The roles. A member claims the lease in two steps: it looks at the snapshot,
// then it writes the lease.
const (
	Standby Role = iota
	heading
	claiming
	Leader
)

// State is what a member knows. Make the first one with [Config.Start]; it is a
// value, and changes by [Config.Step] alone.
type State struct {
	role     Role
	online   bool
	stopping bool
	random   uint64 // of a generator that spreads waits

	offer   Offer  // the newest; Number 0: none yet
	settled uint64 // number of the offer that need not be written any more

	lease    leaseState
	snapshot snapshotState

	mark  uint64 // see the package comment, "Never backwards"
	asked uint64 // mark after which the control plane was asked anew
}

// leaseState is what a member knows of the lease.
type leaseState struct {
	flight  Request       // under way; Kind 0: none
	wroteAt time.Duration // when the last write of it was sent

	looked  bool // it was read in this life
	there   bool // there is one, with the content and version that follow
	content Lease
	version string
	since   time.Duration // when that version was first seen
	term    uint64        // the highest that was ever seen or claimed

	lookAt    time.Duration // when to read it next
	failures  int           // in a row
	conflicts int           // of claims in a row, without another holder between

	// Of a leader, or of a member whose claim is not answered.
	mine      Lease         // as it was written last
	unsure    bool          // the answer to that was lost
	heldUntil time.Duration // others leave the lease alone until then
	renewAt   time.Duration
	released  bool

	noted string // life of the holder that was noted last
}

// snapshotState is what a member knows of the snapshot.
type snapshotState struct {
	flight Request
	unsure bool // a write's answer was lost

	known    bool // what follows is what is in the store, as far as the member can know
	there    bool
	content  Snapshot
	version  string
	needMark uint64 // what an offer's mark must be at least

	writes    uint64        // in the current term
	notBefore time.Duration // by the delay
	retryAt   time.Duration
	checkAt   time.Duration
	failures  int // in a row
	conflicts int // in a row
}

// Start is the state of a member that knows nothing yet. The seed spreads its
// waits; members should have different ones.
func (c Config) Start(seed uint64) State { return State{random: seed} }

// Role is what the member is; claiming counts as standing by.
func (s State) Role() Role {
	if s.role == Leader {
		return Leader
	}
	return Standby
}

// Leads says whether the member may write at the moment now: others leave it alone for
// as long as it can keep its lease.
func (s State) Leads(now time.Duration) bool { return s.role == Leader && now < s.lease.heldUntil }

// Mark is what an offer must carry that the control plane is asked for now.
func (s State) Mark() uint64 { return s.mark }

// Holder is the lease as it was read or written last; zero before that.
func (s State) Holder() Lease {
	if s.role == Leader {
		return s.lease.mine
	}
	return s.lease.content
}

// Snapshot is what the member knows to be in the store, if it does.
func (s State) Snapshot() (content Snapshot, version string, known bool) {
	return s.snapshot.content, s.snapshot.version, s.snapshot.known && s.snapshot.there
}

// Pending says whether the newest offer is yet to be written, by whomever.
func (s State) Pending() bool { return s.offer.Number > s.settled }

// draw is the next of the member's random numbers, in [0,1).
func (s *State) draw() float64 {
	// SplitMix64, by Steele, Lea and Flood.
	s.random += 0x9e3779b97f4a7c15
	z := s.random
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb
	z ^= z >> 31
	return float64(z>>11) / (1 << 53)
}

// spread is d, give or take a quarter.
func (s *State) spread(d time.Duration) time.Duration {
	return d*3/4 + time.Duration(s.draw()*float64(d)/2)
}

// backoff is the wait after a number of failures in a row: half of it is fixed and
// half is drawn, so that members do not return to a recovering store together.
func (c Config) backoff(s *State, failures int) time.Duration {
	wait := c.RetryMin
	for range failures - 1 {
		if wait = min(2*wait, c.RetryMax); wait == c.RetryMax {
			break
		}
	}
	return wait/2 + time.Duration(s.draw()*float64(wait)/2)
}
