// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package election_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"blackout/internal/fallback/election"
)

// The timers of the model's members.
const (
	leaseTime = 20 * time.Second
	delayTime = 5 * time.Second
)

// ways are in which a schedule may be made worse, or a member broken.
type ways struct {
	expire  bool // a lifecycle rule deletes the lease now and then
	foreign bool // somebody without the lease writes or deletes the snapshot now and then
	twins   bool // all members were given one id

	// Defects, each of which the invariants must find.
	bareSnapshot bool // writes of the snapshot are unconditional
	bareLease    bool // writes of the lease are unconditional
	sameBytes    bool // the epoch is not part of the snapshot's bytes
	noMarks      bool // every offer passes for a new one
	noFloor      bool // the epoch of the snapshot is not seen
	deafPlane    bool // the control plane is never asked anew
}

// world is a schedule: members, a store and a control plane that are moved by one
// generator, one event after the other.
type world struct {
	ways
	random  *rand.Rand
	now     time.Duration
	members []*member
	flights []*flight
	chaos   bool

	published int // configurations so far; each is newer than the one before

	lease    *election.Lease
	snapshot *object
	lives    int

	// What the invariants remember.
	top     election.Epoch
	terms   map[uint64]string
	newest  int    // published number of what the store held last
	topTerm uint64 // of the leases since one was deleted
	written int
	broken  []string
	trace   []string
	tracing bool
}

// object is the snapshot in the store.
type object struct {
	election.Snapshot
	number int    // of the configuration in it
	bytes  string // its version is a digest of its bytes, as S3's is
}

// member is a backup node.
type member struct {
	id      string
	config  election.Config
	state   election.State
	offset  time.Duration // of its clock
	rate    float64       // of its clock
	wake    time.Duration // by the world's clock; negative: never
	paused  time.Duration // until then nothing reaches it
	online  bool
	mark    uint64 // of its connection: what it was made after
	ended   bool
	stopped bool       // it was asked to
	offers  []int      // numbers of the configurations offered in this life
	line    []delivery // configurations on their way
	inbox   []election.Input
}

type delivery struct {
	number int
	mark   uint64
	at     time.Duration
}

// flight is a request under way.
type flight struct {
	of       *member
	life     string
	request  election.Request
	number   int // of the configuration to write
	effected bool
	answered bool
	answer   election.Answer
	stuck    time.Duration // somewhere on its way, until then
}

func newWorld(seed uint64, w ways) *world {
	r := rand.New(rand.NewPCG(seed, 0))
	out := &world{ways: w, random: r, terms: map[uint64]string{}, chaos: true}
	for i := range 2 + r.IntN(3) {
		m := &member{id: fmt.Sprintf("node-%d", i), offset: time.Duration(r.IntN(100)) * time.Second, rate: 0.9 + 0.2*r.Float64()}
		if w.twins {
			m.id = "node"
		}
		out.members = append(out.members, m)
		out.start(m)
	}
	out.publish()
	return out
}

// start begins a member's life.
func (w *world) start(m *member) {
	w.lives++
	m.config = election.Config{ID: m.id, Life: fmt.Sprintf("life-%d", w.lives), Lease: leaseTime, Delay: delayTime,
		RetryMin: 500 * time.Millisecond, RetryMax: 8 * time.Second, Check: 30 * time.Second}
	m.state, m.wake, m.offers, m.inbox, m.ended, m.stopped = m.config.Start(w.random.Uint64()), -1, nil, nil, false, false
	w.connect(m)
}

// connect gives a member its control plane, and what that has.
func (w *world) connect(m *member) {
	m.online, m.line, m.mark = true, nil, m.state.Mark()
	m.inbox = append(m.inbox, election.Online(true))
	if w.published > 0 {
		w.dispatch(m, m.mark)
	}
}

// dispatch sends a member the newest configuration. It arrives after the ones
// before it.
func (w *world) dispatch(m *member, mark uint64) {
	at := w.now + w.some(3*time.Second)
	if n := len(m.line); n > 0 {
		at = max(at, m.line[n-1].at)
	}
	m.line = append(m.line, delivery{number: w.published, mark: mark, at: at})
}

func (w *world) publish() {
	w.published++
	for _, m := range w.members {
		if m.online && !m.ended {
			w.dispatch(m, m.mark)
		}
	}
}

// some is a duration below limit.
func (w *world) some(limit time.Duration) time.Duration {
	return time.Duration(w.random.Int64N(int64(limit)))
}

func (w *world) log(format string, arguments ...any) {
	if w.tracing {
		w.trace = append(w.trace, fmt.Sprintf("%9.3f ", w.now.Seconds())+fmt.Sprintf(format, arguments...))
	}
}

func (w *world) violate(format string, arguments ...any) {
	w.broken = append(w.broken, fmt.Sprintf(format, arguments...))
	w.log("VIOLATION %s", w.broken[len(w.broken)-1])
}

// hash is what a configuration is known by. Configurations come back: the
// hash of a newer one may be that of an older one.
func hash(number int) string { return "hash-" + strconv.Itoa(number%2) }

// step gives a member an input and carries out what it says.
func (w *world) step(m *member, in election.Input) {
	local := m.offset + time.Duration(float64(w.now)*m.rate)
	var out election.Output
	m.state, out = m.config.Step(m.state, local, in)
	if w.tracing {
		w.log("%s %s <- %T%+v -> %d requests %v", m.id, m.config.Life, in, in, len(out.Requests), out.Notes)
	}
	m.wake = -1
	if out.Wake >= 0 {
		m.wake = w.now + time.Duration(float64(max(out.Wake-local, 0))/m.rate) + time.Microsecond
	}
	m.ended = out.Done
	for _, r := range out.Requests {
		f := &flight{of: m, life: m.config.Life, request: r}
		if r.Kind == election.WriteSnapshot {
			f.number = m.offers[r.Offer-1]
		}
		w.flights = append(w.flights, f)
	}
	if out.Refresh && !w.deafPlane {
		m.line = nil // the connection is made anew
		m.mark = m.state.Mark()
		w.dispatch(m, m.mark)
	}
}

// deliver gives a member what has arrived for it.
func (w *world) deliver(m *member) {
	if m.ended || w.now < m.paused {
		return
	}
	for len(m.line) > 0 && m.line[0].at <= w.now {
		d := m.line[0]
		m.line = m.line[1:]
		m.offers = append(m.offers, d.number)
		if w.noMarks {
			d.mark = 1 << 60
		}
		m.inbox = append(m.inbox, election.Offer{Number: uint64(len(m.offers)), Hash: hash(d.number), Mark: d.mark})
	}
	for len(m.inbox) > 0 && !m.ended {
		in := m.inbox[0]
		m.inbox = m.inbox[1:]
		w.step(m, in)
	}
	if m.wake >= 0 && m.wake <= w.now && !m.ended {
		w.step(m, election.Tick{})
	}
}

// event is one thing that happens.
func (w *world) event() {
	w.now += w.some(400 * time.Millisecond)
	if w.chaos {
		if w.random.IntN(12) == 0 {
			w.now += w.some(10 * time.Second)
		}
		w.disturb()
	}
	for range len(w.flights) {
		w.move(w.flights[w.random.IntN(len(w.flights))])
	}
	w.flights = slices.DeleteFunc(w.flights, func(f *flight) bool { return f.answered && f.effected })
	for _, i := range w.random.Perm(len(w.members)) {
		w.deliver(w.members[i])
	}
}

// disturb does what need not happen.
func (w *world) disturb() {
	m := w.members[w.random.IntN(len(w.members))]
	switch w.random.IntN(80) {
	case 0, 1, 2, 3, 4, 5:
		w.publish()
	case 6, 7:
		m.paused = w.now + w.some(3*leaseTime)
	case 8:
		w.log("%s crashes", m.id)
		w.start(m) // what it had under way goes on
	case 9:
		if m.online && !m.ended {
			m.online, m.line = false, nil
			m.inbox = append(m.inbox, election.Online(false))
		}
	case 10, 11:
		if !m.online && !m.stopped {
			w.connect(m)
		}
	case 12:
		if !m.stopped {
			m.stopped = true
			m.inbox = append(m.inbox, election.Stop{})
			m.online, m.line = false, nil
		}
	case 13, 14:
		if m.ended {
			w.start(m)
		}
	case 15:
		if w.expire && w.lease != nil {
			w.log("the lease is deleted")
			w.lease, w.topTerm = nil, 0
		}
	case 17:
		if w.foreign && w.snapshot != nil {
			w.log("somebody deletes the snapshot")
			// A write that found none before may now come late: its history begins anew.
			w.snapshot, w.newest, w.top = nil, 0, election.Epoch{}
		}
	case 16:
		if w.foreign && w.snapshot != nil {
			w.log("somebody writes %d", w.published)
			w.lives++
			w.snapshot = &object{Snapshot: election.Snapshot{Hash: hash(w.published)}, number: w.published, bytes: fmt.Sprint("foreign ", w.lives)}
			w.newest = w.published
		}
	}
}

// run runs a schedule: events while everything may fail, then peace, in which the
// newest configuration must get to the store and stay there.
func (w *world) run(events int) {
	for range events {
		w.event()
	}
	w.chaos = false
	for _, m := range w.members {
		m.paused = 0
		if m.stopped {
			w.start(m)
		}
		if !m.online {
			w.connect(m)
		}
	}
	w.publish()
	until := w.now + 10*leaseTime
	for w.now < until {
		w.event()
	}
	if w.snapshot == nil || hash(w.snapshot.number) != hash(w.published) || w.snapshot.Hash != hash(w.published) {
		w.violate("configuration %d is not in the store after %s of peace", w.published, 10*leaseTime)
	}
	written := w.written
	for until += 3 * leaseTime; w.now < until; {
		w.event()
	}
	if w.written != written {
		w.violate("the snapshot is written again for no change")
	}
	leaders := 0
	for _, m := range w.members {
		if m.state.Role() == election.Leader {
			leaders++
		}
	}
	if leaders != 1 {
		w.violate("%d leaders in peace", leaders)
	}
}

// check runs a schedule and says how it broke the invariants.
func check(seed uint64, w ways) []string {
	run := newWorld(seed, w)
	run.run(150)
	return run.broken
}

// explain is a schedule's story.
func explain(seed uint64, w ways) string {
	run := newWorld(seed, w)
	run.tracing = true
	run.run(150)
	return strings.Join(run.trace, "\n")
}
