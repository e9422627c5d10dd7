// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Time in these tests is a synctest bubble's: a sleep moves its clock, and nobody waits.

package fallback

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"blackout/internal/fallback/bucket"
	"blackout/internal/fallback/bucket/buckettest"
	"blackout/internal/fallback/election"
)

func TestExporterCoalescesToTheLast(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop()
		s.took = time.Second
		d := s.open("a", delayed(time.Minute))
		d.offer("a")
		time.Sleep(10 * time.Second)
		d.offer("b")
		d.offer("c")
		time.Sleep(10 * time.Second)
		d.offer("d")
		time.Sleep(time.Minute)
		s.expect(t, "0:a", "61:d")
		time.Sleep(5 * time.Minute)
		d.offer("e") // the window is long over: at once
		time.Sleep(2 * time.Second)
		s.expect(t, "0:a", "61:d", "380:e")
		d.close(t)
	})
}

func TestExporterSkipsWhatTheStoreHolds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop()
		d := s.open("a", delayed(time.Minute))
		d.offer("a")
		d.offer("b")
		d.offer("a")
		time.Sleep(61 * time.Second)
		s.expect(t, "0:a")
		if status := d.exporter.Status(); status.PendingHash != "" || !status.PendingSince.IsZero() {
			t.Errorf("still pending: %+v", status)
		}
		d.offer("b") // the skip opened no new window
		s.expect(t, "0:a", "61:b")
		d.close(t)
	})
}

func TestExporterRetriesAndNewestWins(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop()
		s.fail = func(attempt int) error {
			if attempt <= 4 {
				return fmt.Errorf("put: %w", bucket.ErrUnavailable)
			}
			return nil
		}
		d := s.open("a", func(o *ExporterOptions) { o.RetryMin, o.RetryMax = 4*time.Second, 8*time.Second })
		d.offer("a")
		d.offer("b")
		if status := d.exporter.Status(); status.Failures != 1 || status.LastError == "" || status.PendingHash != "b" {
			t.Errorf("status after a failure: %+v", status)
		}
		time.Sleep(time.Minute)
		stored, tries := s.uploads(), s.attempts()
		if len(stored) != 1 || !strings.HasSuffix(stored[0], ":b") || len(tries) != 5 {
			t.Fatalf("stored %v in %d attempts, want b in 5", stored, len(tries))
		}
		for i, longest := range []time.Duration{4 * time.Second, 8 * time.Second, 8 * time.Second, 8 * time.Second} {
			if wait := tries[i+1] - tries[i]; wait < longest/2 || wait > longest {
				t.Errorf("wait %d was %v, want half to all of %v", i+1, wait, longest)
			}
		}
		if status := d.exporter.Status(); status.ExportedHash != "b" || status.Failures != 0 || status.LastError != "" {
			t.Errorf("status after recovery: %+v", status)
		}
		d.close(t)
		if n := len(d.log.lines("level=ERROR")); n != 1 {
			t.Errorf("%d error lines for one state change:\n%s", n, d.log.String())
		}
	})
}

func TestExporterReadsBackAfterALostAnswer(t *testing.T) {
	t.Parallel()
	lost := func(attempt int) error {
		if attempt == 2 {
			return errors.New("connection reset")
		}
		return nil
	}
	t.Run("it took effect", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := newShop()
			s.lose = lost
			d := s.open("a", nil)
			d.offer("a")
			d.offer("b")
			time.Sleep(time.Minute)
			s.expect(t, "0:a", "0:b") // and not again
			if status := d.exporter.Status(); status.ExportedHash != "b" || status.PendingHash != "" || status.LastError != "" {
				t.Errorf("status %+v", status)
			}
			d.close(t)
		})
	})
	t.Run("it changed back meanwhile", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := newShop()
			s.lose = lost
			d := s.open("a", nil)
			d.offer("a")
			d.offer("b")
			d.offer("a") // the store may hold either
			time.Sleep(time.Minute)
			if stored := s.uploads(); len(stored) != 3 || !strings.HasSuffix(stored[2], ":a") {
				t.Errorf("stored %v, want a, b and a", stored)
			}
			d.close(t)
		})
	})
}

func TestExporterFlushesAtTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop()
		s.took = time.Second
		d := s.open("a", delayed(time.Minute))
		d.offer("a")
		time.Sleep(5 * time.Second)
		d.offer("b")
		d.close(t)
		s.expect(t, "0:a", "5:b")
	})
}

func TestExporterFlushIsBounded(t *testing.T) {
	t.Parallel()
	tests := map[string]func(*shop){
		"hanging store": func(s *shop) { s.took = time.Hour },
		"denying store": func(s *shop) { s.fail = func(int) error { return bucket.ErrDenied } },
		"hanging lease": func(s *shop) { s.hang = func(c buckettest.Call) bool { return c.Key == leaseKey } },
		"hanging probe": func(s *shop) { s.hang = func(c buckettest.Call) bool { return path.Base(c.Key) == "probe.json" } },
	}
	for name, trouble := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newShop()
				trouble(s)
				d := s.open("a", func(o *ExporterOptions) { o.FlushTimeout = 3 * time.Second })
				d.offer("a")
				d.stop()
				began := time.Now()
				if err := <-d.ended; err == nil || strings.Contains(err.Error(), "\n") {
					t.Errorf("run reported a pending configuration as flushed, or not in one line: %v", err)
				}
				if took := time.Since(began); took > 4*time.Second {
					t.Errorf("flush took %v", took)
				}
				s.expect(t)
			})
		})
	}
}

func TestExporterPendingSince(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop()
		s.took = 10 * time.Second
		d := s.open("a", delayed(time.Minute))
		d.offer("a")
		time.Sleep(4 * time.Second)
		d.offer("b")
		time.Sleep(2 * time.Second)
		d.offer("c")
		if got := d.exporter.Status().PendingSince.Sub(s.start); got != 0 {
			t.Errorf("pending since %v while a is on its way, want 0s", got)
		}
		time.Sleep(10 * time.Second) // a is stored now; since b came the store is behind
		if got := d.exporter.Status().PendingSince.Sub(s.start); got != 4*time.Second {
			t.Errorf("pending since %v, want 4s", got)
		}
		d.stop()
		if err := <-d.ended; err == nil {
			t.Error("c could not be stored in time, and run did not say so")
		}
	})
}

func TestExporterRefusesEmptyAndInvalid(t *testing.T) {
	t.Parallel()
	refused := map[string]string{
		"nothing":            "",
		"null":               "null",
		"array":              "[]",
		"cut off":            `{"services":[{"name":"a"}]`,
		"two objects":        `{"services":[{}]}{}`,
		"no section":         `{"_format_version":"3.0","_transform":false}`,
		"a comment":          `{"_comment":[{"name":"x"}]}`,
		"empty sections":     `{"services":[ ],"routes":{},"plugins":null}`,
		"only bookkeeping":   `{"workspaces":[{"name":"default"}],"parameters":[{"key":"cluster_id"}]}`,
		"a section's garble": `{"services":"yes"}`,
	}
	for name, table := range refused {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newShop()
				d := s.open("a", delayed(time.Minute))
				d.offer("a")
				d.offer("good")
				d.exporter.Offer([]byte(table), "bad", d.exporter.Mark())
				if status := d.exporter.Status(); !strings.Contains(status.LastError, "bad") {
					t.Errorf("the status does not tell: %+v", status)
				}
				time.Sleep(2 * time.Minute)
				s.expect(t, "0:a", "60:good")
				d.close(t)
				if !strings.Contains(d.log.String(), "level=ERROR") || !strings.Contains(d.log.String(), "hash=bad") {
					t.Errorf("no loud line:\n%s", d.log.String())
				}
			})
		})
	}
}

// An exporter that has nothing to export leaves the store alone. One whose control plane
// is gone leaves the snapshot of another node alone: what it has may be older.
func TestExporterWithoutNewsLeavesTheStoreAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop()
		silent := s.open("a", nil)
		time.Sleep(time.Hour)
		silent.close(t)
		if calls := s.Calls(); len(calls) > 0 {
			t.Errorf("without an offer: %v", calls)
		}
		noted := Bookkeeping{Hash: "y", Epoch: election.Epoch{Term: 1, Write: 1}, Exporter: "c", Life: "l"}
		s.put(t, testKey, string(tableOf("y")), noted.metadata())
		s.forget()
		offline := s.open("b", nil)
		offline.exporter.Online(false)
		offline.offer("x")
		time.Sleep(time.Hour)
		s.expect(t)
		if status := offline.exporter.Status(); status.Role != Standby || status.PendingHash != "x" {
			t.Errorf("offline: status %+v", status)
		}
		offline.exporter.Online(true)
		time.Sleep(time.Second)
		if stored := s.uploads(); len(stored) != 1 {
			t.Errorf("stored %v once it had its control plane", stored)
		}
		offline.close(t)
	})
}

// The control plane may go dark before the store could be reached, and stay so: what it
// gave last is what new data planes need.
func TestExporterWithoutItsControlPlaneWritesWhatItGot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var failing atomic.Bool
		failing.Store(true)
		s := newShop()
		s.hang = func(buckettest.Call) bool { return failing.Load() }
		d := s.open("a", nil)
		d.offer("x")
		time.Sleep(time.Minute)
		d.exporter.Online(false)
		time.Sleep(time.Minute)
		failing.Store(false)
		time.Sleep(2 * time.Minute)
		if got := nameOf(s.snapshot(t).Body); got != "x" {
			t.Errorf("the store holds %q", got)
		}
		if status := d.exporter.Status(); status.ExportedHash != "x" || status.PendingHash != "" || status.Role != Standby {
			t.Errorf("status %+v", status)
		}
		d.close(t)
	})
}

// ending is a context that something happens with, and that ends, whenever somebody is
// about to wait for its end.
type ending struct {
	context.Context
	last func()
}

func (c ending) Done() <-chan struct{} { c.last(); return c.Context.Done() }

// What is offered at the moment of the end is exported all the same.
func TestExporterExportsWhatIsOfferedAtTheEnd(t *testing.T) {
	t.Parallel()
	for range 100 { // which of two things at one moment is seen is drawn
		store := &buckettest.Memory{}
		e := NewExporter(ExporterOptions{Bucket: store, Key: testKey, NodeID: "a", Alone: true, Log: slog.New(slog.DiscardHandler)})
		ctx, cancel := context.WithCancel(t.Context())
		last := sync.OnceFunc(func() { e.Offer(tableOf("x"), "x", e.Mark()); cancel() })
		if err := e.Run(ending{ctx, last}); err != nil {
			t.Fatalf("run: %v", err)
		}
		if _, err := store.Head(t.Context(), testKey); err != nil {
			t.Fatalf("the offer is lost: %v", err)
		}
	}
}

func TestOfferNeverWaitsForTheStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop()
		s.hang = func(buckettest.Call) bool { return true }
		d := s.open("a", func(o *ExporterOptions) { o.FlushTimeout = time.Millisecond })
		began := time.Now()
		for i := range 100 {
			d.exporter.Offer(tableOf(fmt.Sprint(i)), fmt.Sprint(i), d.exporter.Mark())
			d.exporter.Online(i%2 == 0)
			_ = d.exporter.Status()
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("a hundred offers took %v", took)
		}
		d.stop()
		if err := <-d.ended; err == nil {
			t.Error("run reported a pending configuration as flushed")
		}
	})
}
