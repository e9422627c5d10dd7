// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package history

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// TestClock: the run's times are its clock's, and samples of it witness a step.
func TestClock(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		clock := func() time.Time {
			if time.Since(begin) > 2500*time.Millisecond {
				return time.Now().Add(-2 * time.Second)
			}
			return time.Now()
		}
		w, err := Create(dir, Header{Streams: []Stream{{}}}, WithClock(clock))
		if err != nil {
			t.Fatal(err)
		}
		w.Request(Request{})
		<-time.After(4500 * time.Millisecond)
		if got, want := w.Now(), Time(2500*time.Millisecond); got != want {
			t.Errorf("it is %v, want %v", got, want)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	})
	rec, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	var at []float64
	for _, e := range rec.Events {
		if e.Kind != ClockSample || e.Wall == 0 {
			t.Errorf("event %+v, want a sample of the clock", e)
		}
		at = append(at, e.At.Seconds())
	}
	if want := []float64{1, 2, 1, 2}; !slices.Equal(at, want) {
		t.Errorf("samples at %v, want %v", at, want)
	}
}
