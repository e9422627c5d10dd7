// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Time in these tests is a synctest bubble's: a sleep moves its clock, and nobody waits.

package fallback

import (
	"testing"
	"testing/synctest"
	"time"

	"blackout/internal/fallback/bucket"
	"blackout/internal/fallback/election"
)

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
