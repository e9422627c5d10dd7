// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Time in these tests is a synctest bubble's: a sleep moves its clock, and nobody waits.

package fallback

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"blackout/internal/fallback/bucket"
	"blackout/internal/fallback/bucket/buckettest"
)

// late is a shop as one node sees it: what the node uploads arrives when it is
// told, also after the node has given it up.
type late struct {
	*shop
	arrive <-chan struct{}
	ended  chan error
}

func (l late) Put(ctx context.Context, key string, body bucket.Body, o bucket.PutOptions) (string, error) {
	if key != testKey || nameOf(body.Bytes()) != "late" {
		return l.shop.Put(ctx, key, body, o)
	}
	go func() {
		<-l.arrive
		_, err := l.shop.Put(context.WithoutCancel(ctx), key, body, o)
		l.ended <- err
	}()
	<-ctx.Done()
	return "", ctx.Err()
}

func TestAWriteThatArrivesLateIsRefused(t *testing.T) {
	t.Parallel()
	for name, takenOver := range map[string]bool{"after another took over": true, "after the writer's next": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, arrive, ended := newShop(), make(chan struct{}), make(chan error, 1)
				var isCut atomic.Bool
				first := s.open("a", func(o *ExporterOptions) {
					o.Bucket = late{s, arrive, ended}
					if takenOver {
						o.Bucket = through{Bucket: late{s, arrive, ended}, cut: isCut.Load}
					}
				})
				first.offer("x")
				second := s.open("b", func(o *ExporterOptions) { o.Seed = 2 })
				second.offer("x")
				first.offer("late")
				second.offer("newer")
				isCut.Store(true)
				first.offer("newer")
				time.Sleep(2 * time.Minute)
				if got := nameOf(s.snapshot(t).Body); got != "newer" {
					t.Errorf("the store holds %q", got)
				}
				close(arrive)
				if err := <-ended; !errors.Is(err, bucket.ErrConflict) || nameOf(s.snapshot(t).Body) != "newer" {
					t.Errorf("a write arrived late and was answered with %v; the store holds %q", err, nameOf(s.snapshot(t).Body))
				}
				isCut.Store(false)
				time.Sleep(time.Minute) // until nothing hangs any more
				first.close(t)
				second.close(t)
			})
		})
	}
}

func TestABucketThatIsGoneIsTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop()
		gone := s.failWith(bucket.ErrNotFound)
		d := s.open("a", nil)
		d.offer("x")
		gone.Store(true)
		d.offer("y")
		time.Sleep(time.Minute)
		if status := d.exporter.Status(); status.PendingHash != "y" || status.Failures == 0 || !strings.Contains(status.LastError, bucket.ErrNotFound.Error()) {
			t.Errorf("status %+v", status)
		}
		if lines := d.log.lines("level=ERROR"); len(lines) == 0 || len(lines) > 2 {
			t.Errorf("%d errors: %.500q", len(lines), lines)
		}
		gone.Store(false)
		time.Sleep(time.Minute)
		if got := nameOf(s.snapshot(t).Body); got != "y" {
			t.Errorf("the store holds %q", got)
		}
		d.close(t)
	})
}

func TestAStoreThatCannotBeAskedForConditionsIsAskedAgain(t *testing.T) {
	t.Parallel()
	for name, failure := range map[string]error{"denied": bucket.ErrDenied, "unavailable": bucket.ErrUnavailable, "no bucket": bucket.ErrNotFound} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newShop()
				failing := s.failWith(failure)
				failing.Store(true)
				d := s.open("a", nil)
				d.offer("x")
				time.Sleep(5 * time.Minute)
				if status := d.exporter.Status(); status.PendingHash != "x" || status.Failures < 5 || !strings.Contains(status.LastError, failure.Error()) {
					t.Errorf("status %+v", status)
				}
				failing.Store(false)
				time.Sleep(time.Minute)
				if got := nameOf(s.snapshot(t).Body); got != "x" {
					t.Errorf("the store holds %q", got)
				}
				if status := d.exporter.Status(); status.Role != Leader || status.LastError != "" || status.Failures != 0 {
					t.Errorf("status %+v", status)
				}
				d.close(t)
				if lines := d.log.lines("level=ERROR"); len(lines) != 1 || !strings.Contains(lines[0], failure.Error()) {
					t.Errorf("errors %q", lines)
				}
			})
		})
	}
}

// busy is a store's answer that asks for time.
func busy(after time.Duration) error {
	return fmt.Errorf("%w: SlowDown: %w", bucket.ErrUnavailable, bucket.BusyError{After: after})
}

func TestStoreFaults(t *testing.T) {
	t.Parallel()
	first := func(err error) func(*shop) {
		return func(s *shop) {
			s.fail = func(attempt int) error {
				if attempt == 1 {
					return fmt.Errorf("put s3://bucket/%s: %w", testKey, err)
				}
				return nil
			}
		}
	}
	tests := map[string]struct {
		trouble  func(*shop)
		within   time.Duration // the change is in the store
		notTill  time.Duration // and no attempt before
		uploaded int           // times
		quiet    bool          // no error line
	}{
		"none":             {trouble: func(*shop) {}, uploaded: 1, quiet: true},
		"denied":           {trouble: first(bucket.ErrDenied), within: time.Second, notTill: 250 * time.Millisecond, uploaded: 1},
		"503":              {trouble: first(bucket.ErrUnavailable), within: time.Second, notTill: 250 * time.Millisecond, uploaded: 1},
		"503, Retry-After": {trouble: first(busy(20 * time.Second)), within: 21 * time.Second, notTill: 20 * time.Second, uploaded: 1},
		"Retry-After of a year": {trouble: first(busy(365 * 24 * time.Hour)), within: 6 * time.Minute,
			notTill: 5 * time.Minute, uploaded: 1},
		"lost answer": {trouble: func(s *shop) {
			s.lose = func(attempt int) error { return map[int]error{1: errors.New("EOF")}[attempt] }
		}, within: time.Second, uploaded: 1},
		"hangs": {trouble: func(s *shop) {
			hung := 0
			s.hang = func(c buckettest.Call) bool {
				if isUpload(c) {
					hung++
				}
				return isUpload(c) && hung == 1
			}
		}, within: 32 * time.Second, notTill: 0, uploaded: 1},
		"conflict": {trouble: first(bucket.ErrConflict), within: time.Second, uploaded: 1, quiet: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newShop()
				test.trouble(s)
				d := s.open("a", func(o *ExporterOptions) { o.Lease = time.Hour }) // it has not to be renewed meanwhile
				d.offer("x")
				time.Sleep(test.within)
				synctest.Wait()
				if stored := s.uploads(); len(stored) != test.uploaded || nameOf(s.snapshot(t).Body) != "x" {
					t.Errorf("stored %v", stored)
				}
				if tries := s.attempts(); len(tries) > 1 && tries[1] < test.notTill {
					t.Errorf("attempts at %v", tries)
				}
				status := d.exporter.Status()
				if status.ExportedHash != "x" || status.Failures != 0 || status.LastError != "" || status.PendingHash != "" {
					t.Errorf("status %+v", status)
				}
				d.close(t)
				if lines := d.log.lines("level=ERROR"); (len(lines) == 0) != test.quiet || len(lines) > 1 {
					t.Errorf("errors %q", lines)
				} else if len(lines) == 1 && !strings.Contains(lines[0], testKey) {
					t.Errorf("the line does not name the object: %q", lines)
				}
			})
		})
	}
}

// A store that does not encrypt although it was asked to has the snapshot all the
// same. It is said, and not hidden by the next look.
func TestASnapshotThatIsNotEncryptedAsAsked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop()
		s.lose = func(int) error { return fmt.Errorf("put: %w", bucket.ErrNotEncrypted) }
		d := s.open("a", nil)
		d.offer("x")
		time.Sleep(time.Minute)
		status := d.exporter.Status()
		if status.ExportedHash != "x" || !strings.Contains(status.LastError, bucket.ErrNotEncrypted.Error()) {
			t.Errorf("status %+v", status)
		}
		if lines := d.log.lines("but not as asked"); len(lines) != 1 {
			t.Errorf("log %s", d.log.String())
		}
		d.close(t)
	})
}

// A snapshot that nodes set up alike refuse for its size is written, and that is said.
func TestASnapshotThatIsTooLargeToImport(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop()
		d := s.open("a", func(o *ExporterOptions) { o.MaxBytes = 100 })
		d.offer("x")
		time.Sleep(time.Minute)
		if status := d.exporter.Status(); status.ExportedHash != "x" || !strings.Contains(status.LastError, "blackout_fallback_max_size") {
			t.Errorf("status %+v", status)
		}
		if lines := d.log.lines("but not as asked"); len(lines) != 1 {
			t.Errorf("log %s", d.log.String())
		}
		d.close(t)
	})
}
