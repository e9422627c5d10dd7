// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"blackout/fixtures"
	"blackout/harness/history"
	"blackout/harness/store"
	"blackout/internal/s3front"
)

// pollInterval is the time between two looks at what is in a store. What is there
// for less may be missed.
const pollInterval = 100 * time.Millisecond

// pollStore records every change of the snapshots in a store, of whatever version,
// as an independent reader sees them, past front and edges, until ctx ends.
func (c *Cluster) pollStore(ctx context.Context, name string) {
	poller := store.Poller{
		Store: c.store(name), Bucket: bucket, Prefix: prefix, Suffix: snapshotName, Interval: pollInterval,
		Saw: func(s store.Sight) { c.sawSnapshot(name, s) },
		Failed: func(err error) {
			c.rec.Event(history.Event{Kind: history.EnvironmentError, Error: fmt.Sprintf("look into %s: %v", name, err)})
		},
	}
	poller.Run(ctx)
}

// sawSnapshot records a snapshot as it was seen: its generation, which is 0 if it
// holds none of the harness's configurations, or why it is none.
func (c *Cluster) sawSnapshot(name string, s store.Sight) {
	e := history.Event{
		Kind: history.StoreObject, Node: name, Text: bucket + "/" + s.Key, At: c.rec.At(s.From), Until: c.rec.At(s.Until),
		Bytes: int64(len(s.Object.Body)), Encryption: s.Object.Encryption,
	}
	err := s.Err
	if err == nil {
		e.Generation, err = fixtures.TableGeneration(s.Object.Body)
		if digest, wrong := fixtures.TableDigest(s.Object.Body); wrong == nil {
			e.Digest = digest
		}
	}
	switch {
	case errors.Is(err, fixtures.ErrUnprobed): // whole, and of no generation
	case errors.Is(err, store.ErrNotFound):
		e.Error = history.ObjectGone
	case err != nil:
		e.Error = err.Error()
	case s.Key == snapshotKey():
		c.snapshots.add(name, e.Generation, s.Object)
	}
	c.rec.Event(e)
}

// snapshotName is the last part of a snapshot's key.
const snapshotName = "/config.json"

// keptSnapshots is how many states of a store's snapshot are kept, for faults that
// bring an older one back.
const keptSnapshots = 8

// snapshots are the latest states of the snapshot in each store. It is safe for
// concurrent use.
type snapshots struct {
	mu   sync.Mutex
	kept map[string][]keptSnapshot // by store, the latest last
}

type keptSnapshot struct {
	generation int
	object     store.Object
}

func (s *snapshots) add(storeName string, generation int, object store.Object) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.kept == nil {
		s.kept = make(map[string][]keptSnapshot)
	}
	kept := append(s.kept[storeName], keptSnapshot{generation, object})
	s.kept[storeName] = kept[max(0, len(kept)-keptSnapshots):]
}

// older is the latest state of a generation, or for generation 0 the one before
// the latest that has another. Nil: none is known.
func (s *snapshots) older(storeName string, generation int) *s3front.Object {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := s.kept[storeName]
	for i := len(kept) - 1; i >= 0; i-- {
		k := kept[i]
		if generation != 0 && k.generation == generation || generation == 0 && k.generation != kept[len(kept)-1].generation {
			return fronted(k.object)
		}
	}
	return nil
}

func fronted(o store.Object) *s3front.Object {
	return &s3front.Object{Body: o.Body, ETag: o.ETag, Modified: o.Modified, Metadata: o.Metadata}
}
