// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Time in these tests is a synctest bubble's: a sleep moves its clock, and nobody waits.

package fallback

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"blackout/internal/fallback/bucket"
	"blackout/internal/fallback/bucket/buckettest"
)

// heedless is a store without conditional writes: it ignores the conditions, or
// refuses what has one.
type heedless struct {
	*shop
	refuse   error
	versions bool // it ignores only those that name a version
}

func (h heedless) Put(ctx context.Context, key string, body bucket.Body, o bucket.PutOptions) (string, error) {
	_, versioned := o.If.Version()
	if h.refuse != nil && (o.If.Absent() || versioned) {
		return "", h.refuse
	}
	if versioned || !h.versions {
		o.If = bucket.Condition{}
	}
	return h.shop.Put(ctx, key, body, o)
}

func TestWithoutConditionsThereIsNoElection(t *testing.T) {
	t.Parallel()
	tests := map[string]func(*shop, *ExporterOptions){
		"ignored":      func(s *shop, o *ExporterOptions) { o.Bucket = heedless{shop: s} },
		"one ignored":  func(s *shop, o *ExporterOptions) { o.Bucket = heedless{shop: s, versions: true} },
		"refused":      func(s *shop, o *ExporterOptions) { o.Bucket = heedless{shop: s, refuse: errors.New("not implemented")} },
		"switched off": func(_ *shop, o *ExporterOptions) { o.Alone = true },
	}
	for name, without := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newShop()
				d := s.open("a", func(o *ExporterOptions) { without(s, o) })
				for i := range 3 {
					d.offer(fmt.Sprint(i))
					time.Sleep(time.Minute)
				}
				if stored := s.uploads(); len(stored) != 3 {
					t.Errorf("stored %v", stored)
				}
				if status := d.exporter.Status(); status.Role != Alone || status.LeaderID != "a" || status.ExportedHash != "2" {
					t.Errorf("status %+v", status)
				}
				if lines := d.log.lines("level=WARN"); len(lines) != 1 || !strings.Contains(lines[0], "only one backup node may be used") {
					t.Errorf("warned %q", lines)
				}
				if n := s.count("put " + leaseKey); n > 0 {
					t.Errorf("%d leases were written", n)
				}
				d.close(t)
			})
		})
	}
}

// A store in a bad moment is none without conditions: several backup nodes that took it
// for one would write at once for as long as they live.
func TestAStoreThatFailsNowAndThenHasConditions(t *testing.T) {
	t.Parallel()
	for seed := range uint64(100) {
		synctest.Test(t, func(t *testing.T) {
			var mu sync.Mutex
			random := rand.New(rand.NewPCG(seed, 0))
			s := newShop()
			s.Before = func(context.Context, buckettest.Call) error {
				mu.Lock()
				defer mu.Unlock()
				if random.IntN(2) == 0 {
					return fmt.Errorf("put: %w", bucket.ErrUnavailable)
				}
				return nil
			}
			s.After = nil
			d := s.open("a", nil)
			d.offer("x")
			time.Sleep(10 * time.Minute)
			if status := d.exporter.Status(); status.Role == Alone {
				t.Errorf("seed %d: status %+v", seed, status)
			}
			d.stop()
			if err := <-d.ended; err != nil { // whether the last requests worked is another matter
				t.Logf("seed %d: %v", seed, err)
			}
		})
	}
}

// A store that fails at conditions always, with an error that says nothing, has none.
func TestAStoreThatAlwaysFailsAtConditionsHasNone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop()
		d := s.open("a", func(o *ExporterOptions) {
			o.Bucket = heedless{shop: s, refuse: fmt.Errorf("put: %w", bucket.ErrUnavailable)}
		})
		d.offer("x")
		time.Sleep(10 * time.Minute)
		if status := d.exporter.Status(); status.Role != Alone || status.ExportedHash != "x" {
			t.Errorf("status %+v", status)
		}
		d.close(t)
	})
}

// spoilt is a store of which something on the way changes the versions that it tells.
type spoilt struct{ *shop }

func (c spoilt) Put(ctx context.Context, key string, body bucket.Body, o bucket.PutOptions) (string, error) {
	if version, versioned := o.If.Version(); versioned {
		o.If = bucket.IfVersion("W/" + version)
	}
	return c.shop.Put(ctx, key, body, o)
}

func TestAStoreWhoseVersionsAreSpoiltIsTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop()
		d := s.open("a", func(o *ExporterOptions) { o.Bucket = spoilt{s} })
		d.offer("x")
		time.Sleep(time.Hour)
		if status := d.exporter.Status(); status.PendingHash != "x" || !strings.Contains(status.LastError, errVersionRefused.Error()) {
			t.Errorf("status %+v", status)
		}
		if lines := d.log.lines("level=ERROR"); len(lines) != 1 || !strings.Contains(lines[0], "blackout_fallback_election") {
			t.Errorf("errors %q", lines)
		}
		if n := len(s.Calls()); n > 1_500 {
			t.Errorf("%d requests in an hour", n)
		}
		s.expect(t)
		d.stop()
		if err := <-d.ended; err == nil {
			t.Error("what is pending at the end is not told")
		}
	})
}

// Other backup nodes that ask at the same time are no reason to do without an election.
func TestAskingForConditionsTogether(t *testing.T) {
	t.Parallel()
	store := &buckettest.Memory{}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			asked := probe{bucket: store, key: "probe.json"}
			for range 100 {
				honoured, err := asked.ask(t.Context())
				if err == nil && !honoured || errors.Is(err, errVersionRefused) {
					t.Errorf("honoured: %v, error: %v", honoured, err)
				}
			}
		})
	}
	all.Wait()
}

// The versions may be spoilt later, too: then a claim fails again and again.
func TestClaimsThatFailAreSpacedOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShop()
		conflict := func(call buckettest.Call) error {
			if _, versioned := call.If.Version(); versioned && call.Key == leaseKey {
				return fmt.Errorf("put: %w", bucket.ErrConflict)
			}
			return nil
		}
		s.Before = func(_ context.Context, call buckettest.Call) error { return conflict(call) }
		s.After = nil
		d := s.open("a", nil)
		d.offer("x")
		time.Sleep(time.Hour)
		if n := len(s.Calls()); n > 1_500 {
			t.Errorf("%d requests in an hour", n)
		}
		d.close(t)
	})
}
