// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package fallback

import (
	"errors"
	"time"

	"blackout/internal/fallback/bucket"
	"blackout/internal/fallback/election"
)

// The ways in which an object that was read is no snapshot; [bucket] has the ways
// in which it cannot be read. Ask with errors.Is.
var (
	ErrCorrupt = errors.New("object is corrupt")
	ErrInvalid = errors.New("object is not a configuration")
)

// Bookkeeping is what an exporter notes about a snapshot in the object's
// metadata. Objects that a real Kong node or a person wrote have none: every
// field may be zero.
type Bookkeeping struct {
	Hash     string    // the configuration's hash, as the control plane computed it
	Time     time.Time // when the exporter sent it, by the exporter's clock
	Exporter string    // who sent it: the node's id
	SHA256   string    // lower-case hex digest of the object's body
	Epoch    election.Epoch
}

// The names of the bookkeeping in an object's metadata.
const (
	metaHash     = "blackout-hash"
	metaTime     = "blackout-time"
	metaExporter = "blackout-exporter"
	metaSHA256   = "blackout-sha256"
	metaEpoch    = "blackout-epoch"
)

func (b Bookkeeping) metadata() map[string]string {
	return map[string]string{
		metaHash: b.Hash, metaTime: b.Time.UTC().Format(time.RFC3339Nano),
		metaExporter: b.Exporter, metaSHA256: b.SHA256, metaEpoch: b.Epoch.String(),
	}
}

// ReadBookkeeping is what the exporter of an object noted about it. What cannot be
// read is as good as none.
func ReadBookkeeping(info bucket.Info) Bookkeeping {
	get := func(name string) string { return info.Metadata[name] }
	noted := Bookkeeping{Hash: get(metaHash), Exporter: get(metaExporter), SHA256: get(metaSHA256)}
	if at, err := time.Parse(time.RFC3339Nano, get(metaTime)); err == nil {
		noted.Time = at
	}
	if epoch, err := election.ParseEpoch(get(metaEpoch)); err == nil {
		noted.Epoch = epoch
	}
	return noted
}
