// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"crypto/sha256"
	"sync"
	"time"
)

// Counters count requests in windows, for policy local: per node, in memory.
// They belong to the data plane, not to a configuration, so that a reload does
// not give everybody a fresh quota. Their memory is bounded, as Kong's is (a
// shared dictionary of 12 MiB), because clients choose what they are told apart
// by: when there are too many windows, some are forgotten.
type Counters struct {
	shards [16]shard
}

type shard struct {
	mu      sync.Mutex
	counts  map[window]*count
	cleaned time.Time
}

const (
	shardLimit = 8 << 10 // windows in a shard
	keyLimit   = 128     // bytes of a key; longer ones are kept as their hash
)

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
	if len(key) > keyLimit {
		hash := sha256.Sum256([]byte(key))
		key = string(hash[:])
	}
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
			s.makeRoom(now)
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

// makeRoom sees to it that there is room for a window.
func (s *shard) makeRoom(now time.Time) {
	if len(s.counts) < shardLimit {
		return
	}
	s.forgetPassed(now)
	for at := range s.counts {
		if len(s.counts) < shardLimit*7/8 {
			return
		}
		delete(s.counts, at)
	}
}

// clean forgets windows that have passed, now and then.
func (s *shard) clean(now time.Time) {
	if now.Sub(s.cleaned) < time.Minute && !now.Before(s.cleaned) {
		return
	}
	s.cleaned = now
	s.forgetPassed(now)
}

func (s *shard) forgetPassed(now time.Time) {
	for at, counted := range s.counts {
		if now.After(counted.ends) {
			delete(s.counts, at)
		}
	}
}
