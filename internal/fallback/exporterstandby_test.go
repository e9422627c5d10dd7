// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Time in these tests is a synctest bubble's: a sleep moves its clock, and nobody waits.

package fallback

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
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
