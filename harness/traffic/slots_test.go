// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package traffic

import (
	"slices"
	"testing"
	"time"

	"blackout/harness/history"
)

// rota is the slots of a stream with workers that do nothing.
func rota(limit int, interval time.Duration) (s *slots, drawn *[]int64) {
	drawn = new([]int64)
	s = newSlots(limit, interval, func(slot int64) *worker {
		*drawn = append(*drawn, slot)
		return &worker{called: make(chan int64, 1), alarmed: time.NewTimer(time.Hour)}
	})
	s.open()
	return s, drawn
}

func TestSlotsAreDrawnOnceAndInOrder(t *testing.T) {
	t.Parallel()
	s, drawn := rota(10, 5*time.Millisecond)
	if want := []int64{0, 1, 2, 3}; !slices.Equal(*drawn, want) {
		t.Fatalf("posted for %v, want %v: 20 ms ahead", *drawn, want)
	}
	first, second := s.workers[0], s.workers[1]
	s.leave() // three are posted
	s.leave() // two
	if len(s.workers) != 4 {
		t.Errorf("%d workers, want the first four: half of them are posted", len(s.workers))
	}
	s.leave() // one: a fifth is called up for slot 4
	if len(s.workers) != 5 || (*drawn)[4] != 4 {
		t.Errorf("%d workers, drawn %v", len(s.workers), *drawn)
	}
	if slot, last := s.again(first); slot != 5 || last {
		t.Errorf("slot %d, last %v", slot, last)
	}
	if slot, last := s.again(second); slot != 6 || last {
		t.Errorf("slot %d, last %v", slot, last)
	}
}

// TestWorkersAreCalledUpLastFirst: one that comes back to a full post waits, and
// of those that wait the last one is the warmest.
func TestWorkersAreCalledUpLastFirst(t *testing.T) {
	t.Parallel()
	s, _ := rota(10, 5*time.Millisecond)
	early, late := new(worker), new(worker)
	early.called, late.called = make(chan int64, 1), make(chan int64, 1)
	s.idle = []*worker{early, late}
	for range 3 {
		s.leave()
	}
	select {
	case slot := <-late.called:
		if slot != 4 || s.posted != 2 {
			t.Errorf("called up for slot %d, %d posted", slot, s.posted)
		}
	default:
		t.Error("the last to come back was not called up")
	}
	if len(s.idle) != 1 || s.idle[0] != early || len(s.workers) != 4 {
		t.Errorf("%d wait, %d were started", len(s.idle), len(s.workers))
	}
}

// TestNoMoreWorkersThanTheStreamMayHave: the one that comes back is told that no
// other could have drawn its slot.
func TestNoMoreWorkersThanTheStreamMayHave(t *testing.T) {
	t.Parallel()
	s, drawn := rota(6, 5*time.Millisecond)
	for range 6 {
		s.leave()
	}
	if len(s.workers) != 6 || s.posted != 0 || s.next != 6 {
		t.Fatalf("%d workers, %d posted, next slot %d, drawn %v", len(s.workers), s.posted, s.next, *drawn)
	}
	if slot, last := s.again(s.workers[0]); slot != 6 || !last {
		t.Errorf("slot %d, last %v", slot, last)
	}
}

// TestFewWorkers: with a single one, a slot is drawn only when it comes back.
func TestFewWorkers(t *testing.T) {
	t.Parallel()
	s, _ := rota(1, time.Millisecond)
	s.leave()
	if len(s.workers) != 1 || s.next != 1 {
		t.Errorf("%d workers, next slot %d", len(s.workers), s.next)
	}
	if slot, last := s.again(s.workers[0]); slot != 1 || !last {
		t.Errorf("slot %d, last %v", slot, last)
	}
}

// TestTurns: requests that a pause of the harness made late leave a few at once
// and then no faster than one and a half times their rate; others never wait.
func TestTurns(t *testing.T) {
	t.Parallel()
	const interval = 3 * time.Millisecond
	s := &stream{spec: history.Stream{Interval: interval}}
	now := history.Time(time.Second)
	for range 100 {
		if wait := s.takeTurn(now); wait > 0 {
			t.Fatalf("on time and told to wait %s", wait)
		}
		now += history.Time(interval)
	}
	now += history.Time(time.Second) // in which nothing left
	at, atOnce := now, 0
	for range 100 {
		wait := s.takeTurn(now)
		if wait <= 0 {
			atOnce++
			continue
		}
		if next := now + history.Time(wait); next < at {
			t.Fatalf("a turn at %s after one at %s", next.Sub(now), at.Sub(now))
		} else {
			at = next
		}
	}
	if want := int(burst/(interval*2/3)) + 1; atOnce != want {
		t.Errorf("%d left at once, want %d", atOnce, want)
	}
	if got, want := at.Sub(now), time.Duration(100-atOnce)*interval*2/3; got > want || got < want-interval {
		t.Errorf("100 requests took %s, want %s", got, want)
	}
}

func TestDue(t *testing.T) {
	t.Parallel()
	s := &stream{begin: 100, spec: history.Stream{Interval: 10}}
	for by, want := range map[history.Time]int64{0: 0, 99: 0, 100: 1, 109: 1, 110: 2, 200: 11} {
		if got := s.due(by); got != want {
			t.Errorf("by %d: %d due, want %d", by, got, want)
		}
	}
}

func TestWorkers(t *testing.T) {
	t.Parallel()
	if got := Workers(history.Stream{Interval: time.Millisecond, Timeout: 2 * time.Second}); got < 2000 || got > 2500 {
		t.Errorf("%d workers for 2000 outstanding requests", got)
	}
	if got := Workers(history.Stream{Timeout: time.Second}); got != 0 {
		t.Errorf("%d workers for a stream without an interval", got)
	}
}

func TestStaggered(t *testing.T) {
	t.Parallel()
	got := Staggered(2, history.Stream{Name: "fresh", Fresh: true})
	want := []history.Stream{{Name: "fresh 1", Fresh: true}, {Name: "fresh 2", Fresh: true}}
	if !slices.Equal(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}
