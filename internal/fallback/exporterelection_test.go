// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Time in these tests is a synctest bubble's: a sleep moves its clock, and nobody waits.

package fallback

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"blackout/internal/fallback/bucket"
	"blackout/internal/fallback/bucket/buckettest"
	"blackout/internal/fallback/election"
)

// put writes an object as somebody else does.
func (s *shop) put(t *testing.T, key, body string, metadata map[string]string) {
	t.Helper()
	if _, err := s.Put(t.Context(), key, []byte(body), bucket.PutOptions{Metadata: metadata}); err != nil {
		t.Fatal(err)
	}
}

// forget forgets the uploads so far.
func (s *shop) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stored, s.tries = nil, nil
}

func (s *shop) snapshot(t *testing.T) bucket.Object {
	t.Helper()
	object, err := s.Get(t.Context(), testKey, DefaultMaxBytes)
	if err != nil {
		t.Fatal(err)
	}
	return object
}

func TestSnapshotTellsOfItsWriter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop()
		d := s.open("id-1", nil)
		d.exporter.Offer([]byte(`{"_comment":"old","_format_version":"3.0","services":[{"name":"a"}]}`), "a", 0)
		synctest.Wait()
		object := s.snapshot(t)
		noted, life, sum := ReadBookkeeping(object.Info), d.exporter.life, sha256.Sum256(object.Body)
		want := `{"_comment":"blackout epoch=1.1 exporter=id-1 life=` + life + `","_format_version":"3.0","services":[{"name":"a"}]}`
		if string(object.Body) != want {
			t.Errorf("body %s, want %s", object.Body, want)
		}
		if noted.Hash != "a" || noted.Exporter != "id-1" || noted.Life != life || noted.Epoch != (election.Epoch{Term: 1, Write: 1}) ||
			!noted.Time.Equal(s.start) || noted.SHA256 != hex.EncodeToString(sum[:]) {
			t.Errorf("noted %+v", noted)
		}
		if again := readComment(object.Body); again.Epoch != noted.Epoch || again.Exporter != "id-1" || again.Life != life {
			t.Errorf("the comment reads %+v", again)
		}
		status := d.exporter.Status()
		if status.Role != Leader || status.LeaderID != "id-1" || status.LeaderName != "name-of-id-1" || status.Takeovers != 1 ||
			status.ExportedVersion != object.Version || status.Epoch != noted.Epoch {
			t.Errorf("status %+v", status)
		}
		d.close(t)
	})
}

func TestExporterStartsAgain(t *testing.T) {
	t.Parallel()
	for name, ids := range map[string][2]string{"with its id": {"a", "a"}, "with another, as a control plane does": {"a", "b"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newShop()
				d := s.open(ids[0], nil)
				d.offer("x")
				d.close(t)
				d = s.open(ids[1], nil)
				d.offer("x")
				time.Sleep(time.Minute)
				s.expect(t, "0:x") // the content is the same: no upload
				if status := d.exporter.Status(); status.ExportedHash != "x" || status.PendingHash != "" || status.Role != Leader {
					t.Errorf("status %+v", status)
				}
				d.offer("y")
				s.expect(t, "0:x", "60:y")
				if epoch := ReadBookkeeping(s.snapshot(t).Info).Epoch; epoch.Term < 2 {
					t.Errorf("epoch %s in the second life", epoch)
				}
				d.close(t)
			})
		})
	}
}

// TestTwoKindsOfExporters is what Kong's documentation warns against: control plane
// and data plane both export.
func TestTwoKindsOfExporters(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop()
		dp := s.open("dp", func(o *ExporterOptions) { o.Role = "data_plane" })
		cp := s.open("cp", func(o *ExporterOptions) { o.Role = "control_plane" })
		want := []string{}
		for i := range 10 {
			name := fmt.Sprint("g", i)
			dp.offer(name)
			cp.offer(name)
			want = append(want, fmt.Sprintf("%d:%s", i*60, name))
			time.Sleep(time.Minute)
		}
		s.expect(t, want...) // each of them once
		warned, silent := cp, dp
		if cp.exporter.Status().Role == Leader {
			warned, silent = dp, cp
		}
		leader := silent.exporter.options
		lines := warned.log.lines("level=WARN")
		if len(lines) != 1 || !strings.Contains(lines[0], "leader="+leader.NodeID) || !strings.Contains(lines[0], "leader_role="+leader.Role) {
			t.Errorf("who stands by warns %q", lines)
		}
		if lines := silent.log.lines("level=WARN"); len(lines) > 0 {
			t.Errorf("who leads warns %q", lines)
		}
		status := warned.exporter.Status()
		if status.Role != Standby || status.LeaderID != leader.NodeID || status.LeaderName != leader.Name || status.PendingHash != "" || !status.PendingSince.IsZero() {
			t.Errorf("who stands by tells %+v", status)
		}
		cp.close(t)
		dp.close(t)
	})
}

func TestSeveralBackupNodesOfAKindAreNoReasonToWarn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop()
		var all []*desk
		for _, id := range []string{"a", "b", "c"} {
			d := s.open(id, func(o *ExporterOptions) { o.Role = "data_plane" })
			d.offer("x")
			all = append(all, d)
		}
		time.Sleep(time.Hour)
		s.expect(t, "0:x")
		for _, d := range all {
			d.close(t)
			if lines := d.log.lines("level=WARN"); len(lines) > 0 {
				t.Errorf("%q", lines)
			}
		}
	})
}

// through is a store as one node sees it, until the node is cut off.
type through struct {
	bucket.Bucket
	cut func() bool
}

func (c through) Put(ctx context.Context, key string, body []byte, o bucket.PutOptions) (string, error) {
	if c.cut() {
		<-ctx.Done()
		return "", ctx.Err()
	}
	return c.Bucket.Put(ctx, key, body, o)
}

func (c through) Get(ctx context.Context, key string, limit int64) (bucket.Object, error) {
	if c.cut() {
		<-ctx.Done()
		return bucket.Object{}, ctx.Err()
	}
	return c.Bucket.Get(ctx, key, limit)
}

func (c through) Head(ctx context.Context, key string) (bucket.Info, error) {
	if c.cut() {
		<-ctx.Done()
		return bucket.Info{}, ctx.Err()
	}
	return c.Bucket.Head(ctx, key)
}

func TestAnotherTakesOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var isCut atomic.Bool
		s := newShop()
		first := s.open("a", func(o *ExporterOptions) { o.Bucket = through{s, isCut.Load} })
		first.offer("x")
		second := s.open("b", func(o *ExporterOptions) { o.Seed = 2 })
		second.offer("x")
		time.Sleep(time.Minute)
		isCut.Store(true)
		first.offer("y")
		second.offer("y")
		time.Sleep(2 * DefaultLease)
		if stored := s.uploads(); len(stored) != 2 || !strings.HasSuffix(stored[1], ":y") {
			t.Errorf("stored %v: the second did not take over", stored)
		}
		if n := second.refreshes.Load(); n != 1 {
			t.Errorf("the second asked its control plane %d times before it replaced what another wrote", n)
		}
		second.offer("z")
		isCut.Store(false) // and the first still means to write y
		time.Sleep(2 * time.Minute)
		if got := nameOf(s.snapshot(t).Body); got != "z" || len(s.uploads()) != 3 {
			t.Errorf("the store holds %s after %v", got, s.uploads())
		}
		if status := first.exporter.Status(); status.Role != Standby || status.LeaderID != "b" {
			t.Errorf("the first tells %+v", status)
		}
		if lines := first.log.lines("leads no more"); len(lines) != 1 {
			t.Errorf("the first tells %q", lines)
		}
		first.close(t)
		second.close(t)
	})
}

// late is a shop as one node sees it: what the node uploads arrives when it is
// told, also after the node has given it up.
type late struct {
	*shop
	arrive <-chan struct{}
	ended  chan error
}

func (l late) Put(ctx context.Context, key string, body []byte, o bucket.PutOptions) (string, error) {
	if key != testKey || nameOf(body) != "late" {
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
						o.Bucket = through{late{s, arrive, ended}, isCut.Load}
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
		var gone atomic.Bool
		s := newShop()
		s.Before = func(context.Context, buckettest.Call) error {
			if gone.Load() {
				return fmt.Errorf("the bucket: %w", bucket.ErrNotFound)
			}
			return nil
		}
		s.After = nil
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

func TestALeaderThatEndsIsReplacedAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop()
		first, second := s.open("a", nil), s.open("b", func(o *ExporterOptions) { o.Seed = 2 })
		first.offer("x")
		second.offer("x")
		time.Sleep(time.Minute)
		first.close(t)
		second.offer("y")
		time.Sleep(DefaultLease / 2) // it looks more often than that
		if got := nameOf(s.snapshot(t).Body); got != "y" {
			t.Errorf("the store holds %s", got)
		}
		second.close(t)
	})
}

// heedless is a store without conditional writes: it ignores the conditions, or
// refuses what has one.
type heedless struct {
	*shop
	refuse error
}

func (h heedless) Put(ctx context.Context, key string, body []byte, o bucket.PutOptions) (string, error) {
	_, versioned := o.If.Version()
	if h.refuse != nil && (o.If.Absent() || versioned) {
		return "", h.refuse
	}
	o.If = bucket.Condition{}
	return h.shop.Put(ctx, key, body, o)
}

// halfHeedless knows one of the conditions only.
type halfHeedless struct{ *shop }

func (h halfHeedless) Put(ctx context.Context, key string, body []byte, o bucket.PutOptions) (string, error) {
	if _, versioned := o.If.Version(); versioned {
		o.If = bucket.Condition{}
	}
	return h.shop.Put(ctx, key, body, o)
}

func TestWithoutConditionsThereIsNoElection(t *testing.T) {
	t.Parallel()
	tests := map[string]func(*shop, *ExporterOptions){
		"ignored":      func(s *shop, o *ExporterOptions) { o.Bucket = heedless{s, nil} },
		"one ignored":  func(s *shop, o *ExporterOptions) { o.Bucket = halfHeedless{s} },
		"refused":      func(s *shop, o *ExporterOptions) { o.Bucket = heedless{s, errors.New("not implemented")} },
		"switched off": func(_ *shop, o *ExporterOptions) { o.Alone = true },
	}
	for name, without := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newShop()
				d := s.open("a", func(o *ExporterOptions) { without(s, o) })
				for i := range 3 {
					d.offer(fmt.Sprint(i))
					time.Sleep(time.Minute)
				}
				if stored := s.uploads(); len(stored) != 3 {
					t.Errorf("stored %v", stored)
				}
				if status := d.exporter.Status(); status.Role != Alone || status.LeaderID != "a" || status.ExportedHash != "2" {
					t.Errorf("status %+v", status)
				}
				if lines := d.log.lines("level=WARN"); len(lines) != 1 || !strings.Contains(lines[0], "only one backup node may be used") {
					t.Errorf("warned %q", lines)
				}
				if n := s.count("put " + leaseKey); n > 0 {
					t.Errorf("%d leases were written", n)
				}
				d.close(t)
			})
		})
	}
}

func TestAStoreThatCannotBeAskedForConditionsIsAskedAgain(t *testing.T) {
	t.Parallel()
	for name, failure := range map[string]error{"denied": bucket.ErrDenied, "unavailable": bucket.ErrUnavailable, "no bucket": bucket.ErrNotFound} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var failing atomic.Bool
				failing.Store(true)
				s := newShop()
				s.Before = func(context.Context, buckettest.Call) error {
					if failing.Load() {
						return fmt.Errorf("put: %w", failure)
					}
					return nil
				}
				s.After = nil
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

// What a real Kong node wrote has no metadata of ours: the content tells.
func TestASnapshotOfAnotherGateway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop()
		s.put(t, testKey, string(tableOf("x")), nil)
		s.forget()
		d := s.open("a", nil)
		d.offer("x")
		time.Sleep(time.Hour)
		s.expect(t)
		if n := s.count("get " + testKey); n != 1 {
			t.Errorf("it was read %d times", n)
		}
		if status := d.exporter.Status(); status.ExportedHash != "x" || status.PendingHash != "" {
			t.Errorf("status %+v", status)
		}
		s.fail = func(attempt int) error {
			if attempt == 1 {
				return bucket.ErrUnavailable // so that it is looked at once more
			}
			return nil
		}
		d.offer("y")
		time.Sleep(time.Second)
		if n := s.count("get " + testKey); n != 1 {
			t.Errorf("the same version was read %d times", n)
		}
		if got := nameOf(s.snapshot(t).Body); got != "y" {
			t.Errorf("the store holds %q", got)
		}
		d.close(t)
	})
}

// A copy of the object that lost its metadata still tells its epoch.
func TestASnapshotWithoutItsMetadata(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop()
		noted := Bookkeeping{Epoch: election.Epoch{Term: 41, Write: 7}, Exporter: "b", Life: "l"}
		s.put(t, testKey, `{"_comment":"`+noted.comment()+`","services":[{"name":"x"}]}`, nil)
		s.forget()
		d := s.open("a", nil)
		d.offer("y")
		if got := ReadBookkeeping(s.snapshot(t).Info); got.Epoch.Term != 42 || got.Hash != "y" {
			t.Errorf("noted %+v", got)
		}
		d.close(t)
	})
}

func TestASnapshotThatIsGarbageIsReplaced(t *testing.T) {
	t.Parallel()
	for name, garbage := range map[string]string{"empty": "", "no JSON": "<html>", "cut gzip": "\x1f\x8b"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newShop()
				s.put(t, testKey, garbage, nil)
				s.put(t, leaseKey, garbage, nil)
				d := s.open("a", nil)
				d.offer("x")
				time.Sleep(2 * DefaultLease)
				if got := nameOf(s.snapshot(t).Body); got != "x" {
					t.Errorf("the store holds %q", got)
				}
				d.close(t)
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

// A leader without its control plane has nothing to lead.
func TestALeaderWithoutItsControlPlaneLetsGo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop()
		first, second := s.open("a", nil), s.open("b", func(o *ExporterOptions) { o.Seed = 2 })
		first.offer("x")
		second.offer("x")
		first.exporter.Online(false)
		time.Sleep(3 * DefaultLease)
		if status := second.exporter.Status(); status.Role != Leader {
			t.Errorf("the other tells %+v", status)
		}
		if lines := first.log.lines("let its lease go"); len(lines) != 1 {
			t.Errorf("it tells %q", lines)
		}
		first.close(t)
		second.exporter.Online(false)
		second.offer("y")
		time.Sleep(DefaultLease) // what was offered while it led is written
		second.offer("z")
		time.Sleep(2 * DefaultLease)
		// Nobody leads, so what waits was not for somebody else to write.
		if status := second.exporter.Status(); status.Role != Standby || status.LeaderID != "" || status.PendingHash != "" || status.ExportedHash != "z" {
			t.Errorf("status %+v", status)
		}
		second.close(t)
	})
}

// sorted tells apart what an operator's wishes for the snapshot are for.
type sorted struct {
	*shop
	wrong atomic.Int64
}

func (c *sorted) Put(ctx context.Context, key string, body []byte, o bucket.PutOptions) (string, error) {
	if o.Transient == (key == testKey) {
		c.wrong.Add(1)
	}
	return c.shop.Put(ctx, key, body, o)
}

func TestOnlyTheSnapshotIsKeptAsTheOperatorAsks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &sorted{shop: newShop()}
		d := s.open("a", func(o *ExporterOptions) { o.Bucket = s })
		d.offer("x")
		time.Sleep(DefaultLease)
		d.close(t)
		if n := s.wrong.Load(); n > 0 {
			t.Errorf("%d writes are of the wrong kind", n)
		}
	})
}

func TestLeaseTellsOfItsHolder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop()
		d := s.open("a", func(o *ExporterOptions) { o.Role = "data_plane" })
		d.offer("x")
		read := func() (lease leaseObject) {
			object, err := s.Get(t.Context(), leaseKey, maxLease)
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(object.Body, &lease); err != nil {
				t.Fatal(err)
			}
			return lease
		}
		if l := read(); l.ID != "a" || l.Name != "name-of-a" || l.Role != "data_plane" || l.Life != d.exporter.life || l.Term != 1 || l.Released {
			t.Errorf("lease %+v", l)
		}
		before := read().Beat
		time.Sleep(DefaultLease)
		if l := read(); l.Beat <= before {
			t.Errorf("it was not renewed: %+v", l)
		}
		d.close(t)
		if l := read(); !l.Released {
			t.Errorf("it was not released: %+v", l)
		}
	})
}

// Objects that a lifecycle rule removed do not set the epoch back.
func TestTheEpochOutlivesTheLease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop()
		var last election.Epoch
		for i := range 5 {
			d := s.open("a", nil)
			d.offer(fmt.Sprint(i % 2)) // there and back
			d.close(t)
			s.Delete(leaseKey, "p/1/election/probe.json")
			epoch := ReadBookkeeping(s.snapshot(t).Info).Epoch
			if epoch.Compare(last) <= 0 {
				t.Errorf("epoch %s after %s", epoch, last)
			}
			last = epoch
		}
	})
}
