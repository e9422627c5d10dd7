// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Time in these tests is a synctest bubble's: a sleep moves its clock, and nobody waits.

package fallback

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A snapshot that is large may take the longer to upload: else behind a slow line it
// would be given up and begun anew for ever.
func TestALargeSnapshotMayTakeLonger(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		size   int // bytes
		took   time.Duration
		stored bool
	}{
		"small":             {1, 31 * time.Second, false},
		"large":             {10 << 20, 39 * time.Second, true},
		"large, and slower": {10 << 20, 42 * time.Second, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newShop()
				s.took = test.took
				d := s.open("a", nil)
				d.offer("a" + strings.Repeat("x", test.size))
				time.Sleep(time.Hour)
				if stored := len(s.uploads()) > 0; stored != test.stored {
					t.Errorf("stored: %v in %d attempts", stored, len(s.attempts()))
				}
				d.stop()
				if err := <-d.ended; (err == nil) != test.stored {
					t.Errorf("run: %v", err)
				}
			})
		})
	}
}
