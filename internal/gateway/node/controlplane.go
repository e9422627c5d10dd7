// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"
	"sync/atomic"
	"time"

	"blackout/internal/gateway/admin"
	"blackout/internal/gateway/hybrid"
	"blackout/internal/gateway/publication"
	"blackout/internal/gateway/store"
)

// controlPlane carries the database's content to the data planes and, on a
// backup node, to the object store.
type controlPlane struct {
	node   *Node
	db     *store.Store
	server *hybrid.Server
	backup backup
	access access
	guard  wipeGuard

	// builder makes what is published. Belongs to publishChanges once that runs.
	builder publication.Builder

	// refresh holds a token when the exporter asks what the database holds.
	refresh chan struct{}
	// published is the hash of what was handed out last. Belongs to publishChanges
	// once that runs.
	published string

	// dirty: the database may hold what was never published. Only a publication
	// that succeeds makes it false. Belongs to publishChanges once that runs, others
	// read it.
	dirty atomic.Bool
}

func (n *Node) assembleControlPlane(ctx context.Context) error {
	config := n.options.Config
	identity, err := clusterIdentity(config)
	if err != nil {
		return err
	}
	cp := &controlPlane{node: n, refresh: make(chan struct{}, 1), guard: wipeGuard{log: n.log, pushEmpty: config.PushEmpty}}
	if cp.db, err = n.openDatabase(ctx); err != nil {
		return err
	}
	seen := newRegister(n.log, func(ctx context.Context, rows []store.DataPlane) error {
		return cp.db.SaveDataPlanes(ctx, rows, config.Cluster.PurgeDelay)
	})
	cp.server = hybrid.NewServer(hybrid.ServerOptions{
		Identity: identity, Version: config.Version, Plugins: knownPlugins(config), Silence: config.Timing.Silence,
		MaxPayload: config.Cluster.MaxPayload, Record: seen.record, Log: n.log,
	})
	services, err := cp.services(identity)
	if err != nil {
		return err
	}
	bound, err := n.bind(services)
	if err != nil {
		return err
	}
	if cp.backup, err = n.openBackup(ctx, cp.readAgain); err != nil {
		return err
	}
	if err := cp.publish(ctx, atStart); err != nil {
		return err
	}
	n.serve(bound)
	n.release = append(n.release, func() error { cp.server.Close(); return nil })
	n.run("record the data planes", seen.run)
	n.run("publish the configuration", cp.publishChanges)
	n.run("watch the database", cp.watchDatabase)
	return nil
}

func (cp *controlPlane) services(identity hybrid.Identity) ([]service, error) {
	n, config := cp.node, cp.node.options.Config
	ofAdmin, err := newCertificates(config.AdminTLS)
	if err != nil {
		return nil, fmt.Errorf("admin_ssl_cert: %w", err)
	}
	status, err := n.statusService(cp, nil)
	if err != nil {
		return nil, err
	}
	api := admin.New(admin.Options{Store: cp.db, Version: config.Version, NodeID: n.id, Hostname: n.options.Hostname,
		Plugins:       append(slices.Clip(config.Plugins), config.OtherPlugins...),
		MaxBody:       cmp.Or(config.AdminMaxBody, math.MaxInt64),
		Configuration: config.Redacted(), Log: n.log})
	return []service{
		{name: "cluster", addresses: config.Cluster.Listen, handler: cp.server, tls: identity.ServerTLS(),
			patience: config.Timing.HandshakeTimeout},
		{name: "admin", addresses: config.AdminListen, handler: withMetrics(api, status.handler), tls: ofAdmin.config()},
		status,
	}, nil
}

// publishChanges publishes the first change at once, and then at most one
// configuration in each db_update_frequency: the newest. What cannot be published is
// tried again at that pace; only the first failure of a row is logged.
func (cp *controlPlane) publishChanges(ctx context.Context) error {
	failing := false
	for {
		why := afterChange
		select {
		case <-ctx.Done():
			cp.flush(ctx)
			return nil
		case <-cp.db.Changes():
		case <-cp.refresh:
			why = forExporter
		}
		cp.dirty.Store(true)
		for cp.dirty.Load() {
			err := cp.publish(ctx, why)
			if err != nil && !failing && ctx.Err() == nil {
				cp.node.log.Error("configuration.unpublished", "error", err)
			}
			failing = err != nil
			if !sleep(ctx, max(cp.node.options.Config.DBUpdateFrequency, time.Millisecond)) {
				cp.flush(ctx)
				return nil
			}
		}
	}
}

// flush publishes what changed since the last time, for the exporter: the data
// planes are about to be cut off. It goes on after the end of ctx.
func (cp *controlPlane) flush(ctx context.Context) {
	select {
	case <-cp.db.Changes():
		cp.dirty.Store(true)
	default:
	}
	if !cp.dirty.Load() {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	if err := cp.publish(ctx, afterChange); err != nil {
		cp.node.log.Error("configuration.unpublished", "error", err)
	}
}

// readAgain makes publishChanges offer what the database holds, changed or not. It
// does not wait.
func (cp *controlPlane) readAgain() {
	select {
	case cp.refresh <- struct{}{}:
	default: // it will
	}
}

// occasion is why something is published.
type occasion int

const (
	afterChange occasion = iota
	atStart              // an empty database is not offered as a backup: it may be new, and the backup is not
	forExporter          // what is as before is offered as a backup, and pushed to nobody
)

// publish hands out what the database holds.
func (cp *controlPlane) publish(ctx context.Context, why occasion) error {
	mark := cp.backup.mark()
	delta, err := cp.catchUp(ctx)
	if err == nil || ctx.Err() == nil { // the node's end says nothing about the database
		cp.access.read(err, cp.backup.online)
	}
	if err != nil {
		return fmt.Errorf("export the configuration: %w", err)
	}
	if !cp.guard.allows(contents{delta.Entities, delta.Revision, delta.Cluster}) {
		return nil // it stays dirty
	}
	made, err := cp.builder.Make(time.Now())
	if err != nil {
		return err
	}
	if why != forExporter || made.Hashes.Config != cp.published {
		cp.server.Publish(hybrid.Publication{Frame: made.Frame, Plugins: made.Plugins})
		cp.node.log.Info("configuration.published", "hash", made.Hashes.Config, "bytes", len(made.Frame), "dataplanes", cp.server.Clients())
		cp.published = made.Hashes.Config
	}
	if cp.backup.exporter != nil && (why != atStart || !made.Empty) {
		cp.backup.offer(made.Table(), made.Hashes.Config, mark)
	}
	cp.dirty.Store(false)
	return nil
}

// catchUp tells the builder what changed in the database. If that does not add up,
// it reads everything.
func (cp *controlPlane) catchUp(ctx context.Context) (*store.Delta, error) {
	for {
		delta, err := cp.db.Since(ctx, cp.builder.Position())
		if err != nil {
			return nil, err
		}
		err = cp.builder.Apply(delta)
		if errors.Is(err, publication.ErrIncomplete) && !delta.Whole {
			cp.node.log.Warn("database.reread", "reason", err.Error())
			continue // whose position is the beginning now
		}
		return delta, err
	}
}

// ready is the Status API's question: a control plane is ready while its
// database can be read.
func (cp *controlPlane) ready(ctx context.Context) string {
	if cp.db.Ping(ctx) != nil {
		return "failed to connect to database"
	}
	return ""
}

func (cp *controlPlane) describe(ctx context.Context, status map[string]any) {
	status["database"] = map[string]any{"reachable": cp.db.Ping(ctx) == nil}
	if cp.node.options.Config.Fallback.Export {
		status["fallback"] = exportStatus(cp.backup)
	}
}

// upstream implements [reporter]. The views are those of nodes without a database.
func (cp *controlPlane) upstream(string) (upstreamView, bool) { return upstreamView{}, false }

// measureTimeout bounds what the database may take for /metrics.
const measureTimeout = 5 * time.Second

func (cp *controlPlane) measure(ctx context.Context, tell teller) {
	ctx, cancel := context.WithTimeout(ctx, measureTimeout)
	defer cancel()
	tell("kong_datastore_reachable", oneIf(cp.db.Ping(ctx) == nil))
	tell("blackout_configuration_dirty", oneIf(cp.dirty.Load()))
	tell("blackout_cluster_clients", float64(cp.server.Clients()))
	for after, more := "", true; more; {
		page, rest, err := cp.db.DataPlanes(ctx, store.Query{After: after, Size: 1000})
		if err != nil {
			break // told as not reachable
		}
		for _, dp := range page {
			after = dp.ID
			measureDataPlane(dp, tell)
		}
		more = rest && len(page) > 0
	}
	cp.backup.measure(ctx, tell)
}

func measureDataPlane(dp store.DataPlane, tell teller) {
	tell("kong_data_plane_last_seen", float64(dp.LastSeen), dp.ID, dp.Hostname, dp.IP)
	tell("kong_data_plane_version_compatible", oneIf(dp.SyncStatus != hybrid.SyncVersionIncompatible), dp.ID, dp.Hostname, dp.IP, dp.Version)
	if hash, ok := new(big.Int).SetString(dp.ConfigHash, 16); ok {
		value, _ := new(big.Float).SetInt(hash).Float64()
		tell("kong_data_plane_config_hash", value, dp.ID, dp.Hostname, dp.IP)
	}
}

// sleep waits for d and reports whether it passed before ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
