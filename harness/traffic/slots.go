// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package traffic

import (
	"sync"
	"time"
)

// ahead is how far ahead of the schedule workers are posted.
const ahead = 20 * time.Millisecond

// slots hands out the slots of a stream to its workers, each slot once and in
// order. A worker that has drawn one is posted: it sleeps until the slot is due.
//
// Not all workers are posted. There are as many as requests can be outstanding,
// thousands at high rates, and to let them take turns would cost a third more
// processor time per request, in cold stacks and timers. A few are posted ahead,
// those that came back last first; only when half of them are out is another
// called up, or started, until there are as many as the stream may have.
type slots struct {
	limit   int // of workers
	reserve int // of posted workers
	start   func(slot int64) *worker

	mu      sync.Mutex
	next    int64 // slot to be drawn
	posted  int
	workers []*worker // started
	idle    []*worker // that wait to be called up
	stopped bool
}

func newSlots(limit int, interval time.Duration, start func(slot int64) *worker) *slots {
	reserve := max(int(ahead/interval), 4)
	return &slots{limit: limit, reserve: min(reserve, limit), start: start}
}

// open posts the first workers.
func (s *slots) open() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for range s.reserve {
		s.callUp()
	}
}

// callUp posts one more worker, if there is one.
func (s *slots) callUp() {
	last := len(s.idle) - 1
	switch {
	case last >= 0:
		w := s.idle[last]
		s.idle = s.idle[:last]
		w.called <- s.draw()
	case len(s.workers) < s.limit:
		s.workers = append(s.workers, s.start(s.draw()))
	}
}

func (s *slots) draw() int64 {
	s.posted++
	s.next++
	return s.next - 1
}

// leave is called by a worker whose slot is due, before it sends.
func (s *slots) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.posted--; s.posted < (s.reserve+1)/2 {
		s.callUp()
	}
}

// again is called by a worker that has sent. It returns the worker's next slot,
// and whether the worker was the only one left to draw it.
func (s *slots) again(w *worker) (slot int64, last bool) {
	s.mu.Lock()
	if s.posted < s.reserve || s.stopped {
		defer s.mu.Unlock()
		return s.draw(), len(s.workers) == s.limit && len(s.idle) == 0
	}
	s.idle = append(s.idle, w)
	s.mu.Unlock()
	return <-w.called, false
}

// stop wakes all workers. None waits any longer.
func (s *slots) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	for len(s.idle) > 0 {
		s.callUp()
	}
	for _, w := range s.workers {
		w.alarmed.Reset(0)
	}
}
