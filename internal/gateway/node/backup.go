// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"sync"
	"time"

	"blackout/internal/fallback"
	"blackout/internal/fallback/bucket"
	"blackout/internal/gateway/conf"
	"blackout/internal/gateway/entity"
)

// parameters are the node's fallback settings as the fallback package takes
// them.
func parameters(config *conf.Config) fallback.Parameters {
	return fallback.Parameters{
		Import: config.Fallback.Import, Export: config.Fallback.Export,
		Storage: config.Fallback.Storage, ExportDelay: config.Fallback.ExportDelay, S3Config: config.Fallback.S3Config,
		Version: config.BucketVersion, ReadAttempts: config.Fallback.ReadAttempts, MaxBytes: int64(config.Fallback.MaxSize),
	}
}

// openBucket opens the real object store.
func openBucket(config *conf.Config, getenv func(string) string) (bucket.Bucket, error) {
	return parameters(config).Open(getenv)
}

// backup is a node's access to the copy in object storage; its parts are nil
// where they are switched off.
type backup struct {
	exporter *fallback.Exporter
	importer *fallback.Importer
	imported func() // closes the importer's client
	meter    *storeMeter
}

// openBackup opens the object store if the node reads or writes it, each with a
// client of its own, and starts the exporter. refresh makes the node ask its
// control plane anew; see [fallback.ExporterOptions].
func (n *Node) openBackup(ctx context.Context, refresh func()) (backup, error) {
	config := n.options.Config
	if !config.Fallback.Import && !config.Fallback.Export {
		return backup{}, nil
	}
	b := backup{meter: &storeMeter{snapshot: parameters(config).Key()}}
	if config.Fallback.Import {
		if err := n.openImporter(&b); err != nil {
			return backup{}, err
		}
	}
	if p := parameters(config); p.Export {
		opened, _, err := n.openStore(b.meter)
		if err != nil {
			return backup{}, err
		}
		id, err := exporterID(config, n.id)
		if err != nil {
			return backup{}, err
		}
		b.exporter = fallback.NewExporter(fallback.ExporterOptions{
			Bucket: opened, Key: p.Key(), MaxBytes: p.MaxBytes, NodeID: id, Name: n.options.Hostname, Role: string(config.Role),
			Delay: config.Fallback.ExportDelay, Lease: config.Fallback.Lease, Check: config.Fallback.Check, Alone: !config.Fallback.Election,
			Refresh: refresh, Hash: entity.HashText, Log: n.log,
		})
		n.runExporter(ctx, b.exporter)
	}
	return b, nil
}

// openStore opens a client of the object store, whose requests are counted. It
// is closed at the node's release, if not before.
func (n *Node) openStore(meter *storeMeter) (opened bucket.Bucket, closeIt func(), err error) {
	opened, err = n.options.OpenBucket(n.options.Config, n.options.Getenv)
	if err != nil {
		return nil, nil, err
	}
	closeIt = sync.OnceFunc(opened.Close)
	n.release = append(n.release, func() error { closeIt(); return nil })
	return meter.over(opened), closeIt, nil
}

// runExporter runs the exporter until the node's release, which comes after the
// last task that may offer something. What is pending is then uploaded.
func (n *Node) runExporter(ctx context.Context, exporter *fallback.Exporter) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() { ended <- exporter.Run(ctx) }()
	n.release = append(n.release, func() error { cancel(); return <-ended })
}

// mark is what goes with the answer of a control plane that is asked from now on.
func (b backup) mark() uint64 {
	if b.exporter == nil {
		return 0
	}
	return b.exporter.Mark()
}

// offer hands a configuration to the exporter, if the node has one, with the mark
// of when its control plane was asked.
func (b backup) offer(table []byte, hash string, mark uint64) {
	if b.exporter != nil {
		b.exporter.Offer(table, hash, mark)
	}
}

// online tells the exporter, if the node has one, whether there is somebody who
// says what is to be backed up.
func (b backup) online(online bool) {
	if b.exporter != nil {
		b.exporter.Online(online)
	}
}

func (b backup) measure(ctx context.Context, tell teller) {
	if b.meter != nil {
		b.meter.measure(ctx, tell)
	}
	if b.exporter == nil {
		return
	}
	status := b.exporter.Status()
	var lag time.Duration
	if since := status.PendingSince; !since.IsZero() {
		lag = time.Since(since)
	}
	tell("blackout_export_lag_seconds", lag.Seconds())
	for _, role := range []fallback.Role{fallback.Leader, fallback.Standby, fallback.Alone, fallback.Unknown} {
		tell("blackout_export_role", oneIf(status.Role == role), string(role))
	}
	tell("blackout_export_takeovers_total", float64(status.Takeovers))
	tell("blackout_export_failures", float64(status.Failures))
}

// exportStatus is what /status tells of the copy in object storage.
func exportStatus(b backup) map[string]any {
	status := map[string]any{"import": b.importer != nil, "export": b.exporter != nil}
	if b.exporter == nil {
		return status
	}
	exported := b.exporter.Status()
	status["role"] = exported.Role
	status["leader"] = map[string]any{"id": exported.LeaderID, "name": exported.LeaderName}
	status["exported_hash"], status["exported_version"] = exported.ExportedHash, exported.ExportedVersion
	status["pending_hash"] = exported.PendingHash
	status["failures"], status["last_error"] = exported.Failures, exported.LastError
	if exported.Epoch.Term > 0 {
		status["epoch"] = exported.Epoch.String()
	}
	for name, at := range map[string]time.Time{"exported_at": exported.ExportedAt, "pending_since": exported.PendingSince} {
		if !at.IsZero() {
			status[name] = at.UTC().Format(time.RFC3339Nano)
		}
	}
	return status
}
