// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package traffic

import (
	"context"
	"net/http"
	"net/http/httptrace"
	"time"

	"blackout/harness/history"
)

// worker sends the slots that it draws, one after the other.
type worker struct {
	*stream
	called   chan int64  // a slot, when it was idle
	alarmed  *time.Timer // wakes it when its slot is due
	deadline deadline
	request  *http.Request // what is sent, but for its URL and context

	// Of the request on its way. The trace's hook is called by the goroutine
	// that sends, within the round trip.
	connections int
	fresh       bool
}

func newWorker(ctx context.Context, s *stream) *worker {
	w := &worker{stream: s, called: make(chan int64, 1), alarmed: time.NewTimer(0)}
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: w.gotConnection})
	w.deadline = deadline{parent: ctx, timeout: s.spec.Timeout}
	w.request = &http.Request{Method: http.MethodGet, Header: s.header, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}
	return w
}

// gotConnection counts the connections that a request took. The transport takes
// a second one when it hides that the first failed, in HTTP/1.1 and HTTP/2 alike:
// a kept-alive connection that was dropped unanswered, a stream that was refused,
// a connection that was going away.
func (w *worker) gotConnection(info httptrace.GotConnInfo) {
	w.connections++
	w.fresh = w.fresh || !info.Reused
}

// work sends from the given slot on.
func (w *worker) work(slot int64) {
	for last := false; w.await(w.intended(slot), last); {
		w.slots.leave()
		w.rec.Request(w.send(slot, w.intended(slot)))
		slot, last = w.slots.again(w)
	}
}

// workClosed is the loop of the known-bad generator: see [Load.ClosedLoop].
func (w *worker) workClosed(slot int64) {
	for next := w.begin; w.await(next, false); slot++ {
		r := w.send(slot, next)
		r.Intended = r.Sent
		w.rec.Request(r)
		next = max(next+history.Time(w.spec.Interval), r.Done)
	}
}

// await sleeps until a slot is due and reports whether it is to be sent. last:
// no other worker could have drawn it.
func (w *worker) await(intended history.Time, last bool) bool {
	wait := intended.Sub(w.rec.Now())
	if wait <= 0 && last {
		w.saturated.Add(1)
	}
	if wait > 0 {
		w.alarmed.Reset(wait)
		// A stop after this look resets the timer, one before it is seen.
		if w.stop.Load() == 0 {
			<-w.alarmed.C
		}
	}
	if !w.passes(intended) {
		return false
	}
	if wait := w.takeTurn(w.rec.Now()); wait > 0 {
		w.alarmed.Reset(wait)
		<-w.alarmed.C
	}
	return true
}

func (w *worker) send(slot int64, intended history.Time) history.Request {
	r := history.Request{Intended: intended, Stream: w.index}
	w.connections, w.fresh = 0, false
	r.Sent = w.rec.Now()
	// A copy for each: after a failure the transport may go on to read it.
	req := w.request.WithContext(w.deadline.begin())
	req.URL = w.urls[slot%int64(len(w.urls))]
	answer := roundTrip(w.transport, req, w.spec.Guarded)
	r.Done = w.rec.Now()
	if w.deadline.end() && answer.Class != history.Good {
		answer.Class = history.Timeout
	}
	r.Status, r.Class, r.Generation = answer.Status, answer.Class, answer.Generation
	if w.connections > 1 {
		r.Flags |= history.Masked
	}
	if w.fresh {
		r.Flags |= history.NewConnection
	}
	w.sent.Add(1)
	w.lag.add(r.Sent.Sub(intended))
	return r
}
