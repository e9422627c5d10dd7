// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"errors"
	"fmt"
	"regexp"

	"blackout/fixtures"
	"blackout/harness/history"
	"blackout/harness/store"
	"blackout/harness/topology"
)

// Plant changes the object in the bucket behind everybody's back.
type Plant struct {
	Generation int `json:"generation"`

	// Version is the one under which the object is put; empty: that of the nodes.
	// Another version's object lies beside theirs, as an upgrade leaves one behind.
	Version string `json:"version,omitempty"`
}

// Name implements plan.Action.
func (Plant) Name() string { return "plant" }

// Title implements plan.Action.
func (a Plant) Title() string {
	if a.Version != "" {
		return fmt.Sprintf("plant generation %d in the bucket under version %s, which nobody may use", a.Generation, a.Version)
	}
	return fmt.Sprintf("plant generation %d in the bucket, which nobody may follow", a.Generation)
}

// versionPattern is what a version may be in an object's key.
var versionPattern = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z.+_-]{0,63}$`)

func (a Plant) check() error {
	if a.Version != "" && !versionPattern.MatchString(a.Version) {
		return fmt.Errorf("version %q: give it letters, digits, dots, hyphens, underscores and plus signs", a.Version)
	}
	return nil
}

// Do implements Action. The object is a copy of the snapshot in another generation,
// without metadata: a node that reads it, and should not, would take it.
func (a Plant) Do(ctx context.Context, c *Cluster) error {
	object, err := c.firstStore().ReadObject(ctx, bucket, snapshotKey())
	if err != nil {
		return fmt.Errorf("%w: %w", ErrEnvironment, err)
	}
	body, err := fixtures.TableAtGeneration(object.Body, a.Generation)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnsteady, err)
	}
	key := snapshotKey()
	if a.Version != "" {
		key = prefix + "/" + a.Version + snapshotName
	}
	if err := c.firstStore().PutObject(ctx, bucket, key, body); err != nil {
		return fmt.Errorf("%w: %w", ErrEnvironment, err)
	}
	c.rec.Event(history.Event{Kind: history.Planted, Generation: a.Generation, Text: bucket + "/" + key})
	return nil
}

// TryWrite tries to overwrite the snapshot with a reader's rights, at the front that the
// nodes use. The store must refuse it: what a reader's account does then, it does
// without the right to write. If it is taken, it is by the snapshot itself.
type TryWrite struct{}

// Name implements plan.Action.
func (TryWrite) Name() string { return "try-write" }

// Title implements plan.Action.
func (TryWrite) Title() string {
	return "try to overwrite the snapshot with a reader's account, which must be refused"
}

// Do implements Action.
func (TryWrite) Do(ctx context.Context, c *Cluster) error {
	at := c.topology.StoreNames()[0]
	object, err := c.store(at).ReadObject(ctx, bucket, snapshotKey())
	if err != nil {
		return fmt.Errorf("%w: %w", ErrEnvironment, err)
	}
	account, err := c.store(at).NewAccount(ctx, history.ReaderAccount, bucket, prefix, store.Read)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrEnvironment, err)
	}
	c.takeAccount(history.ReaderAccount, account)
	front, err := c.endpoint(ctx, topology.FrontOf(at), portS3)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrEnvironment, err)
	}
	reader, err := store.NewReader(store.Way{Address: front}, account, "")
	if err != nil {
		return fmt.Errorf("%w: %w", ErrEnvironment, err)
	}
	status, err := reader.Put(ctx, bucket, snapshotKey(), object.Body)
	if status == 0 {
		return fmt.Errorf("%w: the store did not answer: %w", ErrEnvironment, errors.Join(err, context.Cause(ctx)))
	}
	c.progress("  the store answered with status %d", status)
	return nil
}
