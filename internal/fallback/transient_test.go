// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package fallback_test

import (
	"context"
	"sync/atomic"
	"testing"

	"blackout/internal/fallback/bucket/buckettest"
)

// TestOnlyTheSnapshotIsKept: what an operator asked of the snapshot's keeping, such
// as an object lock, goes with the snapshot and not with a lease.
func TestOnlyTheSnapshotIsKept(t *testing.T) {
	t.Parallel()
	var snapshots, leases atomic.Int64
	store := &buckettest.Memory{Before: func(_ context.Context, call buckettest.Call) error {
		if call.Kind != "put" {
			return nil
		}
		if call.Transient == (call.Key == exportKey) {
			t.Errorf("%s: transient %v", call.Key, call.Transient)
		}
		if call.Key == exportKey {
			snapshots.Add(1)
		} else {
			leases.Add(1)
		}
		return nil
	}}
	exportThrough(t, store, 2)
	if snapshots.Load() == 0 || leases.Load() == 0 {
		t.Errorf("%d snapshots and %d leases were written", snapshots.Load(), leases.Load())
	}
}
