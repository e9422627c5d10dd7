// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"blackout/internal/fallback"
	"blackout/internal/fallback/bucket"
	"blackout/internal/gateway/entity"
)

// Gateways are what a snapshot can be verified for.
const (
	OwnGateway = "blackout" // this gateway's data planes: what they cannot run is a problem
	Kong       = "kong"     // real ones: what only this gateway cannot run is a warning
)

// VerifyOptions say what a snapshot must be good for.
type VerifyOptions struct {
	Version  string        // the exact version of the node that is to boot
	Expiring time.Duration // certificates that end sooner are named
	Gateway  string        // [OwnGateway], the default, or [Kong]
}

// Verification is what was found out about a snapshot.
type Verification struct {
	Storage      string           `json:"storage"`
	Version      string           `json:"version"`
	Key          string           `json:"key"`
	Gateway      string           `json:"gateway"`
	At           time.Time        `json:"at"`
	Bootable     bool             `json:"bootable"` // a node takes it, and it is what its exporter wrote
	Snapshot     *Snapshot        `json:"snapshot"` // null: it could not be read
	Checksum     string           `json:"checksum"` // "matches", or "not noted"; empty: it did not come to that
	Hash         string           `json:"hash"`     // of the configuration as it is in the bucket
	HashNoted    string           `json:"hash_noted"`
	Entities     map[string]int   `json:"entities"` // number by kind
	Problems     []Finding        `json:"problems"` // why a node refuses it; none if it is bootable
	Warnings     []Finding        `json:"warnings"`
	Certificates []Certificate    `json:"certificates"`    // those that have expired or soon will
	Vaults       []VaultReference `json:"vaults"`          // what a node must resolve by itself
	Plugins      []string         `json:"unknown_plugins"` // that this gateway does not run
	Table        *entity.Table    `json:"-"`               // nil if it is not valid
	Others       []string         `json:"other_versions"`  // versions in the bucket, where this one has no snapshot
}

// Verify finds out whether a node can boot from its snapshot. It reads the object as a
// node does, once. The error is that of a store that does not answer or denies access;
// what is wrong with the snapshot, its absence included, is in the result.
func (s *Storage) Verify(ctx context.Context, options VerifyOptions) (Verification, error) {
	key, err := s.key(options.Version)
	if err != nil {
		return Verification{}, err
	}
	v := Verification{Storage: s.Location.String(), Version: options.Version, Key: key, Gateway: or(options.Gateway, OwnGateway), At: s.now(),
		Entities: map[string]int{}, Problems: []Finding{}, Warnings: []Finding{}, Certificates: []Certificate{}, Vaults: []VaultReference{},
		Plugins: []string{}, Others: []string{}}
	snapshot, object, err := s.read(ctx, key)
	if object != nil {
		v.Snapshot = &Snapshot{Object: Object{Key: key}}
		s.note(v.Snapshot, object.Info, fallback.Noted(*object))
	}
	if err != nil {
		if !isAboutSnapshot(err) {
			return Verification{}, err
		}
		v.refuse(err.Error())
		if errors.Is(err, bucket.ErrNotFound) {
			s.nameOthers(ctx, &v)
		}
		return v, nil
	}
	v.judge(snapshot.ConfigTable, object.Info, options)
	v.Bootable = len(v.Problems) == 0
	return v, nil
}

// read reads a snapshot as an importer does. The object is nil if none arrived whole.
func (s *Storage) read(ctx context.Context, key string) (fallback.Snapshot, *bucket.Object, error) {
	keeper := &objectKeeper{Bucket: s.Bucket}
	importer := fallback.Importer{Bucket: keeper, Key: key, MaxBytes: s.MaxBytes, Log: slog.New(slog.DiscardHandler)}
	snapshot, err := importer.Import(ctx)
	if errors.Is(err, bucket.ErrTooLarge) {
		err = fmt.Errorf("%w; --max-size sets this command's", err)
	}
	return snapshot, keeper.object, err
}

// objectKeeper is a bucket that keeps the object that was read from it.
type objectKeeper struct {
	bucket.Bucket
	object *bucket.Object
}

// Get implements [bucket.Bucket].
func (k *objectKeeper) Get(ctx context.Context, key string, limit int64) (bucket.Object, error) {
	object, err := k.Bucket.Get(ctx, key, limit)
	if err == nil {
		k.object = &object
	}
	return object, err
}

// isAboutSnapshot says whether it is the snapshot's fault that it was not read.
func isAboutSnapshot(err error) bool {
	for _, fault := range []error{bucket.ErrNotFound, bucket.ErrTooLarge, fallback.ErrCorrupt, fallback.ErrInvalid} {
		if errors.Is(err, fault) {
			return true
		}
	}
	return false
}

func (v *Verification) refuse(reason string) {
	v.Problems = append(v.Problems, Finding{Reason: reason})
}
func (v *Verification) warn(reason string) { v.Warnings = append(v.Warnings, Finding{Reason: reason}) }

// nameOthers names the versions that the bucket has snapshots of. Not being allowed to
// list it is no failure.
func (s *Storage) nameOthers(ctx context.Context, v *Verification) {
	listed, _, err := s.list(ctx)
	if err != nil {
		return
	}
	for _, info := range listed {
		if what, version := s.place(info.Key); what == snapshotPart {
			v.Others = append(v.Others, version)
		}
	}
}

// judge looks at a configuration that arrived whole.
func (v *Verification) judge(table []byte, info bucket.Info, options VerifyOptions) {
	noted := fallback.ReadBookkeeping(info)
	v.Checksum, v.HashNoted = "matches", noted.Hash // a wrong one is not imported
	if noted.SHA256 == "" {
		v.Checksum = "not noted"
	}
	audit := entity.AuditTable(table)
	v.Problems = append(v.Problems, findings(audit.Problems)...)
	v.Warnings = append(v.Warnings, findings(audit.Warnings)...)
	sections, err := decodeTable(table)
	if err != nil {
		return // which is among the problems
	}
	v.judgeHash(sections, noted)
	rows := rowsOf(sections)
	for kind, records := range rows {
		v.Entities[kind] = len(records)
	}
	v.Certificates = certificatesIn(rows, v.At, options.Expiring)
	v.Vaults = vaultsIn(rows)
	v.judgePlugins(rows)
	if len(audit.Problems) > 0 {
		return
	}
	if v.Table, err = entity.ParseTable(table); err != nil {
		v.refuse(err.Error()) // which the audit should have found
		return
	}
	if v.Gateway == OwnGateway {
		v.Problems = append(v.Problems, buildProblems(table, v.Plugins)...)
	}
}

// judgeHash compares the configuration's hash with the one that was noted.
func (v *Verification) judgeHash(sections map[string]any, noted fallback.Bookkeeping) {
	v.Hash = hashOf(sections)
	if noted.Hash == "" || noted.Hash == v.Hash {
		return
	}
	reason := fmt.Sprintf("the configuration's hash is %s, and its exporter noted %s", v.Hash, noted.Hash)
	if noted.SHA256 != "" {
		// The bytes are those that were exported.
		v.warn(reason + ": the control plane computes it by another rule")
		return
	}
	v.refuse(reason + ": somebody changed the object after it was written")
}

// judgePlugins names the plugins that this gateway does not run.
func (v *Verification) judgePlugins(rows map[string][]entity.Record) {
	seen := map[string]bool{}
	for i, row := range rows["plugins"] {
		name := row.Name()
		if name == "" || entity.PluginSchema(name) != nil || isDisabled(row) {
			continue
		}
		if !seen[name] {
			seen[name] = true
			v.Plugins = append(v.Plugins, name)
		}
		finding := about("plugins", i+1, row, "name", "this gateway does not run the plugin '"+printable(name)+"'")
		if v.Gateway == OwnGateway {
			v.Problems = append(v.Problems, finding)
		} else {
			v.Warnings = append(v.Warnings, finding)
		}
	}
}

func isDisabled(row entity.Record) bool {
	enabled, given := row["enabled"].(bool)
	return given && !enabled
}

// Sound says whether nothing at all was found, expiring certificates included.
func (v Verification) Sound() bool {
	return v.Bootable && len(v.Warnings) == 0 && len(v.Certificates) == 0
}

// commentName is the section in which exporters note what is no part of the
// configuration.
const commentName = "_comment"

// isSection says whether a member of a table holds entities.
func isSection(name string) bool { return name != "" && !strings.HasPrefix(name, "_") }
