// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"fmt"
	"slices"
	"time"

	"blackout/harness/history"
)

// traffic is the prober's side of a run: its schedules, and who sees the requests
// as they pass.
type traffic struct {
	streams  []*schedule
	begins   []history.Event
	ends     []history.Event
	requests int
	lags     lags
	early    int                            // requests that left before they were due, or were answered before they left
	before   struct{ requests, failed int } // the first fault
}

// schedule is a stream: what of it was due, and what was sent.
type schedule struct {
	history.Stream
	begin, end history.Time // never if not recorded
	own        bool         // begin is when its first request was due, not when its node's traffic began
	sent       int
	off        int      // requests at times that the schedule does not know
	twice      int      // requests for a slot that was already sent
	saturated  int      // requests that fell due while every worker was busy
	slots      []uint64 // a bit for each slot that was sent
	watchers   []func(history.Request)
}

// maxSlots bounds the memory for a stream's slots. A year of a request every ten
// milliseconds has not as many.
const maxSlots = 1 << 32

func (t *traffic) open(h history.Header) {
	for _, s := range h.Streams {
		t.streams = append(t.streams, &schedule{Stream: s, begin: never, end: never})
	}
}

func (t *traffic) take(e history.Event) {
	if e.Kind == history.TrafficBegin {
		t.begins = append(t.begins, e)
	} else {
		t.ends = append(t.ends, e)
	}
}

// settle gives the streams their begins and ends: each its own where all of a
// node's have one, as since schema 2, or else their node's.
func (t *traffic) settle() {
	for i, s := range t.streams {
		s.begin, s.own = t.moment(t.begins, i)
		if end, _ := t.moment(t.ends, i); end != never {
			s.end = end
		}
	}
}

// firstDue is when the first request of all streams was due.
func (t *traffic) firstDue() history.Time {
	first := never
	for _, s := range t.streams {
		first = min(first, s.begin)
	}
	return first
}

// moment is the first of some events for a stream, and whether it is its own.
func (t *traffic) moment(events []history.Event, stream int) (at history.Time, own bool) {
	node, at := t.streams[stream].Node, never
	named := make(map[int]int)
	for _, e := range events {
		if e.Node == node {
			named[e.Stream]++
			at = min(at, e.At)
		}
	}
	for i, s := range t.streams {
		if s.Node == node && named[i] != 1 {
			return at, false
		}
	}
	i := slices.IndexFunc(events, func(e history.Event) bool { return e.Node == node && e.Stream == stream })
	return events[i].At, true
}

// of are the streams to a node.
func (t *traffic) of(n *node) []*schedule {
	return slices.DeleteFunc(slices.Clone(t.streams), func(s *schedule) bool { return s.Node != n.Name })
}

// answers lets a clause see each request that asks a data plane for its
// configuration. What it concludes then rests on the schedule being kept.
func (v *view) answers(f *finding, n *node, see func(history.Request)) {
	v.see(f, n, false, see)
}

// refusals lets a clause see each request without the key that its route needs.
func (v *view) refusals(f *finding, n *node, see func(history.Request)) {
	v.see(f, n, true, see)
}

func (v *view) see(f *finding, n *node, guarded bool, see func(history.Request)) {
	for _, s := range v.traffic.of(n) {
		if s.Guarded == guarded {
			s.watchers = append(s.watchers, see)
			f.asked = append(f.asked, s)
		}
	}
}

// pass lets every request pass by those who want to see it.
func (v *view) pass(source *history.Source) error {
	first := v.firstFault()
	for r, err := range source.Requests() {
		if err != nil {
			return err
		}
		v.traffic.count(r, first)
		for _, see := range v.traffic.streams[r.Stream].watchers {
			see(r)
		}
	}
	v.ends.damage = source.Damage()
	return nil
}

// clockError is how far two readings of the run's clock may seem to go backwards:
// readings by several goroutines, and the rounding of timers.
const clockError = 50 * time.Millisecond

func (t *traffic) count(r history.Request, firstFault history.Time) {
	t.requests++
	t.lags.add(r.Sent.Sub(r.Intended))
	if r.Sent.Sub(r.Intended) < -clockError || r.Done < r.Sent {
		t.early++
	}
	if r.Done < firstFault {
		t.before.requests++
		if failed(r) {
			t.before.failed++
		}
	}
	t.streams[r.Stream].count(r)
}

// count enters a request into its slot.
func (s *schedule) count(r history.Request) {
	if !s.own || s.Interval <= 0 {
		s.sent++
		return
	}
	slot := r.Intended.Sub(s.begin) / s.Interval
	if r.Intended < s.begin || r.Intended.Sub(s.begin)%s.Interval != 0 || slot >= maxSlots {
		s.off++
		return
	}
	word, bit := int(slot/64), uint64(1)<<(slot%64)
	if word >= len(s.slots) {
		s.slots = append(s.slots, make([]uint64, word+1-len(s.slots))...)
	}
	if s.slots[word]&bit != 0 {
		s.twice++
		return
	}
	s.slots[word] |= bit
	s.sent++
}

// due is how many requests the schedule asked for.
func (s *schedule) due(end history.Time) int {
	if s.begin == never || s.Interval <= 0 {
		return 0
	}
	if s.end != never {
		end = s.end
	}
	return int(max(end.Sub(s.begin), 0) / s.Interval)
}

// unsound says why a stream's requests cannot be believed to show all that there
// was to see; empty if they can.
func (s *schedule) unsound(end history.Time) string {
	due := s.due(end)
	switch {
	case s.off+s.twice > 0 && !enough(s.off+s.twice+s.sent, s.sent):
		return fmt.Sprintf("%d of %d requests of stream %s were not due when they say, or were sent twice: the generator is not open-loop", s.off+s.twice, s.off+s.twice+s.sent, s.Name)
	case due > 0 && !enough(due, s.sent):
		return fmt.Sprintf("only %d of %d requests due to %s were sent", s.sent, due, s.Node)
	case due > 0 && !enough(due, due-s.saturated):
		return fmt.Sprintf("%d of %d requests due to %s found every worker busy: the generator is not open-loop", s.saturated, due, s.Node)
	case s.Workers > 0 && s.Interval > 0 && time.Duration(s.Workers)*s.Interval < s.Timeout:
		return fmt.Sprintf("stream %s has %d workers: with fewer than its time-out by its interval, %d, waiting for answers delays requests", s.Name, s.Workers, s.Timeout/s.Interval)
	}
	return ""
}

// enough allows for slots at the edges of the schedule.
func enough(due, sent int) bool {
	const edges = 4
	return sent > 0 && float64(sent+edges) >= MinSent*float64(due)
}

// lags counts how late requests left, in steps of a tenth of a millisecond.
type lags struct {
	count int
	steps [lagSteps + 1]int // the last: later still
}

const (
	lagStep  = 100 * time.Microsecond
	lagSteps = 2000
)

func (l *lags) add(lag time.Duration) {
	l.count++
	l.steps[min(max(lag, 0)/lagStep, lagSteps)]++
}

// p99 is the lag that 99 % of the requests did not exceed, rounded up.
func (l *lags) p99() time.Duration {
	late := 0
	for i, n := range slices.Backward(l.steps[:]) {
		if late += n; late*100 >= l.count {
			return time.Duration(i+1) * lagStep
		}
	}
	return 0
}

// failed says whether a request counts as lost, strictly: a failure that the
// client hid by asking again is one too.
func failed(r history.Request) bool { return r.Class != history.Good || r.Flags&history.Masked != 0 }

func describe(r history.Request) string {
	switch {
	case r.Class == history.Good && r.Flags&history.Masked != 0:
		return "a failure that the client hid by sending the request again"
	case r.Class == history.Good:
		return fmt.Sprintf("an answer of generation %d", r.Generation)
	case r.Class == history.WrongStatus:
		return fmt.Sprintf("status %d", r.Status)
	}
	return r.Class.String()
}
