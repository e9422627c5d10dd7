// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package fallback

import (
	"context"
	"errors"
	"fmt"
	"path"
	"sync"
	"time"

	"blackout/internal/fallback/bucket"
	"blackout/internal/fallback/election"
)

// member drives an exporter's part in the election: it feeds what happens into the
// steps and carries out what they ask for. It belongs to the goroutine of
// [Exporter.Run], but for the requests, which have goroutines of their own.
type member struct {
	*Exporter
	work   context.Context // of the requests
	config election.Config
	state  election.State
	began  time.Time // the steps' clock counts from here
	done   bool
	led    bool // before the last step

	taken  *offer // the newest that the steps know
	online bool   // as the steps know it

	requests sync.WaitGroup
	answers  chan reply
	wakeUp   *time.Timer

	asked      bool     // the store has answered who holds the lease
	holderRole string   // of the node that does
	seen       sighting // of the snapshot, the last
}

// reply is how a request ended.
type reply struct {
	election.Answer
	err   error
	bytes int64  // written
	role  string // of the holder of the lease that was read
	seen  sighting
}

// join makes the exporter a member of the election, or its only one. Requests end
// with work.
func (e *Exporter) join(work context.Context, alone bool) *member {
	o := e.options
	config := election.Config{ID: o.NodeID, Life: e.life, Lease: o.Lease, Delay: o.Delay, RetryMin: o.RetryMin, RetryMax: o.RetryMax, Check: o.Check, Alone: alone}
	// At most one request about the lease and one about the snapshot are under
	// way: neither has to wait until its answer is taken.
	const most = 2
	return &member{Exporter: e, work: work, config: config, state: config.Start(o.Seed), began: time.Now(),
		answers: make(chan reply, most), wakeUp: time.NewTimer(time.Hour)}
}

// run takes steps until ctx has ended and nothing is left to do, or until work ends.
func (m *member) run(ctx context.Context) error {
	defer m.requests.Wait()
	defer m.wakeUp.Stop()
	end := ctx.Done()
	m.takeNews()
	for !m.done {
		select {
		case <-end:
			end = nil
			m.takeNews()
			m.step(election.Stop{})
		case <-m.wake:
			m.takeNews()
		case a := <-m.answers:
			m.takeAnswer(a)
		case <-m.wakeUp.C:
			m.step(election.Tick{})
		case <-m.work.Done():
			return m.unfinished()
		}
	}
	m.tellLeft()
	return nil
}

// unfinished is the error about what is still pending when there is no more time.
func (m *member) unfinished() error {
	m.mu.Lock()
	others := m.told.isOthers()
	m.mu.Unlock()
	if others {
		m.tellLeft()
		return nil
	}
	if !m.state.Pending() {
		m.options.Log.Warn("fallback lease not released: other backup nodes wait until it has run out", "key", m.leaseKey())
		return nil
	}
	err := context.Cause(m.work)
	if last := m.Status().LastError; last != "" {
		err = fmt.Errorf("%w; before that: %s", err, last)
	}
	return fmt.Errorf("export fallback configuration on the way out: %w", err)
}

// takeNews tells the steps what the node told.
func (m *member) takeNews() {
	newest, online := m.news()
	if online != m.online {
		m.online = online
		m.step(election.Online(online))
	}
	if newest != m.taken {
		m.taken = newest
		m.step(newest.Offer)
	}
}

// step takes one step and does what it asks for.
func (m *member) step(in election.Input) {
	var out election.Output
	m.state, out = m.config.Step(m.state, time.Since(m.began), in)
	m.mark.Store(m.state.Mark()) // before the control plane is asked
	m.done = out.Done
	m.describe(out.Notes)
	for _, r := range out.Requests {
		m.send(r)
	}
	if out.Refresh {
		m.options.Refresh()
	}
	m.wakeUp.Stop()
	if out.Wake >= 0 {
		m.wakeUp.Reset(time.Until(m.began.Add(out.Wake)))
	}
}

// send sends a request in a goroutine of its own.
func (m *member) send(r election.Request) {
	sent, last := m.taken, m.seen
	if r.Kind == election.WriteSnapshot {
		m.mu.Lock()
		m.told.writing = r.Offer
		m.mu.Unlock()
	}
	m.requests.Go(func() {
		a := m.ask(r, sent, last)
		a.Kind = r.Kind
		m.answers <- a
	})
}

func (m *member) takeAnswer(a reply) {
	switch a.Kind {
	case election.ReadLease:
		m.holderRole = a.role
		m.asked = m.asked || a.Outcome == election.Done || a.Outcome == election.Absent
	case election.HeadSnapshot:
		m.seen = a.seen
	case election.WriteSnapshot:
		if a.Outcome == election.Done {
			m.seen = a.seen
		}
	case election.WriteLease:
	}
	m.count(a)
	m.step(a.Answer)
}

// ask sends a request and waits for its end.
func (m *member) ask(r election.Request, newest *offer, last sighting) reply {
	timeout := m.options.PutTimeout
	switch r.Kind {
	case election.ReadLease, election.WriteLease:
		timeout = leaseTimeout(m.options.Lease)
	case election.WriteSnapshot:
		timeout += transferTime(int64(len(newest.table)))
	case election.HeadSnapshot:
	}
	ctx, cancel := context.WithTimeout(m.work, timeout)
	defer cancel()
	switch r.Kind {
	case election.ReadLease:
		return m.readLease(ctx)
	case election.WriteLease:
		return m.writeLease(ctx, r)
	case election.HeadSnapshot:
		return m.headSnapshot(ctx, last)
	case election.WriteSnapshot:
		return m.writeSnapshot(ctx, r, newest, last)
	}
	panic(fmt.Sprintf("fallback: unknown request %d", r.Kind))
}

// slowest is how many bytes of a snapshot must go in a second: a transfer that is
// slower is given up, and one that is faster is not, however large the snapshot is.
const slowest = 1 << 20

// transferTime is how much longer a request may take for its body of size bytes;
// negative if that is not known.
func transferTime(size int64) time.Duration {
	return time.Duration(max(size, 0)) * time.Second / slowest
}

// leaseTimeout bounds a request about the lease: a leader must have the time to
// try again before its lease runs out.
func leaseTimeout(lease time.Duration) time.Duration {
	const attempts = 3
	return max(lease/attempts, time.Second)
}

// electionKey is an object of the election beside a snapshot.
func electionKey(snapshot, name string) string {
	return path.Join(path.Dir(snapshot), "election", name)
}

func (e *Exporter) leaseKey() string { return electionKey(e.options.Key, "lease.json") }

// outcomeOf is what an error says about a request, and for how long the store
// wants to be left alone.
func outcomeOf(err error) (election.Outcome, time.Duration) {
	var after time.Duration
	if busy, told := errors.AsType[bucket.BusyError](err); told {
		after = min(busy.After, maxRetryAfter)
	}
	switch {
	case err == nil:
		return election.Done, 0
	case errors.Is(err, bucket.ErrNotFound):
		return election.Absent, after
	case errors.Is(err, bucket.ErrConflict):
		return election.Conflict, after
	case errors.Is(err, bucket.ErrDenied), errors.Is(err, ErrOtherCluster):
		return election.Denied, after
	}
	return election.Unknown, after
}

// maxRetryAfter bounds how long a store may ask to be left alone.
const maxRetryAfter = 5 * time.Minute
