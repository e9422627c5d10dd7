// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package traffic

import (
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"blackout/harness/history"
)

// burst is how much of a stream's load may leave in one moment, as time at the
// rate at which it catches up.
const burst = 10 * time.Millisecond

// stream is a schedule and what its workers share.
type stream struct {
	rec       *history.Writer
	index     uint16
	spec      history.Stream
	urls      []*url.URL // taken in turn
	header    http.Header
	transport *http.Transport
	begin     history.Time // when slot 0 is due
	slots     *slots
	alarm     alarm

	gate      sync.RWMutex // which every slot passes; closed to set stop
	stop      atomic.Int64 // history.Time after which nothing more is due; 0 while running
	turn      atomic.Int64 // history.Time before which no more than a burst may leave
	sent      atomic.Int64
	saturated atomic.Int64 // slots that fell due while every worker was busy
	lag       lags
}

// keyName is the header that shows a key: the plugin's default (Kong 3.9 key-auth,
// key_names).
const keyName = "apikey"

// keyHeader is the header of requests that show a key.
func keyHeader(shown, right string) http.Header {
	h := http.Header{}
	switch shown {
	case history.RightKey:
		h.Set(keyName, right)
	case history.WrongKey:
		h.Set(keyName, "no-"+shown+"-key-of-anybody")
	}
	return h
}

// intended is when a slot is due.
func (s *stream) intended(slot int64) history.Time {
	return s.begin + history.Time(slot)*history.Time(s.spec.Interval)
}

// due is how many slots were due by a moment.
func (s *stream) due(by history.Time) int64 {
	if by < s.begin {
		return 0
	}
	return int64(by.Sub(s.begin)/s.spec.Interval) + 1
}

// passes says whether a slot whose time has come is to be sent.
func (s *stream) passes(intended history.Time) bool {
	s.gate.RLock()
	defer s.gate.RUnlock()
	stop := history.Time(s.stop.Load())
	return stop == 0 || intended <= stop
}

// end ends the schedule now, and returns when that was: not before any slot that has
// passed was due.
func (s *stream) end() history.Time {
	s.gate.Lock()
	defer s.gate.Unlock()
	stop := s.rec.Now()
	s.stop.Store(int64(stop))
	return stop
}

// takeTurn returns how long a request must wait although it is due. Requests
// that fell due in a pause of the harness itself would else all leave in one
// moment: a load that no plan asked for, on as many new connections. Beyond a
// burst they leave at one and a half times the stream's rate until it has caught
// up. However late, each is sent, and its record says how late.
func (s *stream) takeTurn(now history.Time) time.Duration {
	gap := int64(s.spec.Interval) * 2 / 3
	for {
		turn := s.turn.Load()
		at := max(turn, int64(now)-int64(burst))
		if s.turn.CompareAndSwap(turn, at+gap) {
			return time.Duration(at) - time.Duration(now)
		}
	}
}
