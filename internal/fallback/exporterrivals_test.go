// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Time in these tests is a synctest bubble's: a sleep moves its clock, and nobody waits.

package fallback

import (
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"blackout/internal/fallback/bucket/buckettest"
)

// Two nodes that were given one id, as by a copied prefix, tell each other from their
// own earlier lives: neither replaces what the other wrote by what it got before.
func TestTwoNodesOfOneID(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop()
		first := s.open("a", nil)
		first.offer("old")
		second := s.open("a", func(o *ExporterOptions) { o.Seed = 2 }) // it takes the lease for its own
		second.offer("old")
		time.Sleep(time.Minute)
		second.offer("new")
		second.exporter.Online(false)
		first.name.Store("new")      // the control plane has it, and did not send it yet
		time.Sleep(3 * DefaultLease) // the first takes over
		if got := nameOf(s.snapshot(t).Body); got != "new" {
			t.Errorf("the store holds %q", got)
		}
		if status := first.exporter.Status(); status.Role != Leader || status.ExportedHash != "new" {
			t.Errorf("status %+v", status)
		}
		if lines := first.log.lines("level=WARN"); len(lines) != 2 || !strings.Contains(lines[1], "this node's id") {
			t.Errorf("warned %q", lines)
		}
		first.close(t)
		second.close(t)
	})
}

// A leader that cannot renew its lease is none once that has run out, and is one again
// when it has renewed it.
func TestALeaderWhoseLeaseRanOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop()
		var hangs atomic.Bool
		s.hang = func(buckettest.Call) bool { return hangs.Load() }
		d := s.open("a", nil)
		d.offer("x")
		hangs.Store(true)
		d.offer("y")
		time.Sleep(10 * time.Minute)
		if status := d.exporter.Status(); status.Role != Standby || status.LeaderID != "" || status.PendingHash != "y" || status.Failures == 0 {
			t.Errorf("status %+v", status)
		}
		hangs.Store(false)
		time.Sleep(time.Minute)
		if status := d.exporter.Status(); status.Role != Leader || status.LeaderID != "a" || status.ExportedHash != "y" || status.Takeovers != 1 {
			t.Errorf("status %+v", status)
		}
		if lines := d.log.lines("leads"); len(lines) != 1 {
			t.Errorf("it tells %q", lines)
		}
		d.close(t)
	})
}

// What the leader is to write is not pending at another backup node's end, also if the
// store hangs at that moment.
func TestABackupNodeThatStandsByEndsWhileTheStoreHangs(t *testing.T) {
	t.Parallel()
	for tenths := range time.Duration(80) {
		synctest.Test(t, func(t *testing.T) {
			s := newShop()
			var hangs atomic.Bool
			s.hang = func(buckettest.Call) bool { return hangs.Load() }
			leader := s.open("a", nil)
			leader.offer("x")
			d := s.open("b", func(o *ExporterOptions) { o.Seed = 2 })
			d.offer("x")
			time.Sleep(time.Minute)
			hangs.Store(true)
			time.Sleep(tenths * 100 * time.Millisecond)
			d.close(t)
			hangs.Store(false)
			leader.close(t)
		})
	}
}

// Without an election two backup nodes with unlike configurations overwrite each other:
// each tells who the other is.
func TestTwoNodesWithoutAnElectionTellOfEachOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop()
		alone := func(o *ExporterOptions) { o.Alone = true }
		first := s.open("a", alone)
		first.offer("x")
		second := s.open("b", alone)
		second.offer("y")
		time.Sleep(10 * time.Minute)
		if lines := first.log.lines("does not lead"); len(lines) == 0 || !strings.Contains(lines[0], "writer=b") {
			t.Errorf("it tells %q", first.log.String())
		}
		first.close(t)
		second.close(t)
	})
}
