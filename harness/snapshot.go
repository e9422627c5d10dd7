// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"

	"blackout/fixtures"
)

// snapshotGeneration reads the object as an independent reader and finds the
// generation in it.
func (c *Cluster) snapshotGeneration(ctx context.Context) (int, error) {
	object, err := c.firstStore().ReadObject(ctx, bucket, snapshotKey())
	if err != nil {
		return 0, err
	}
	return fixtures.TableGeneration(object.Body)
}
