// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package fallback

import (
	"errors"
	"maps"
	"strings"
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
	Life     string // of the exporter: it is another after each restart
	Cluster  string // the id that the control plane's database was given when it was made, which is in its parameters
}

// The names of the bookkeeping in an object's metadata.
const (
	metaHash     = "blackout-hash"
	metaTime     = "blackout-time"
	metaExporter = "blackout-exporter"
	metaSHA256   = "blackout-sha256"
	metaEpoch    = "blackout-epoch"
	metaLife     = "blackout-life"
	metaCluster  = "blackout-cluster"
)

// metadata is the bookkeeping as it goes with the object. The hash is a control
// plane's own text: one that no header can carry is left out.
func (b Bookkeeping) metadata() map[string]string {
	all := map[string]string{
		metaHash: b.Hash, metaTime: b.Time.UTC().Format(time.RFC3339Nano),
		metaExporter: b.Exporter, metaSHA256: b.SHA256, metaEpoch: b.Epoch.String(), metaLife: b.Life, metaCluster: b.Cluster,
	}
	maps.DeleteFunc(all, func(_, value string) bool {
		return value == "" || strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r > '~' })
	})
	return all
}

// ReadBookkeeping is what the exporter of an object noted about it. What cannot be
// read is as good as none.
func ReadBookkeeping(info bucket.Info) Bookkeeping {
	get := func(name string) string { return info.Metadata[name] }
	noted := Bookkeeping{Hash: get(metaHash), Exporter: get(metaExporter), SHA256: get(metaSHA256), Life: get(metaLife), Cluster: get(metaCluster)}
	if at, err := time.Parse(time.RFC3339Nano, get(metaTime)); err == nil {
		noted.Time = at
	}
	if epoch, err := election.ParseEpoch(get(metaEpoch)); err == nil {
		noted.Epoch = epoch
	}
	return noted
}

// snapshot is what the election must know of an object.
func (b Bookkeeping) snapshot() election.Snapshot {
	return election.Snapshot{Hash: b.Hash, ID: b.Exporter, Life: b.Life, Epoch: b.Epoch}
}
