// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Time in these tests is a synctest bubble's: a sleep moves its clock, and nobody waits.

package fallback

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"blackout/internal/fallback/bucket"
	"blackout/internal/fallback/election"
)

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
	key string // of the only object that it is cut off from; empty: from all
}

// wait hangs while the node is cut off.
func (c through) wait(ctx context.Context, key string) error {
	if !c.cut() || c.key != "" && c.key != key {
		return nil
	}
	<-ctx.Done()
	return ctx.Err()
}

func (c through) Put(ctx context.Context, key string, body bucket.Body, o bucket.PutOptions) (string, error) {
	if err := c.wait(ctx, key); err != nil {
		return "", err
	}
	return c.Bucket.Put(ctx, key, body, o)
}

func (c through) Get(ctx context.Context, key string, limit int64) (bucket.Object, error) {
	if err := c.wait(ctx, key); err != nil {
		return bucket.Object{}, err
	}
	return c.Bucket.Get(ctx, key, limit)
}

func (c through) Head(ctx context.Context, key string) (bucket.Info, error) {
	if err := c.wait(ctx, key); err != nil {
		return bucket.Info{}, err
	}
	return c.Bucket.Head(ctx, key)
}

func TestAnotherTakesOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var isCut atomic.Bool
		s := newShop()
		first := s.open("a", func(o *ExporterOptions) { o.Bucket = through{Bucket: s, cut: isCut.Load} })
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
