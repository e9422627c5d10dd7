// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package fallback

import (
	"context"
	"errors"
	"fmt"

	"blackout/internal/fallback/bucket"
	"blackout/internal/fallback/election"
)

// sighting is what an exporter knows of a version of the snapshot.
type sighting struct {
	version string
	known   bool // it was written by this life or checked: it is not read again
	failed  int  // how often it could not be read
	content election.Snapshot
	cluster string // whose configuration it is; empty if that is not known
}

// enoughReads is how often a version is read before it passes for one that nobody can
// read.
const enoughReads = 3

// headSnapshot tells of the snapshot. A version that this life did not write is read
// once, for its metadata may be whole where its body is not.
func (m *member) headSnapshot(ctx context.Context, last sighting) reply {
	info, err := m.options.Bucket.Head(ctx, m.options.Key)
	if err == nil && (!last.known || last.version != info.Version) {
		last, err = m.inspect(info, last)
	}
	a := answered(err)
	a.seen = last
	if err == nil {
		a.Version, a.Snapshot = last.version, last.content
	}
	return a
}

// inspect reads the snapshot. One that may not be read, or is too large to be, is what
// its metadata say.
func (m *member) inspect(info bucket.Info, last sighting) (sighting, error) {
	ctx, cancel := context.WithTimeout(m.work, m.options.PutTimeout+transferTime(min(info.Size, m.options.MaxBytes)))
	defer cancel()
	object, err := m.options.Bucket.Get(ctx, m.options.Key, m.options.MaxBytes)
	switch {
	case errors.Is(err, bucket.ErrTooLarge), errors.Is(err, bucket.ErrDenied):
		return m.unchecked(info, err), nil
	case errors.Is(err, bucket.ErrNotFound):
		return last, err
	case err != nil:
		return m.unread(info, last, err)
	}
	table, err := decode(object, m.options.MaxBytes, nil)
	switch {
	case errors.Is(err, bucket.ErrTooLarge):
		return m.unchecked(object.Info, err), nil
	case err != nil:
		return m.damaged(object.Info, err), nil
	}
	return sighting{version: object.Version, known: true, content: m.contentOf(object.Info, table), cluster: clusterIn(object.Info, table)}, nil
}

// unread is a version that could not be read once more.
func (m *member) unread(info bucket.Info, last sighting, err error) (sighting, error) {
	failed := 1
	if last.version == info.Version {
		failed += last.failed
	}
	if failed >= enoughReads {
		return m.damaged(info, err), nil
	}
	return sighting{version: info.Version, failed: failed}, err
}

// unchecked is a version whose metadata must be believed.
func (m *member) unchecked(info bucket.Info, err error) sighting {
	m.options.Log.Warn("fallback configuration in the storage cannot be checked: what its metadata say is believed",
		"key", m.options.Key, "version", info.Version, "error", err)
	return sighting{version: info.Version, known: true, content: ReadBookkeeping(info).snapshot(), cluster: ReadBookkeeping(info).Cluster}
}

// damaged is a version of which nothing is known, so that it is replaced by what the
// control plane is asked for anew. Another's term is not used again.
func (m *member) damaged(info bucket.Info, err error) sighting {
	m.options.Log.Warn("fallback configuration in the storage is damaged: it is replaced once the control plane was asked anew",
		"key", m.options.Key, "version", info.Version, "error", err)
	found := sighting{version: info.Version, known: true}
	if noted := ReadBookkeeping(info); noted.Life != m.life {
		found.content.Epoch = noted.Epoch
	}
	return found
}

// contentOf is what an intact snapshot is. Where the metadata do not say it, as those of
// a real Kong node do not, the body does.
func (m *member) contentOf(info bucket.Info, table []byte) election.Snapshot {
	if noted := ReadBookkeeping(info); noted.Hash != "" {
		return noted.snapshot()
	}
	content := readComment(table).snapshot()
	if m.options.Hash != nil {
		if hash, err := m.options.Hash(table); err == nil {
			content.Hash = hash
		}
	}
	return content
}

// clusterIn is the cluster of an intact snapshot, also of one whose metadata do not
// name it.
func clusterIn(info bucket.Info, table []byte) string {
	if noted := ReadBookkeeping(info); noted.Cluster != "" {
		return noted.Cluster
	}
	parts, err := survey(table)
	if err != nil {
		return ""
	}
	return parts.cluster
}

// ErrOtherCluster is a snapshot that is not replaced because its configuration came from
// another database.
var ErrOtherCluster = errors.New("the copy is of another cluster")

// mayReplace is an error if the snapshot is another cluster's: the database of the
// control plane is a new one, and what it has so far would replace all that is left of
// the lost one; or two clusters share a prefix. Somebody has to say which it is, by
// writing a copy by hand. That is looked for here, once for each attempt.
func (m *member) mayReplace(ctx context.Context, last sighting, mine string) error {
	if last.cluster == "" || mine == "" || last.cluster == mine {
		return nil
	}
	info, err := m.options.Bucket.Head(ctx, m.options.Key)
	if err == nil && info.Version != last.version || errors.Is(err, bucket.ErrNotFound) {
		return fmt.Errorf("%w: it was replaced meanwhile", bucket.ErrConflict)
	}
	return fmt.Errorf("%w, %s, and this one is %s: it is kept. If the database was lost, restore it. "+
		"If a new one takes its place, write a copy by hand, with `blackout fallback export`, and the next is exported again. "+
		"If these are two clusters, give each a prefix of its own", ErrOtherCluster, last.cluster, mine)
}
