// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"blackout/internal/fallback"
	"blackout/internal/fallback/bucket"
	"blackout/internal/fallback/election"
)

// Inventory is what is in a storage.
type Inventory struct {
	Storage  string    `json:"storage"`            // its URL
	At       time.Time `json:"at"`                 // when it was looked at
	Versions []Version `json:"versions"`           // in the order of their names
	Others   []Object  `json:"others"`             // objects below the prefix that no node wrote
	More     bool      `json:"more"`               // there are more than the [MaxListed] objects that were listed
	Settings *Settings `json:"settings,omitempty"` // of the bucket, where they were asked for
}

// Version is what is in a storage for nodes of one version.
type Version struct {
	Version  string    `json:"version"`
	Snapshot *Snapshot `json:"snapshot"` // null: there is none
	Lease    *Lease    `json:"lease"`    // null: there is none
	Election []Object  `json:"election"` // other objects below election/
}

// Object is one that a store listed.
type Object struct {
	Key        string    `json:"key"`
	Bytes      int64     `json:"bytes"`
	Modified   time.Time `json:"modified"` // by the store's clock
	AgeSeconds int64     `json:"age_seconds"`
}

// Snapshot is an object that holds a configuration. What its exporter noted is empty
// where it noted nothing: a real Kong notes nothing.
type Snapshot struct {
	Object
	ObjectVersion string     `json:"object_version"`        // the store's: S3's ETag
	Encryption    string     `json:"encryption"`            // "AES256", "aws:kms"; empty: the store told of none
	Hash          string     `json:"hash"`                  // of the configuration, as its exporter noted it
	Exporter      string     `json:"exporter"`              // id of the node that wrote it
	Epoch         string     `json:"epoch"`                 // "<term>.<write>"
	Cluster       string     `json:"cluster,omitempty"`     // id of the control plane's database; what a person wrote may have none
	ExportedAt    *time.Time `json:"exported_at,omitempty"` // by the exporter's clock
	Error         string     `json:"error,omitempty"`       // why the rest is not known
}

// Lease is who may write a snapshot.
type Lease struct {
	Object
	Holder   string `json:"holder"` // id of the node
	Name     string `json:"name"`
	Term     uint64 `json:"term"`
	Beat     uint64 `json:"beat"` // how often it was renewed
	Released bool   `json:"released"`
	Error    string `json:"error,omitempty"` // why the rest is not known
}

// MaxListed is how many of a storage's objects are looked at, in the order of their keys:
// anybody's may lie below its prefix.
const MaxListed = 10_000

// maxLease is the largest lease object that is read, in bytes.
const maxLease = 64 << 10

// Inspect lists the storage's first [MaxListed] objects and asks for each snapshot's metadata and each lease. With
// a version it looks at the objects of that one alone, without listing: an account
// that may not list can do that. What a single object could not be asked for is noted
// at it; the error is the listing's.
func (s *Storage) Inspect(ctx context.Context, version string) (Inventory, error) {
	found := Inventory{Storage: s.Location.String(), At: s.now(), Versions: []Version{}, Others: []Object{}}
	if version != "" {
		one, err := s.inspectVersion(ctx, version)
		if err != nil {
			return Inventory{}, err
		}
		found.Versions = append(found.Versions, one)
		return found, nil
	}
	listed, more, err := s.list(ctx)
	if err != nil {
		return Inventory{}, err
	}
	found.More = more
	for _, info := range listed {
		s.sort(&found, info)
	}
	for i := range found.Versions {
		v := &found.Versions[i]
		if v.Snapshot != nil {
			if v.Snapshot.Error, err = excuse(s.describe(ctx, v.Snapshot)); err != nil {
				return Inventory{}, err
			}
		}
		if v.Lease != nil {
			if v.Lease.Error, err = excuse(s.readLease(ctx, v.Lease)); err != nil {
				return Inventory{}, err
			}
		}
	}
	return found, nil
}

func (s *Storage) list(ctx context.Context) (first []bucket.Info, more bool, err error) {
	ctx, cancel := bound(ctx)
	defer cancel()
	return s.Bucket.List(ctx, s.prefix(), MaxListed)
}

// sort puts a listed object where it belongs.
func (s *Storage) sort(into *Inventory, info bucket.Info) {
	object := s.object(info)
	what, version := s.place(info.Key)
	if what == foreign {
		into.Others = append(into.Others, object)
		return
	}
	i, known := slices.BinarySearchFunc(into.Versions, version, func(v Version, name string) int { return strings.Compare(v.Version, name) })
	if !known {
		into.Versions = slices.Insert(into.Versions, i, Version{Version: version, Election: []Object{}})
	}
	v := &into.Versions[i]
	switch what {
	case snapshotPart:
		v.Snapshot = &Snapshot{Object: object, ObjectVersion: info.Version}
	case leasePart:
		v.Lease = &Lease{Object: object}
	default:
		v.Election = append(v.Election, object)
	}
}

func (s *Storage) object(info bucket.Info) Object {
	return Object{Key: info.Key, Bytes: info.Size, Modified: info.Modified.UTC(), AgeSeconds: s.age(info.Modified)}
}

// age is how long ago a moment was by the store's clock, in whole seconds. Clocks
// differ: what is in the future is new.
func (s *Storage) age(moment time.Time) int64 {
	return max(int64(s.now().Sub(moment)/time.Second), 0)
}

// inspectVersion looks at the two objects of a version.
func (s *Storage) inspectVersion(ctx context.Context, version string) (Version, error) {
	key, err := s.key(version)
	if err != nil {
		return Version{}, err
	}
	found := Version{Version: version, Election: []Object{}}
	snapshot := &Snapshot{Object: Object{Key: key}}
	switch err := s.describe(ctx, snapshot); {
	case err == nil:
		found.Snapshot = snapshot
	case !errors.Is(err, bucket.ErrNotFound):
		return Version{}, err
	}
	found.Lease, err = s.leaseOf(ctx, version)
	return found, err
}

// leaseOf reads the lease of a version; nil if there is none.
func (s *Storage) leaseOf(ctx context.Context, version string) (*Lease, error) {
	lease := &Lease{Object: Object{Key: s.prefix() + version + "/" + leaseName}}
	err := s.readLease(ctx, lease)
	if errors.Is(err, bucket.ErrNotFound) {
		return nil, nil
	}
	lease.Error, err = excuse(err)
	return lease, err
}

// describe asks for a snapshot's metadata.
func (s *Storage) describe(ctx context.Context, snapshot *Snapshot) error {
	ctx, cancel := bound(ctx)
	defer cancel()
	info, err := s.Bucket.Head(ctx, snapshot.Key)
	if err != nil {
		return err
	}
	s.note(snapshot, info, fallback.ReadBookkeeping(info))
	return nil
}

// note takes over what a store told of a snapshot, and its exporter noted.
func (s *Storage) note(snapshot *Snapshot, info bucket.Info, noted fallback.Bookkeeping) {
	info.Key = snapshot.Key
	snapshot.Object, snapshot.ObjectVersion, snapshot.Encryption = s.object(info), info.Version, info.Encryption
	snapshot.Hash, snapshot.Exporter, snapshot.Cluster = noted.Hash, noted.Exporter, noted.Cluster
	if noted.Epoch != (election.Epoch{}) {
		snapshot.Epoch = noted.Epoch.String()
	}
	if !noted.Time.IsZero() {
		at := noted.Time.UTC()
		snapshot.ExportedAt = &at
	}
}

// readLease reads a lease.
func (s *Storage) readLease(ctx context.Context, lease *Lease) error {
	ctx, cancel := bound(ctx)
	defer cancel()
	object, err := s.Bucket.Get(ctx, lease.Key, maxLease)
	if err != nil {
		return err
	}
	object.Key = lease.Key
	lease.Object = s.object(object.Info)
	var held election.Lease
	if json.Unmarshal(object.Body, &held) != nil {
		return errNoLease
	}
	lease.Holder, lease.Name, lease.Term, lease.Beat, lease.Released = held.ID, held.Name, held.Term, held.Beat, held.Released
	return nil
}

var errNoLease = errors.New("it is no lease of this gateway")

// excuse says why one object is not known, if others may be all the same.
func excuse(err error) (string, error) {
	for _, one := range []error{bucket.ErrNotFound, bucket.ErrDenied, bucket.ErrTooLarge, errNoLease} {
		if errors.Is(err, one) {
			return err.Error(), nil
		}
	}
	return "", err
}
