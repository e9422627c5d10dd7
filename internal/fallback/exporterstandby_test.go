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

	"blackout/internal/fallback/election"
)

// A backup node that could not ask who leads does not stand by: perhaps nobody does.
func TestABackupNodeThatHasNotLearnedWhoLeads(t *testing.T) {
	t.Parallel()
	for name, key := range map[string]string{"nothing answers": "", "nothing tells of the lease": leaseKey} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var isCut atomic.Bool
				s := newShop()
				leader := s.open("a", nil)
				leader.offer("x")
				d := s.open("b", func(o *ExporterOptions) { o.Bucket = through{Bucket: s, cut: isCut.Load, key: key} })
				expect := func(want Role, leader string) {
					t.Helper()
					if status := d.exporter.Status(); status.Role != want || status.LeaderID != leader {
						t.Errorf("status %+v, want %s below %q", status, want, leader)
					}
				}
				expect(Unknown, "")
				isCut.Store(true)
				d.offer("x")
				time.Sleep(time.Minute)
				expect(Unknown, "")
				isCut.Store(false)
				time.Sleep(time.Minute)
				expect(Standby, "a")
				isCut.Store(true)
				time.Sleep(time.Minute)
				expect(Standby, "a") // as far as it knows
				isCut.Store(false)
				time.Sleep(time.Minute) // until nothing hangs any more
				d.close(t)
				leader.close(t)
			})
		})
	}
}

// What a backup node has not written at its end is told: who will write it, or that
// nobody is known to.
func TestWhatIsNotWrittenAtTheEndIsTold(t *testing.T) {
	t.Parallel()
	const left, dropped = "left to the backup node that leads", "none is known to lead"
	told := func(t *testing.T, d *desk, text, level string) {
		t.Helper()
		lines := append(d.log.lines(left), d.log.lines(dropped)...)
		if len(lines) != 1 || !strings.Contains(lines[0], text) || !strings.Contains(lines[0], level) || !strings.Contains(lines[0], "hash=y") {
			t.Errorf("it tells %q, want one %s that %s and names y", lines, level, text)
		}
	}
	t.Run("another leads", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := newShop()
			leader, d := s.open("a", nil), s.open("b", func(o *ExporterOptions) { o.Seed = 2 })
			leader.offer("x")
			d.offer("x")
			time.Sleep(time.Minute)
			d.offer("y")
			d.close(t)
			told(t, d, left, "level=INFO")
			if lines := d.log.lines("leader=a leader_name=name-of-a"); len(lines) == 0 || !strings.Contains(lines[len(lines)-1], left) {
				t.Errorf("it does not say who leads: %q", lines)
			}
			leader.close(t)
			if lines := leader.log.lines(left); len(lines) > 0 {
				t.Errorf("who wrote everything tells %q", lines)
			}
		})
	})
	t.Run("it was deposed", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := newShop()
			d := s.open("a", nil)
			d.offer("x")
			s.put(t, leaseKey, `{"id":"b","life":"l","name":"other","term":9,"beat":1}`, nil)
			time.Sleep(DefaultLease / 2)
			d.offer("y")
			if lines := d.log.lines("leads no more"); len(lines) != 1 {
				t.Errorf("it was not deposed: %s", d.log.String())
			}
			d.close(t)
			told(t, d, left, "level=INFO")
		})
	})
	t.Run("nobody leads", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := newShop()
			noted := Bookkeeping{Hash: "x", Epoch: election.Epoch{Term: 1, Write: 1}, Exporter: "c", Life: "l"}
			s.put(t, testKey, string(tableOf("x")), noted.metadata())
			d := s.open("a", nil)
			d.exporter.Online(false) // it cannot know which of the two is newer
			d.offer("y")
			time.Sleep(time.Hour)
			d.close(t)
			told(t, d, dropped, "level=WARN")
		})
	})
}
