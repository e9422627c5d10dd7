// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package traffic

import (
	"testing"
	"time"
)

// TestAlarmEnds when it is closed, whether it has gone off or not: close waits
// for the end.
func TestAlarmEnds(t *testing.T) {
	t.Parallel()
	for name, first := range map[string]time.Duration{"past": -time.Hour, "now": 0, "far away": time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, interval := range []time.Duration{time.Microsecond, time.Millisecond, time.Hour} {
				newAlarm(time.Now().Add(first), interval).close()
			}
		})
	}
}
