// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestCountersAreBounded covers clients that make up ever new names: windows and
// keys stay within their limits, and the count of who asks goes on.
func TestCountersAreBounded(t *testing.T) {
	t.Parallel()
	c, now, limits := NewCounters(), time.Date(2026, 5, 17, 12, 30, 30, 0, time.UTC), []limit{{5, 1}}
	for i := range 2 * len(c.shards) * shardLimit {
		c.take(strconv.Itoa(i), limits, now)
	}
	long := strings.Repeat("x", 8<<10)
	if _, full := c.take(long, limits, now); full {
		t.Error("a first request is refused")
	}
	if _, full := c.take(long, limits, now); !full {
		t.Error("a second request is let through")
	}
	for i := range c.shards {
		if n := len(c.shards[i].counts); n > shardLimit {
			t.Errorf("shard %d holds %d windows, more than %d", i, n, shardLimit)
		}
		for at := range c.shards[i].counts {
			if len(at.key) > keyLimit {
				t.Errorf("a key of %d bytes is kept", len(at.key))
			}
		}
	}
}
