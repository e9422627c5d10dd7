// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package election decides which of several backup nodes writes the snapshot,
// and when, on nothing but the object store that the snapshot is in. It is a pure
// step function, [Config.Step]: given a member's state and what happened, it
// returns the next state and what to do. It knows no clock, no network and no
// goroutine; package fallback drives it, and its tests drive thousands of members
// through a store that reorders, delays and loses.
//
// # Two objects
//
// The lease, "election/lease.json", says who may write. It holds the leader's
// id, its life (a value unique to one run of its process), a term that every
// claim raises, and a beat that every renewal raises. A member that has something
// to back up reads it now and then. It claims the lease if there is none, if it
// was released, if its own earlier life held it, or if its version did not change
// for Config.Lease by the member's own monotonic clock; no clock is ever compared
// with another's. Every write of the lease is conditional on the version that was
// read before, so of several claims one takes effect.
//
// The snapshot, "config.json", carries an [Epoch]: the term of its writer's lease,
// and a number that rises with each of its writes. Every write of it is
// conditional too: on the version that the leader read when it claimed the lease,
// and then on that of its own last write. A leader only replaces a snapshot of a
// smaller epoch. As the epoch is part of the object's bytes, no two writes have
// the same bytes, and no version comes back: a leader that was paused while
// another wrote finds its condition broken, whatever it had in flight.
//
// So the lease is there for peace, and the snapshot's own condition for safety: a
// wrong guess about who is dead costs a refused request, never a snapshot.
//
// # Never backwards
//
// A new leader may have less news than the one before it. Configurations have no
// order that two members could compare, so a member counts marks: whenever it
// finds a snapshot that somebody else wrote and that differs from what it holds,
// it raises its mark and asks its control plane anew. It writes only what the
// control plane was asked for after that mark, which therefore is at least as new
// as what it found. Without a control plane it writes what it got before, if the store
// holds nothing of anybody else. Who wrote is told by the life: two nodes may have been
// given one id.
//
// # Lost answers
//
// A request whose answer was lost may have taken effect, or may yet. The member
// reads back before it decides: it knows its own writes by life, term, beat and
// epoch. What lands later is stopped by its condition, or found as its own.
//
// # What others do to the bucket
//
// Buckets expire old objects below election/. A member that finds no lease takes
// a term above the snapshot's and above any that it ever saw. The snapshot itself
// may be deleted by mistake, or overwritten by somebody who knows no lease: a
// leader looks at it every Config.Check, and puts its own back. One that was damaged is
// for the driver to find: it tells of it as of a snapshot that nobody knows.
package election

import (
	"time"

	"blackout/internal/fallback/bucket"
)

// Config is what a member of the election is told at its start.
type Config struct {
	ID   string // the node's, the same in its next life
	Life string // of this run of the process; no other ever has it

	Lease    time.Duration // how long an unchanged lease is left alone
	Delay    time.Duration // from the end of one write of the snapshot to the start of the next
	RetryMin time.Duration // wait after a failed request, doubling with each further one
	RetryMax time.Duration // longest wait between attempts
	Check    time.Duration // how often a leader looks whether somebody else changed the snapshot; 0: never

	// Alone is for stores without conditional writes, where only one backup node
	// may be used: there is no lease, and writes are unconditional.
	Alone bool
}

// Lease is the content of the lease object.
type Lease struct {
	ID       string `json:"id"`
	Life     string `json:"life"`
	Name     string `json:"name"` // of the node, for people
	Term     uint64 `json:"term"`
	Beat     uint64 `json:"beat"`
	Released bool   `json:"released,omitempty"` // its holder has gone, and nobody need wait
}

// Snapshot is what a member must know of the snapshot object.
type Snapshot struct {
	Hash  string // of the configuration in it; empty if unknown
	ID    string // of the node that wrote it; empty if unknown
	Life  string
	Epoch Epoch // zero for an object that no member wrote
}

// Kind is a kind of request.
type Kind int

// The requests of a member. At most one of the first two and one of the last two
// are under way at a time.
const (
	ReadLease Kind = iota + 1
	WriteLease
	HeadSnapshot
	WriteSnapshot
)

// Request is a request to send to the store.
type Request struct {
	Kind  Kind
	If    bucket.Condition // of a write
	Lease Lease            // to write; the driver adds the name
	Offer uint64           // the number of the offer to write as the snapshot
	Wrote Snapshot         // what to note about that snapshot
}

// Outcome is how a request ended.
type Outcome int

// The outcomes. Only Unknown leaves open whether a write took effect.
const (
	Unknown  Outcome = iota // any error but the following
	Done                    // it took effect, or the object was read
	Absent                  // bucket.ErrNotFound
	Conflict                // bucket.ErrConflict
	Denied                  // bucket.ErrDenied
)

// Input is something that happened to a member: one of [Offer], [Online], [Answer],
// [Tick] and [Stop].
type Input interface{ input() }

// Offer is a new configuration from the control plane, the newest of all so far.
type Offer struct {
	Number uint64 // rises with each offer, from 1
	Hash   string
	Mark   uint64 // [State.Mark] as it was when the control plane was asked
}

// Online says whether the member has its control plane. It is offline at first.
type Online bool

// Answer ends a request.
type Answer struct {
	Kind     Kind
	Outcome  Outcome
	Version  string        // of the object that was read or written
	Lease    Lease         // of a ReadLease that is Done
	Snapshot Snapshot      // of a HeadSnapshot that is Done
	After    time.Duration // do not ask again before: the store's Retry-After; 0: it gave none
}

// Tick says that time has passed.
type Tick struct{}

// Stop asks the member to write what is pending, to release its lease and to be
// done. Nothing is offered after it.
type Stop struct{}

func (Offer) input()  {}
func (Online) input() {}
func (Answer) input() {}
func (Tick) input()   {}
func (Stop) input()   {}

// Output is what to do after a step.
type Output struct {
	Requests []Request     // to send now; each must be answered, by Unknown if need be
	Wake     time.Duration // when to tick if nothing happens before; negative: not at all
	Refresh  bool          // ask the control plane anew and offer what it gives, changed or not
	Notes    []Note        // what to log
	Done     bool          // after Stop: nothing more will be done
}

// Event is a kind of [Note].
type Event string

// The events that a member notes.
const (
	BecameLeader  Event = "leader"         // it holds the lease of Note.Epoch.Term
	StandsBy      Event = "standby"        // Note.Holder holds the lease; noted once for each holder
	Deposed       Event = "deposed"        // its lease was taken or lost
	Wrote         Event = "wrote"          // the offer is in the store
	Unchanged     Event = "unchanged"      // the store holds the offer already
	Failed        Event = "failed"         // a request failed; noted for the first in a row
	ForeignWriter Event = "foreign-writer" // somebody without the lease wrote the snapshot
	AsksAnew      Event = "asks-anew"      // see "Never backwards"
)

// Note is something worth a line in a log.
type Note struct {
	Event  Event
	Kind   Kind   // of the request that failed
	Holder Lease  // who leads
	Writer string // id of the node that wrote the snapshot, if known
	Epoch  Epoch
	Hash   string
	Offer  uint64
}
