// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package toxic

import (
	"bytes"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestDelayIsOfEachChunk(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const delay, apart = 100 * time.Millisecond, 10 * time.Millisecond
		p := newPipe(t, &Delay{Delay: delay})
		go func() {
			for range 5 {
				p.send([]byte("x"))
				time.Sleep(apart)
			}
		}()
		start := time.Now()
		for i := range 5 {
			p.receive()
			if got, want := time.Since(start), delay+time.Duration(i)*apart; got != want {
				t.Errorf("chunk %d comes after %s, want %s", i, got, want)
			}
		}
		p.end()
	})
}

// delays are those of chunks that are far apart on one link.
func delays(t *testing.T, p *pipe, n int) []time.Duration {
	t.Helper()
	drawn := make([]time.Duration, n)
	for i := range drawn {
		sent := time.Now()
		p.send([]byte("x"))
		p.receive()
		drawn[i] = time.Since(sent)
	}
	return drawn
}

func TestJitterIsDrawnFromTheSeed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const delay, jitter, n = 100 * time.Millisecond, 30 * time.Millisecond, 200
		jittery := func(seed uint64) *Delay { return &Delay{Delay: delay, Jitter: jitter, Seed: seed} }
		toxic := jittery(7)
		first, second := newPipe(t, toxic), newPipe(t, toxic)
		drawn := delays(t, first, n)
		if low, high := slices.Min(drawn), slices.Max(drawn); low < delay-jitter || high > delay+jitter || high-low < jitter {
			t.Errorf("delays from %s to %s, want them from %s to %s", low, high, delay-jitter, delay+jitter)
		}
		again := newPipe(t, jittery(7))
		if !slices.Equal(delays(t, again, n), drawn) {
			t.Error("the same seed draws other delays")
		}
		other := newPipe(t, jittery(8))
		if slices.Equal(delays(t, other, n), drawn) || slices.Equal(delays(t, second, n), drawn) {
			t.Error("another seed or another connection draws the same delays")
		}
		for _, p := range []*pipe{first, second, again, other} {
			p.end()
		}
	})
}

func TestJitterKeepsTheOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPipe(t, &Delay{Delay: 100 * time.Millisecond, Jitter: 100 * time.Millisecond, Seed: 1})
		data := pattern(200)
		for i := range data {
			p.send(data[i : i+1])
		}
		for i := range data {
			if got := p.receive(); got[0] != data[i] {
				t.Fatalf("chunk %d comes out of order", i)
			}
		}
		p.end()
	})
}

func TestPaceIsSharedByAllConnections(t *testing.T) {
	t.Parallel()
	for _, rate := range []int64{10, 1_000, 1_000_000} {
		for _, links := range []int{1, 2} {
			synctest.Test(t, func(t *testing.T) {
				toxic, start := &Pace{Rate: rate}, time.Now()
				total := int(2 * rate)
				received := make(chan struct{})
				var pipes []*pipe
				for range links {
					p := newPipe(t, toxic)
					pipes = append(pipes, p)
					p.send(pattern(total / links))
					go func() {
						for left := total / links; left > 0; {
							left -= len(p.receive())
						}
						received <- struct{}{}
					}()
				}
				for range links {
					<-received
				}
				if took := time.Since(start); took < 1900*time.Millisecond || took > 2100*time.Millisecond {
					t.Errorf("%d bytes at %d bytes a second on %d connections take %s, want 2 s", total, rate, links, took)
				}
				for _, p := range pipes {
					p.end()
				}
			})
		}
	}
}

func TestPaceHasNoCredit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPipe(t, &Pace{Rate: 1000})
		time.Sleep(time.Minute) // idle
		start := time.Now()
		p.send(pattern(20))
		p.receive()
		if took := time.Since(start); took != 20*time.Millisecond {
			t.Errorf("20 bytes take %s, want 20 ms", took)
		}
		p.end()
	})
}

func TestSlices(t *testing.T) {
	t.Parallel()
	for _, delay := range []time.Duration{0, time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			p := newPipe(t, &Slice{Bytes: 300, Delay: delay})
			data, start := pattern(1000), time.Now()
			p.send(data)
			var got []byte
			for _, want := range []int{300, 300, 300, 100} {
				piece := p.receive()
				if len(piece) != want {
					t.Errorf("a piece of %d bytes, want %d", len(piece), want)
				}
				got = append(got, piece...)
			}
			if !bytes.Equal(got, data) || time.Since(start) != 4*delay {
				t.Errorf("%d bytes after %s, want those sent after %s", len(got), time.Since(start), 4*delay)
			}
			p.end()
		})
	}
}
