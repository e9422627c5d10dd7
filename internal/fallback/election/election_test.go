// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package election_test

import (
	"flag"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
)

var (
	firstSeed = flag.Uint64("election.seed", 1, "the first schedule's seed")
	schedules = flag.Int("election.schedules", 0, "how many schedules to run; 0: 100 000, or 4 000 with the race detector")
)

// settings are the schedules that must hold, by their share.
var settings = []ways{{}, {expire: true}, {twins: true}, {foreign: true}}

// TestSchedules runs seeded schedules. One that fails is told with its story;
// -election.seed=N -election.schedules=1 runs it alone.
func TestSchedules(t *testing.T) {
	t.Parallel()
	count := *schedules
	if count == 0 {
		if count = 100_000; raceDetector {
			count = 4_000
		}
	}
	var next atomic.Uint64
	next.Store(*firstSeed)
	end := *firstSeed + uint64(count)
	var failed sync.Map
	var all sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			for seed := next.Add(1) - 1; seed < end; seed = next.Add(1) - 1 {
				if broken := check(seed, settings[seed%uint64(len(settings))]); broken != nil {
					failed.Store(seed, broken)
				}
			}
		})
	}
	all.Wait()
	told := 0
	failed.Range(func(seed, broken any) bool {
		t.Errorf("-election.seed=%d -election.schedules=1: %q", seed, broken)
		if told++; told == 1 {
			seed := seed.(uint64)
			t.Log(explain(seed, settings[seed%uint64(len(settings))]))
		}
		return told < 10
	})
	t.Logf("%d schedules from seed %d", count, *firstSeed)
}

// TestSchedulesFindDefects: what cannot fail shows nothing.
func TestSchedulesFindDefects(t *testing.T) {
	t.Parallel()
	for name, w := range map[string]ways{
		"snapshot without condition": {bareSnapshot: true},
		"lease without condition":    {bareLease: true},
		"epoch not in the bytes":     {sameBytes: true},
		"no marks":                   {noMarks: true},
		"epoch of the snapshot lost": {noFloor: true, expire: true},
		"control plane is deaf":      {deafPlane: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(5_000) {
				if broken := check(seed, w); broken != nil {
					t.Logf("found by seed %d: %q", seed, broken)
					return
				}
			}
			t.Error("5 000 schedules do not find it")
		})
	}
}
