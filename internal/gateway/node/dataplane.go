// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"blackout/internal/gateway/cache"
	"blackout/internal/gateway/entity"
	"blackout/internal/gateway/hybrid"
	"blackout/internal/gateway/proxy"
)

// source is where a configuration came from.
type source string

const (
	fromControlPlane source = "control_plane"
	fromCache        source = "cache"
	fromStore        source = "store"
	fromDeclarative  source = "declarative_config"
)

// errOvertaken is why an import comes to nothing when the control plane was
// faster.
var errOvertaken = errors.New("a configuration is already in force")

// configuration is one that is in force, or is about to be.
type configuration struct {
	cache.Entry
	source    source
	table     *entity.Table // that Entry.Table is the text of; nil until it is parsed
	balancing balancing
	applied   time.Time

	// greeting: the control plane sent it first of all over its connection.
	greeting bool
}

// dataPlane takes configurations from the control plane, its cache, a
// declarative file and the object store, and serves with the newest.
type dataPlane struct {
	log    *slog.Logger
	proxy  *proxy.Proxy
	cache  cache.Cache
	backup backup
	keeps  bool // the configuration for others, and proxies nothing; see keeper.go

	takesEmpty bool // also as a greeting; see refusesEmpty

	applying sync.Mutex                    // one configuration at a time
	unkept   bool                          // the one in force is not on the disk; guarded by applying
	current  atomic.Pointer[configuration] // nil until routes are live

	expiry    time.Time    // of the node's cluster certificate
	building  atomic.Bool  // the first configuration is being put into force
	refused   atomic.Int64 // configurations of the control plane
	connected atomic.Bool  // to the control plane

	configured func() // see [Options]

	// live ends when the first configuration is in force.
	live    context.Context
	setLive context.CancelFunc

	imports *importState
	link    linkState // belongs to the client
	greeted bool      // a configuration came over the connection; belongs to the client
	asked   uint64    // the exporter's mark as it was when the control plane was dialled; belongs to the client
}

func (n *Node) assembleDataPlane(ctx context.Context) error {
	config := n.options.Config
	identity, err := clusterIdentity(config)
	if err != nil {
		return err
	}
	dp := &dataPlane{
		log:   n.log,
		proxy: proxy.New(proxy.Options{Version: config.Version, Log: n.log, Settings: config.Proxy, Trust: config.Trust, Plugins: config.Plugins}),
		keeps: config.KeepsOnly(), takesEmpty: config.TakeEmpty,

		configured: n.options.Configured,
		expiry:     identity.Expiry(),
		cache:      cache.Cache{Path: filepath.Join(config.Prefix, "config.cache"), Version: config.Version},

		imports: newImportState(config.Timing.NoConfigurationWait),
	}
	dp.live, dp.setLive = context.WithCancel(n.work)
	context.AfterFunc(dp.live, dp.configured)
	n.release = append(n.release, func() error { dp.setLive(); dp.proxy.Close(); return nil })
	services, err := dp.services(n)
	if err != nil {
		return err
	}
	bound, err := n.bind(services)
	if err != nil {
		return err
	}
	client := hybrid.NewClient(clientOptions(n, identity), dp)
	if dp.backup, err = n.openBackup(ctx, client.Redial); err != nil {
		return err
	}
	configured, err := dp.startWithOwn(config)
	if err != nil {
		return err
	}
	n.serve(bound)
	n.runImport(dp, configured)
	n.run("follow the control plane", client.Run)
	return nil
}

func (dp *dataPlane) services(n *Node) ([]service, error) {
	config := n.options.Config
	ofProxy, err := newCertificates(config.ProxyTLS)
	if err != nil {
		return nil, fmt.Errorf("ssl_cert: %w", err)
	}
	ofProxy.named = dp.proxy.Certificate
	traffic := &counters{next: dp.proxy}
	if dp.keeps {
		traffic.next = refuser{version: config.Version}
	}
	status, err := n.statusService(dp, traffic)
	if err != nil {
		return nil, err
	}
	return []service{
		{name: "proxy", addresses: config.ProxyListen, handler: traffic, track: traffic.track, tls: ofProxy.config(),
			wrap: dp.proxy.Listener, maxHeader: proxy.MaxHeader},
		status,
	}, nil
}

func clientOptions(n *Node, identity hybrid.Identity) hybrid.ClientOptions {
	config := n.options.Config
	return hybrid.ClientOptions{
		Address: config.Cluster.ControlPlane, Identity: identity,
		NodeID: n.id, Hostname: n.options.Hostname, Version: config.Version, Labels: config.Cluster.Labels,
		Plugins: advertisedPlugins(config), ProcessConf: config.Redacted(),
		ReconnectMin: config.Timing.ReconnectMin, ReconnectMax: config.Timing.ReconnectMax,
		PingInterval: config.Timing.PingInterval, Silence: config.Timing.Silence, DialTimeout: config.Timing.DialTimeout,
		ReconnectSpread: config.Timing.ReconnectSpread, HonourRetryAfter: config.Timing.HonourRetryAfter,
		MaxPayload: config.Cluster.MaxPayload, Rand: n.options.Rand, Log: n.log,
	}
}

// restore puts the cached configuration into force and reports whether there
// was a usable one.
func (dp *dataPlane) restore() bool {
	entry, err := dp.cache.Load()
	if err == nil {
		if err = dp.apply(configuration{Entry: entry, source: fromCache}); err == nil {
			return true
		}
		err = dp.cache.SetAside(err)
	}
	if errors.Is(err, cache.ErrDamaged) {
		dp.log.Error("cache.damaged", "error", err)
	} else {
		dp.log.Info("cache.absent", "reason", err.Error())
	}
	return false
}

// apply puts a configuration into force: validated whole, built, swapped
// in, kept on the disk, and only then ready. After an error everything is as it
// was before.
//
// The hash of what comes without one takes as long as the parsing. It is for the
// control plane, the status and the cache, none of which requests have to wait for.
func (dp *dataPlane) apply(c configuration) error {
	dp.applying.Lock()
	defer dp.applying.Unlock()
	old := dp.current.Load()
	if old != nil && c.source == fromStore {
		return errOvertaken
	}
	if old != nil && old.Hash == c.Hash && c.Hash != "" {
		dp.confirm(old, c)
		return nil
	}
	dp.building.Store(old == nil)
	defer dp.building.Store(false)
	served, err := dp.prepare(&c, old)
	if err != nil {
		return err
	}
	c.balancing = balancing{upstreams: c.table.Rows(entity.Upstreams.Name), targets: c.table.Rows(entity.Targets.Name)}
	c.applied = time.Now()
	if served != nil {
		dp.proxy.Use(served)
	}
	dp.sum(&c)
	dp.keep(c)
	dp.current.Store(&c)
	dp.setLive()
	for _, warning := range c.table.Warnings {
		dp.log.Warn("configuration.warning", "source", c.source, "warning", warning)
	}
	dp.log.Info("configuration.applied", "source", c.source, "hash", c.Hash, "services", len(c.table.Services), "routes", len(c.table.Routes))
	dp.offer(c)
	return nil
}

// sum computes the hash of a configuration that came without one.
func (dp *dataPlane) sum(c *configuration) {
	if c.Hash != "" {
		return
	}
	hashes, err := c.table.Hashes()
	if err != nil { // of a text that was parsed: a defect, and requests are served already
		dp.log.Error("configuration.unhashed", "source", c.source, "error", err)
		hashes.Config = entity.EmptyHash // a control plane sends its own, as to a node without one
	}
	c.Hash, c.Hashes = hashes.Config, &hashes
}

// prepare validates a configuration whole, if that is not done yet, and builds what
// serves with it, which is nil on a node that serves nobody. old is the
// configuration in force, or nil.
func (dp *dataPlane) prepare(c, old *configuration) (*proxy.Configuration, error) {
	if c.table == nil {
		var before *entity.Table
		if old != nil {
			before = old.table
		}
		var err error
		if c.table, err = dp.parse(*c, before); err != nil {
			return nil, err
		}
	}
	if c.table.IsEmpty() && dp.refusesEmpty(c, old) {
		return nil, entity.ErrEmpty
	}
	if dp.keeps {
		return nil, nil
	}
	return dp.proxy.Build(c.table)
}

// refusesEmpty says whether an empty configuration is not put into force. From the
// store it is none. From a control plane it is the order to serve nothing, but as the
// first word of one that was away it may as well mean that it lost its database, and
// what serves then goes on. blackout_take_empty=on takes it, as Kong 3.9 does.
func (dp *dataPlane) refusesEmpty(c, old *configuration) bool {
	serves := old != nil && !old.table.IsEmpty()
	return c.source == fromStore || c.greeting && serves && !dp.takesEmpty
}

// confirm notes that the configuration in force came once more. It may be that the
// disk takes it now, which still holds the one before.
func (dp *dataPlane) confirm(old *configuration, c configuration) {
	if dp.unkept {
		dp.keep(*old)
	}
	if old.source != c.source {
		confirmed := *old
		confirmed.source = c.source
		dp.current.Store(&confirmed)
		dp.log.Info("configuration.confirmed", "source", c.source, "hash", c.Hash)
	}
	dp.offer(c)
}

// keep writes the configuration to the disk. A disk that fails costs the next
// start, not this one, unless the configuration comes again before that.
func (dp *dataPlane) keep(c configuration) {
	if c.source == fromCache {
		return
	}
	err := dp.cache.Save(c.Entry)
	if dp.unkept = err != nil; dp.unkept {
		dp.log.Error("cache.unsaved", "hash", c.Hash, "error", err)
	}
}

// offer hands what the control plane sent to the exporter, and nothing else: a
// configuration from the store would only be written back over a newer one.
func (dp *dataPlane) offer(c configuration) {
	if c.source == fromControlPlane {
		dp.backup.offer(c.Table, c.Hash, dp.asked)
	}
}

// ready is the Status API's question.
func (dp *dataPlane) ready(context.Context) string {
	switch {
	case dp.keeps:
		return keepsOnly
	case dp.current.Load() != nil:
		return ""
	case dp.building.Load():
		return "router builds not yet complete, router ready in 0 of 1 workers"
	}
	return "no configuration available (empty configuration present)"
}

// upstream implements [reporter].
func (dp *dataPlane) upstream(idOrName string) (upstreamView, bool) {
	current := dp.current.Load()
	if current == nil {
		return upstreamView{}, false
	}
	view, found := current.balancing.find(idOrName)
	if found {
		view.balancer = dp.proxy.Upstream(view.record.ID())
	}
	return view, found
}

func (dp *dataPlane) measure(ctx context.Context, tell teller) {
	tell("kong_datastore_reachable", 1)
	tell("kong_data_plane_cluster_cert_expiry_timestamp", float64(dp.expiry.Unix()))
	tell("kong_control_plane_connected", oneIf(dp.connected.Load()))
	tell("blackout_configuration_refused_total", float64(dp.refused.Load()))
	current := dp.current.Load()
	for _, from := range []source{fromControlPlane, fromCache, fromStore, fromDeclarative} {
		tell("blackout_configuration_source", oneIf(current != nil && current.source == from), string(from))
	}
	if current != nil {
		tell("blackout_configuration_applied_timestamp", float64(current.applied.UnixMilli())/1000)
	}
	dp.backup.measure(ctx, tell)
}

func (dp *dataPlane) describe(_ context.Context, status map[string]any) {
	status["configuration_hash"] = entity.EmptyHash
	if current := dp.current.Load(); current != nil {
		status["configuration_hash"] = current.Hash
	}
	if dp.backup.importer == nil && dp.backup.exporter == nil {
		return
	}
	described := exportStatus(dp.backup)
	if dp.keeps {
		described["backup_only"] = true
	}
	dp.imports.describe(described)
	if current := dp.current.Load(); current != nil {
		described["source"] = current.source
	}
	status["fallback"] = described
}

// linkState is what was last logged about the connection to the control plane.
type linkState int

const (
	linkUnknown linkState = iota
	linkUp
	linkDown
)

var _ hybrid.Owner = (*dataPlane)(nil)

// Dialing implements [hybrid.Owner].
func (dp *dataPlane) Dialing() { dp.asked = dp.backup.mark() }

// Connected implements [hybrid.Owner].
func (dp *dataPlane) Connected() {
	dp.link = linkUp
	dp.connected.Store(true)
	dp.backup.online(true)
	dp.greeted = false
	dp.log.Info("controlplane.connected")
	dp.imports.quiet.begin()
}

// Disconnected implements [hybrid.Owner].
func (dp *dataPlane) Disconnected(err error) {
	dp.link = linkDown
	dp.connected.Store(false)
	dp.backup.online(false)
	if errors.Is(err, hybrid.ErrRedial) {
		dp.log.Info("controlplane.redialled", "reason", err.Error())
		return
	}
	dp.log.Warn("controlplane.disconnected", "error", err)
	dp.imports.fail()
}

// AttemptFailed implements [hybrid.Owner]. Only the first of a row is logged.
func (dp *dataPlane) AttemptFailed(err error) {
	if dp.link == linkUnknown {
		dp.log.Warn("controlplane.unreachable", "error", err)
	}
	dp.link = linkDown
	dp.imports.fail()
}

// Configure implements [hybrid.Owner]. A configuration that is not valid leaves
// everything as it is; the hash in the next ping shows it.
func (dp *dataPlane) Configure(_ context.Context, message hybrid.Reconfigure) {
	dp.imports.quiet.end()
	entry := cache.Entry{Hash: message.Hash, Hashes: message.Hashes, Table: message.Table}
	greeting := !dp.greeted
	dp.greeted = true
	if err := dp.apply(configuration{Entry: entry, source: fromControlPlane, greeting: greeting}); err != nil {
		dp.log.Error("configuration.refused", "source", fromControlPlane, "hash", message.Hash,
			"error", fmt.Errorf("bad config received from control plane: %w", err))
		dp.refused.Add(1)
		dp.configured()
		dp.imports.quiet.refuse()
	}
}

// Hash implements [hybrid.Owner].
func (dp *dataPlane) Hash() string {
	if current := dp.current.Load(); current != nil {
		return current.Hash
	}
	return entity.EmptyHash
}
