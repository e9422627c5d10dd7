// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"fmt"

	"blackout/fixtures"
	"blackout/harness/history"
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

// plant replaces the object by a copy in another generation, without metadata:
// a node that reads the store again, and should not, would take it.
func (c *Cluster) plant(ctx context.Context, generation int) error {
	object, err := c.firstStore().ReadObject(ctx, bucket, snapshotKey())
	if err != nil {
		return fmt.Errorf("%w: %w", ErrEnvironment, err)
	}
	body, err := fixtures.TableAtGeneration(object.Body, generation)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnsteady, err)
	}
	if err := c.firstStore().PutObject(ctx, bucket, snapshotKey(), body); err != nil {
		return fmt.Errorf("%w: %w", ErrEnvironment, err)
	}
	c.rec.Event(history.Event{Kind: history.Planted, Generation: generation, Text: bucket + "/" + snapshotKey()})
	return nil
}
