// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Time in these tests is a synctest bubble's: a sleep moves its clock, and nobody waits.

package fallback

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"blackout/internal/fallback/bucket"
	"blackout/internal/fallback/bucket/buckettest"
)

// An exporter that is stopped just after a long outage of the store does not sit out
// the wait that the outage led to, which is longer than the time that it has left.
func TestExporterTriesOnceMoreAtTheEnd(t *testing.T) {
	t.Parallel()
	failures := map[string]error{
		"unavailable": fmt.Errorf("put: %w", bucket.ErrUnavailable),
		"busy":        fmt.Errorf("put: %w: %w", bucket.ErrUnavailable, bucket.BusyError{After: 5 * time.Minute}),
		"denied":      fmt.Errorf("put: %w", bucket.ErrDenied),
	}
	affected := map[string]func(key string) bool{
		"everything": func(string) bool { return true },
		"snapshot":   func(key string) bool { return key == testKey },
		"lease":      func(key string) bool { return key == leaseKey },
	}
	for name, failure := range failures {
		for what, concerns := range affected {
			t.Run(what+" "+name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					s := newShop()
					var down atomic.Bool
					s.Before = func(ctx context.Context, call buckettest.Call) error {
						if down.Load() && concerns(call.Key) {
							return failure
						}
						return s.before(ctx, call)
					}
					d := s.open("a", nil)
					d.offer("a")
					down.Store(true)
					time.Sleep(2 * time.Minute) // the lease runs out, if it cannot be kept
					d.offer("b")
					time.Sleep(10 * time.Minute)
					down.Store(false)
					d.close(t)
					if object, err := s.Get(t.Context(), testKey, 1000); err != nil || nameOf(object.Body) != "b" {
						t.Errorf("the store holds %s, %v, want b", object.Body, err)
					}
				})
			})
		}
	}
}
