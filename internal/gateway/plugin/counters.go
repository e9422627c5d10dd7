// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"sync"
	"time"
)

// Counters count requests in windows, for policy local: per node, in memory.
// They belong to the data plane, not to a configuration, so that a reload does
// not give everybody a fresh quota.
type Counters struct {
	shards [16]shard
}

type shard struct {
	mu      sync.Mutex
	counts  map[window]*count
	cleaned time.Time
}

// window is one count: of whom, how long and since when.
type window struct {
	key    string
	period int
	start  int64 // Unix seconds
}

type count struct {
	used int
	ends time.Time
}

// NewCounters returns counters at zero.
func NewCounters() *Counters {
	c := &Counters{}
	for i := range c.shards {
		c.shards[i].counts = map[window]*count{}
	}
	return c
}

// shard finds the part in which everything of one key is counted (FNV-1a).
func (c *Counters) shard(key string) *shard {
	hash := uint32(2166136261)
	for i := range len(key) {
		hash = (hash ^ uint32(key[i])) * 16777619
	}
	return &c.shards[hash%uint32(len(c.shards))]
}

// take counts a request in every window, unless one of them is full already.
// It returns what was used before.
func (c *Counters) take(key string, limits []limit, now time.Time) (used []int, full bool) {
	s := c.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clean(now)
	used = make([]int, len(limits))
	counts := make([]*count, len(limits))
	for i, l := range limits {
		start, end := l.bounds(now)
		at := window{key, l.period, start.Unix()}
		if counts[i] = s.counts[at]; counts[i] == nil {
			counts[i] = &count{ends: end}
			s.counts[at] = counts[i]
		}
		used[i] = counts[i].used
		full = full || used[i] >= l.requests
	}
	if full {
		return used, true
	}
	for _, counted := range counts {
		counted.used++
	}
	return used, false
}

// clean forgets windows that have passed, now and then.
func (s *shard) clean(now time.Time) {
	if now.Sub(s.cleaned) < time.Minute && !now.Before(s.cleaned) {
		return
	}
	s.cleaned = now
	for at, counted := range s.counts {
		if now.After(counted.ends) {
			delete(s.counts, at)
		}
	}
}
