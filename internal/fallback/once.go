// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package fallback

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"time"

	"blackout/internal/fallback/bucket"
	"blackout/internal/fallback/election"
)

// Once writes one snapshot for a person, without being a member of the election: its
// epoch must be of a term above those of the snapshot and the lease, and its condition
// that the snapshot is still what was looked at. A leader finds it as somebody else's.
type Once struct {
	Bucket bucket.Bucket
	Key    string
	By     string // who writes, in place of a node's id: printable ASCII
	Hash   string // the configuration's, canonical
	Epoch  election.Epoch
	If     bucket.Condition
	Time   time.Time
}

// Write writes a config_table, with the guard and the bookkeeping of an [Exporter]. A
// write whose answer was lost is looked for in the bucket. The errors are [bucket]'s.
func (o Once) Write(ctx context.Context, table []byte) error {
	if err := requireConfiguration(table); err != nil {
		return err
	}
	sum := sha256.Sum256(table)
	noted := Bookkeeping{Hash: o.Hash, Time: o.Time, Exporter: o.By, SHA256: hex.EncodeToString(sum[:]), Epoch: o.Epoch}
	_, err := o.Bucket.Put(ctx, o.Key, table, bucket.PutOptions{If: o.If, Metadata: noted.metadata()})
	if err == nil || errors.Is(err, bucket.ErrDenied) {
		return err
	}
	// The answer may be to a request that a proxy on the way repeated.
	info, headErr := o.Bucket.Head(ctx, o.Key)
	if headErr != nil {
		return errors.Join(err, headErr)
	}
	if found := ReadBookkeeping(info); found.Epoch == noted.Epoch && found.SHA256 == noted.SHA256 && found.Exporter == noted.Exporter && found.Time.Equal(noted.Time) {
		return nil
	}
	return err
}

// CheckConfiguration says why a config_table must not replace a snapshot: it is no JSON
// object, or holds no entity. See [Exporter.Offer].
func CheckConfiguration(table []byte) error { return requireConfiguration(table) }
