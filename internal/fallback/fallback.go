// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package fallback keeps a copy of a gateway's configuration, a snapshot, in
// an object store or on a mounted volume, and boots data planes from it when the control plane
// cannot give them one.
//
// The way of a snapshot: whenever a backup node gets a new configuration it
// offers the config_table to its [Exporter]. The exporter uploads the first
// change at once and, for as long as changes keep coming, only the last one of
// each export delay. Each upload is one PUT, which the store makes visible as a
// whole or not at all. The object's body is the bare config_table as plain
// JSON, at [Key]; the exporter's bookkeeping (configuration hash, time,
// exporter, checksum, epoch) travels in the object's metadata, and who wrote it
// when in a comment too. Of several backup nodes one writes: see package
// election, whose objects are beside the snapshot. A new data plane
// without a usable configuration, whose control plane gives it none, asks its
// [Importer] once. The importer sends one GET and returns a [Snapshot] that is
// complete and intact, or an error; never a part of one. Whether the snapshot
// is a valid configuration is for the gateway's schema to say.
//
//	p := fallback.Parameters{Import: true, Storage: "s3://backup/eu", Version: "3.9.1.0"}
//	if err := p.Validate(false); err != nil { … }
//	opened, err := p.Open(os.Getenv)
//	defer opened.Close()
//	importer := fallback.Importer{Bucket: opened, Key: p.Key()}
//	snapshot, err := importer.Import(ctx)
package fallback

import (
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"blackout/internal/fallback/bucket/s3"
)

// DefaultExportDelay is Kong 3.x's default of
// cluster_fallback_config_export_delay.
const DefaultExportDelay = 60 * time.Second

// Parameters are a node's fallback settings. The names of Kong's parameters
// (Kong 3.2 and later) are given with each field.
type Parameters struct {
	Import       bool          // cluster_fallback_config_import: read the snapshot
	Export       bool          // cluster_fallback_config_export: this is the backup node
	Storage      string        // cluster_fallback_config_storage: see [ParseLocation]
	ExportDelay  time.Duration // cluster_fallback_config_export_delay: at most one upload in this time
	S3Config     string        // cluster_fallback_export_s3_config: see [s3.CheckPutConfig]
	Version      string        // version in the object's key; importer and exporter must agree on it exactly
	ReadAttempts int           // reads of the store at import; 0 means 1, as Kong does
	MaxBytes     int64         // of a snapshot that is imported or checked, as stored and expanded; 0 means [DefaultMaxBytes]
}

// Validate checks the parameters of a node that is about to start; controlPlane
// tells its role. The error is one line that names the parameter and what to do.
func (p Parameters) Validate(controlPlane bool) error {
	if p.Import && controlPlane {
		return errors.New("cluster_fallback_config_import: a control plane does not import its configuration; turn it off on this node")
	}
	if p.ExportDelay < 0 {
		return fmt.Errorf("cluster_fallback_config_export_delay: %s is negative; give seconds, 0 or more", p.ExportDelay)
	}
	if p.ReadAttempts < 0 {
		return fmt.Errorf("fallback read attempts: %d is negative; give 1 to read the storage once", p.ReadAttempts)
	}
	if p.MaxBytes < 0 {
		return fmt.Errorf("fallback snapshot size: %d is negative; give the largest number of bytes to take", p.MaxBytes)
	}
	if p.S3Config != "" {
		if err := s3.CheckPutConfig(p.S3Config); err != nil {
			return err
		}
	}
	return p.validateStorage()
}

func (p Parameters) validateStorage() error {
	if p.Storage == "" {
		if p.Import || p.Export {
			return errors.New("cluster_fallback_config_storage: empty, but import or export is on; set it to " + forms)
		}
		return nil
	}
	location, err := ParseLocation(p.Storage)
	if err != nil {
		return fmt.Errorf("cluster_fallback_config_storage: %w", err)
	}
	if p.S3Config != "" && location.Scheme != schemeS3 {
		// Who asks for encryption must not get none without a word.
		return fmt.Errorf("cluster_fallback_export_s3_config: it has no effect on %s:// storage; remove it, or use s3://", location.Scheme)
	}
	if !p.Import && !p.Export {
		return nil
	}
	if p.Version == "" || strings.HasPrefix(p.Version, ".") || strings.ContainsAny(p.Version, "/\\ \t\r\n") {
		return fmt.Errorf("fallback version: %q cannot be part of an object's key; give the gateway's exact version, such as 3.9.1.0", p.Version)
	}
	return nil
}

// Key is the object that holds the snapshot of a gateway version:
// "<prefix>/<version>/config.json", as Kong lays its bucket out.
func Key(prefix, version string) string {
	return strings.TrimPrefix(path.Join(prefix, version, "config.json"), "/")
}

// Key is the object that a node with these parameters reads or writes. The
// parameters must be valid.
func (p Parameters) Key() string {
	location, _ := ParseLocation(p.Storage) // valid, as the caller says
	return Key(location.Prefix, p.Version)
}

// URL names the object of [Parameters.Key] for people: the storage URL, the
// version and the object's name. The parameters must be valid.
func (p Parameters) URL() string {
	location, _ := ParseLocation(p.Storage) // valid, as the caller says
	return location.String() + "/" + Key("", p.Version)
}
