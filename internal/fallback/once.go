// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package fallback

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
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
	By     string // who writes, in place of a node's id: printable ASCII without spaces
	Life   string // that no other write ever has
	Hash   string // the configuration's, canonical
	Epoch  election.Epoch
	If     bucket.Condition
	Time   time.Time
}

// Write writes a config_table, with the guard and the bookkeeping of an [Exporter], and
// returns the object's size in bytes. A write whose answer was lost is looked for in the
// bucket. The errors are [bucket]'s.
func (o Once) Write(ctx context.Context, table []byte) (int64, error) {
	parts, err := survey(table)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	noted := Bookkeeping{Hash: o.Hash, Time: o.Time, Exporter: o.By, Epoch: o.Epoch, Life: o.Life, Cluster: parts.cluster}
	body, err := parts.stamp(table, noted.comment())
	if err != nil {
		return 0, err
	}
	sum := body.SHA256()
	noted.SHA256 = hex.EncodeToString(sum[:])
	_, err = o.Bucket.Put(ctx, o.Key, body, bucket.PutOptions{If: o.If, Metadata: noted.metadata()})
	if err == nil || errors.Is(err, bucket.ErrDenied) || errors.Is(err, bucket.ErrRefused) || errors.Is(err, bucket.ErrNotEncrypted) {
		return body.Size(), err
	}
	// A conflict, too, may be the answer to a request that something on the way repeated.
	info, headErr := o.Bucket.Head(ctx, o.Key)
	if headErr == nil && ReadBookkeeping(info).Life == o.Life {
		return body.Size(), nil
	}
	return 0, err
}

// CheckConfiguration says why a config_table must not replace a snapshot: it is no JSON
// object, or holds no entity. See [Exporter.Offer].
func CheckConfiguration(table []byte) error {
	_, err := survey(table)
	return err
}

// Noted is what the exporter of a snapshot noted about it: in the object's metadata or,
// where a copy has lost that, in its body.
func Noted(object bucket.Object) Bookkeeping {
	noted, inBody := ReadBookkeeping(object.Info), readComment(object.Body)
	noted.Exporter, noted.Life = cmp.Or(noted.Exporter, inBody.Exporter), cmp.Or(noted.Life, inBody.Life)
	if noted.Epoch.Compare(inBody.Epoch) < 0 {
		noted.Epoch = inBody.Epoch
	}
	return noted
}
