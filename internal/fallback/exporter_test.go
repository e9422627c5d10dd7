// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package fallback

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"blackout/internal/fallback/bucket"
)

// fakeStore records uploads. Its time is the test's.
type fakeStore struct {
	mu     sync.Mutex
	took   time.Duration // of one upload
	fail   func(attempt int) error
	start  time.Time
	tries  []time.Duration // when each upload began
	stored []string        // "<second>:<hash>" of each upload that succeeded, by its begin
}

func (s *fakeStore) Get(context.Context, string, int64) (bucket.Object, error) {
	return bucket.Object{}, bucket.ErrNotFound
}

func (s *fakeStore) Head(context.Context, string) (bucket.Info, error) {
	return bucket.Info{}, bucket.ErrNotFound
}

func (s *fakeStore) List(context.Context, string) ([]bucket.Info, error) { return nil, nil }

func (s *fakeStore) Put(ctx context.Context, _ string, _ []byte, put bucket.PutOptions) (string, error) {
	s.mu.Lock()
	began := time.Since(s.start)
	s.tries = append(s.tries, began)
	attempt := len(s.tries)
	s.mu.Unlock()
	if s.took > 0 {
		if err := sleep(ctx, s.took); err != nil {
			return "", err
		}
	}
	if s.fail != nil {
		if err := s.fail(attempt); err != nil {
			return "", err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stored = append(s.stored, fmt.Sprintf("%v:%s", began.Seconds(), put.Metadata[metaHash]))
	return "etag-" + put.Metadata[metaHash], nil
}

func (s *fakeStore) Close() {}

// bench is an exporter that runs in a synctest bubble.
type bench struct {
	store    *fakeStore
	exporter *Exporter
	log      bytes.Buffer
	stop     context.CancelFunc
	ended    chan error
}

func newBench(options ExporterOptions, store *fakeStore) *bench {
	b := &bench{store: store, ended: make(chan error, 1)}
	store.start = time.Now()
	options.Bucket, options.Key = store, "p/1/config.json"
	options.Jitter = func() float64 { return 0.5 }
	options.Log = slog.New(slog.NewTextHandler(&b.log, nil))
	b.exporter = NewExporter(options)
	var ctx context.Context
	ctx, b.stop = context.WithCancel(context.Background())
	go func() { b.ended <- b.exporter.Run(ctx) }()
	return b
}

func (b *bench) offer(hash string) {
	b.exporter.Offer([]byte(`{"_format_version":"3.0","services":[{"name":"`+hash+`"}]}`), hash)
	synctest.Wait()
}

func (b *bench) expect(t *testing.T, want ...string) {
	t.Helper()
	b.store.mu.Lock()
	defer b.store.mu.Unlock()
	if !reflect.DeepEqual(b.store.stored, want) {
		t.Errorf("stored %v, want %v", b.store.stored, want)
	}
}

func TestExporterCoalescesToTheLast(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(ExporterOptions{Delay: time.Minute}, &fakeStore{took: time.Second})
		b.offer("a")
		time.Sleep(10 * time.Second)
		b.offer("b")
		b.offer("c")
		time.Sleep(10 * time.Second)
		b.offer("d")
		time.Sleep(time.Minute)
		b.expect(t, "0:a", "61:d")
		time.Sleep(5 * time.Minute)
		b.offer("e") // the window is long over: at once
		time.Sleep(2 * time.Second)
		b.expect(t, "0:a", "61:d", "380:e")
		b.stop()
		if err := <-b.ended; err != nil {
			t.Errorf("run: %v", err)
		}
	})
}

func TestExporterSkipsWhatTheStoreHolds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(ExporterOptions{Delay: time.Minute}, &fakeStore{})
		b.offer("a")
		b.offer("b")
		b.offer("a")
		time.Sleep(61 * time.Second)
		b.expect(t, "0:a")
		if status := b.exporter.Status(); status.PendingHash != "" || !status.PendingSince.IsZero() {
			t.Errorf("still pending: %+v", status)
		}
		b.offer("b") // the skip opened no new window
		b.expect(t, "0:a", "61:b")
		b.stop()
		if err := <-b.ended; err != nil {
			t.Error(err)
		}
	})
}

func TestExporterRetriesAndNewestWins(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &fakeStore{fail: func(attempt int) error {
			if attempt <= 4 {
				return fmt.Errorf("put: %w", ErrUnavailable)
			}
			return nil
		}}
		b := newBench(ExporterOptions{RetryMin: 4 * time.Second, RetryMax: 8 * time.Second}, store)
		b.offer("a")
		b.offer("b")
		if status := b.exporter.Status(); status.Failures != 1 || status.LastError == "" || status.PendingHash != "b" {
			t.Errorf("status after a failure: %+v", status)
		}
		time.Sleep(time.Minute)
		b.expect(t, "21:b")
		// Waits of 4, 8, 8, 8 s, each three quarters with a jitter of one half.
		want := []time.Duration{0, 3 * time.Second, 9 * time.Second, 15 * time.Second, 21 * time.Second}
		if !reflect.DeepEqual(store.tries, want) {
			t.Errorf("attempts at %v, want %v", store.tries, want)
		}
		if status := b.exporter.Status(); status.ExportedHash != "b" || status.Failures != 0 || status.LastError != "" {
			t.Errorf("status after recovery: %+v", status)
		}
		b.stop()
		if err := <-b.ended; err != nil {
			t.Error(err)
		}
		if n := strings.Count(b.log.String(), "level=ERROR"); n != 1 {
			t.Errorf("%d error lines for one state change:\n%s", n, b.log.String())
		}
	})
}

func TestExporterUploadsAgainAfterALostAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &fakeStore{fail: func(attempt int) error {
			if attempt == 2 {
				return errors.New("connection reset")
			}
			return nil
		}}
		b := newBench(ExporterOptions{RetryMin: time.Second}, store)
		b.offer("a")
		b.offer("b") // may or may not have reached the store
		b.offer("a")
		time.Sleep(time.Minute)
		b.expect(t, "0:a", "0.75:a")
		b.stop()
		if err := <-b.ended; err != nil {
			t.Error(err)
		}
	})
}

func TestExporterFlushesAtTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(ExporterOptions{Delay: time.Minute}, &fakeStore{took: time.Second})
		b.offer("a")
		time.Sleep(5 * time.Second)
		b.offer("b")
		b.stop()
		if err := <-b.ended; err != nil {
			t.Errorf("run: %v", err)
		}
		b.expect(t, "0:a", "5:b")
	})
}

func TestExporterFlushIsBounded(t *testing.T) {
	t.Parallel()
	tests := map[string]*fakeStore{
		"hanging store": {took: time.Hour},
		"failing store": {fail: func(int) error { return ErrDenied }},
	}
	for name, store := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBench(ExporterOptions{FlushTimeout: 3 * time.Second}, store)
				b.offer("a")
				b.stop()
				began := time.Now()
				if err := <-b.ended; err == nil {
					t.Error("run reported a pending configuration as flushed")
				}
				if took := time.Since(began); took > 4*time.Second {
					t.Errorf("flush took %v", took)
				}
				b.expect(t)
			})
		})
	}
}

func TestExporterPendingSince(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		b := newBench(ExporterOptions{Delay: time.Minute}, &fakeStore{took: 10 * time.Second})
		b.offer("a")
		time.Sleep(4 * time.Second)
		b.offer("b")
		time.Sleep(2 * time.Second)
		b.offer("c")
		time.Sleep(10 * time.Second) // a is stored now; since b came the store is behind
		if got := b.exporter.Status().PendingSince.Sub(start); got != 4*time.Second {
			t.Errorf("pending since %v, want 4s", got)
		}
		b.stop()
		if err := <-b.ended; err == nil {
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
		"empty sections":     `{"services":[ ],"routes":{},"plugins":null}`,
		"only bookkeeping":   `{"workspaces":[{"name":"default"}],"parameters":[{"key":"cluster_id"}]}`,
		"a section's garble": `{"services":"yes"}`,
	}
	for name, table := range refused {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBench(ExporterOptions{Delay: time.Minute}, &fakeStore{})
				b.offer("a")
				b.offer("good")
				b.exporter.Offer([]byte(table), "bad")
				time.Sleep(2 * time.Minute)
				b.expect(t, "0:a", "60:good")
				b.stop()
				if err := <-b.ended; err != nil {
					t.Error(err)
				}
				if !strings.Contains(b.log.String(), "level=ERROR") || !strings.Contains(b.log.String(), "hash=bad") {
					t.Errorf("no loud line:\n%s", b.log.String())
				}
			})
		})
	}
}
