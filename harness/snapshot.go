// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"

	"blackout/fixtures"
	"blackout/harness/store"
)

// snapshotGeneration reads the object as an independent reader and finds the
// generation in it.
func (c *Cluster) snapshotGeneration(ctx context.Context) (int, store.Object, error) {
	object, err := c.firstStore().ReadObject(ctx, bucket, snapshotKey())
	if err != nil {
		return 0, object, err
	}
	generation, err := fixtures.TableGeneration(object.Body)
	return generation, object, err
}
