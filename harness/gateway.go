// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"blackout/harness/engine"
	"blackout/harness/fault"
	"blackout/harness/history"
	"blackout/harness/store"
	"blackout/harness/topology"
)

// The ports of a gateway node.
const (
	portProxy    = "proxy"
	portProxyTLS = "proxy-tls" // of data planes with ProxyTLS
	portAdmin    = "admin"
	portCluster  = "cluster"
	portStatus   = "status"
)

// Where the snapshot lives. The version is the one that the nodes are told to
// use, so that it is the same for any build of the gateway.
const (
	bucket  = "blackout"
	prefix  = "backup"
	version = "3.9.1"
)

// Storage is where snapshots live, as a recording names it.
const Storage = bucket + "/" + prefix

func snapshotKey() string { return prefix + "/" + version + "/config.json" }

// gatewayPorts are the ports that a node has by its role.
func gatewayPorts(n topology.Node) []string {
	switch {
	case n.Role == topology.ControlPlane:
		return []string{portAdmin, portCluster, portStatus}
	case n.ProxyTLS:
		return []string{portProxy, portProxyTLS, portStatus}
	default:
		return []string{portProxy, portStatus}
	}
}

// addNode opens a node's edges, puts the faults given for it in force, and only
// then starts it: no connection of its slips by. It waits until a control plane
// answers, and not until a data plane is ready. The error wraps engine.ErrEnded if
// the process did not survive its start.
func (c *Cluster) addNode(ctx context.Context, n topology.Node, faults []fault.Spec) error {
	process, err := c.prepareNode(ctx, n, faults)
	if err != nil {
		return err
	}
	return c.startNode(ctx, n, process)
}

// prepareNode does for a node what comes before its start, and returns what it is to be
// started with.
func (c *Cluster) prepareNode(ctx context.Context, n topology.Node, faults []fault.Spec) (engine.Process, error) {
	if err := c.reserve(ctx, n.Name, "gateway", gatewayPorts(n)...); err != nil {
		return engine.Process{}, fmt.Errorf("%w: %w", ErrEnvironment, err)
	}
	process, err := c.settings(ctx, n)
	if err != nil {
		return engine.Process{}, fmt.Errorf("%w: %w", ErrEnvironment, err)
	}
	if len(faults) > 0 {
		if err := c.inject(ctx, faults); err != nil {
			return engine.Process{}, err
		}
		setIdentity(process.Env, c.Identity(n.Name)) // it may have been given another
	}
	return process, nil
}

// startNode starts a node that was prepared, and begins to look at it.
func (c *Cluster) startNode(ctx context.Context, n topology.Node, process engine.Process) error {
	if n.Routes > 0 {
		if err := c.fillDatabase(ctx, n, process); err != nil {
			return err
		}
	}
	if err := c.startGateway(ctx, n.Name, process); err != nil {
		return err
	}
	if n.Role == topology.DataPlane {
		return c.watchOnce(ctx, n.Name)
	}
	if err := c.awaitAnswer(ctx, c.has.node(n.Name), portAdmin, "/status"); err != nil {
		return fmt.Errorf("%w: %w", ErrUnsteady, err)
	}
	c.watchListing(n.Name)
	return nil
}

// watchOnce begins to look at a data plane, unless that was begun in an earlier life
// of it: a watcher finds the node again.
func (c *Cluster) watchOnce(ctx context.Context, name string) error {
	c.mu.Lock()
	watched := c.watching[name]
	c.mu.Unlock()
	if watched {
		return nil
	}
	if err := c.watch(ctx, name); err != nil {
		return err
	}
	c.mu.Lock()
	c.watching[name] = true
	c.mu.Unlock()
	return nil
}

// settings is what a node is started with, but for its own parameters, which may
// change. Its edges are opened and its account is made on the way.
func (c *Cluster) settings(ctx context.Context, n topology.Node) (engine.Process, error) {
	var p engine.Process
	if err := c.giveDisk(ctx, n); err != nil {
		return p, err
	}
	env := c.gatewayEnv(c.has.site(n.Name), n)
	if n.Role == topology.ControlPlane {
		if err := c.giveDatabase(ctx, n, env); err != nil {
			return p, err
		}
	}
	if err := c.openEdges(ctx, n, env); err != nil {
		return p, err
	}
	if n.HasAccount() {
		if err := c.giveAccount(ctx, n, env); err != nil {
			return p, err
		}
	}
	if n.StoreTLS {
		// Go, and OpenSSL with it, look there for the authorities that they trust.
		env["SSL_CERT_FILE"] = c.has.site(n.Name).Dir() + "/" + authorityFile
		p.Files = map[string][]byte{authorityFile: c.authority.Certificate}
	}
	p.Env = env
	return p, nil
}

// authorityFile is the authority of the stores' certificates, in a node's
// directory.
const authorityFile = "store-authority.pem"

// giveDisk gives a node the disk that its topology asks for. Where the engine
// cannot, the node does without: faults of its disk are then not staged.
func (c *Cluster) giveDisk(ctx context.Context, n topology.Node) error {
	if _, has := c.has.disk(n.Name); has || n.Disk == 0 {
		return nil
	}
	disk, err := c.has.site(n.Name).Disk(ctx, n.Disk)
	if errors.Is(err, engine.ErrUnsupported) {
		c.progress("  no disk of its own for %s: %v", n.Name, err)
		return nil
	}
	if err == nil {
		c.has.addDisk(n.Name, disk)
	}
	return err
}

// prefix is where a node keeps its files: on its own disk, if it has one.
func (c *Cluster) prefix(n topology.Node) string {
	if disk, has := c.has.disk(n.Name); has {
		return disk.Dir + "/kong"
	}
	return c.has.site(n.Name).Dir() + "/kong"
}

// withParameters is a process that also has the parameters that its node has now.
func (c *Cluster) withParameters(name string, p engine.Process) engine.Process {
	p.Env = maps.Clone(p.Env)
	if p.Env == nil {
		p.Env = make(map[string]string)
	}
	n, _ := c.topology.Node(name)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, parameters := range []map[string]string{n.Parameters, c.parameters[name]} {
		for parameter, value := range parameters {
			p.Env["KONG_"+strings.ToUpper(parameter)] = value
		}
	}
	return p
}

// gatewayEnv is the environment of a node's role, but for a control plane's
// database, which stays where it is.
func (c *Cluster) gatewayEnv(site engine.Site, n topology.Node) map[string]string {
	p := c.plan.Profile
	env := map[string]string{
		"KONG_ROLE":          string(n.Role),
		"KONG_PREFIX":        c.prefix(n),
		"KONG_STATUS_LISTEN": site.Listen(portStatus),
		"KONG_LOG_LEVEL":     "debug",

		"KONG_BLACKOUT_VERSION":               version,
		"KONG_BLACKOUT_BUCKET_VERSION":        version,
		"KONG_BLACKOUT_RECONNECT_MIN":         p.ReconnectMin.String(),
		"KONG_BLACKOUT_RECONNECT_MAX":         p.ReconnectMax.String(),
		"KONG_BLACKOUT_PING_INTERVAL":         p.PingInterval.String(),
		"KONG_BLACKOUT_SILENCE":               p.Silence.String(),
		"KONG_BLACKOUT_DIAL_TIMEOUT":          p.DialTimeout.String(),
		"KONG_BLACKOUT_NO_CONFIGURATION_WAIT": p.NoConfiguration.String(),
	}
	setIdentity(env, c.Identity(n.Name))
	if n.Role == topology.ControlPlane {
		env["KONG_ADMIN_LISTEN"] = site.Listen(portAdmin)
		env["KONG_CLUSTER_LISTEN"] = site.Listen(portCluster)
		env["KONG_DB_UPDATE_FREQUENCY"] = "0.5"
		return env
	}
	env["KONG_DATABASE"] = "off"
	env["KONG_PROXY_LISTEN"] = site.Listen(portProxy)
	if n.ProxyTLS {
		env["KONG_PROXY_LISTEN"] += ", " + site.Listen(portProxyTLS) + " ssl"
	}
	return env
}

// giveAccount gives a node its own credential for the store and its fallback
// parameters.
func (c *Cluster) giveAccount(ctx context.Context, n topology.Node, env map[string]string) error {
	rights := store.Read
	if n.Export {
		rights = store.Write
	}
	account, err := c.store(c.topology.StoreEdge(n.Name).To).NewAccount(ctx, n.Name, bucket, prefix, rights)
	if err != nil {
		return fmt.Errorf("make a store account for %s: %w", n.Name, err)
	}
	c.takeAccount(n.Name, account)
	maps.Copy(env, account.Environment())
	c.setFallback(env, n)
	return nil
}

// takeAccount notes whose a credential is.
func (c *Cluster) takeAccount(holder string, account store.Account) {
	c.rec.Redact(account.SecretKey, account.SessionToken)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.authors[account.AccessKey] = holder
	c.accounts[holder] = account
}

// setFallback sets what a node may do with the snapshot.
func (c *Cluster) setFallback(env map[string]string, n topology.Node) {
	env["KONG_CLUSTER_FALLBACK_CONFIG_STORAGE"] = "s3://" + bucket + "/" + prefix
	env["KONG_CLUSTER_FALLBACK_CONFIG_IMPORT"] = onOff(n.Import)
	env["KONG_CLUSTER_FALLBACK_CONFIG_EXPORT"] = onOff(n.Export)
	if n.Encryption != "" {
		env["KONG_CLUSTER_FALLBACK_EXPORT_S3_CONFIG"] = fmt.Sprintf(`{"ServerSideEncryption":%q}`, n.Encryption)
	}
	env["KONG_BLACKOUT_FALLBACK_LEASE"] = lease(c.plan.Profile).String()
	env["KONG_CLUSTER_FALLBACK_CONFIG_EXPORT_DELAY"] = strconv.FormatFloat(c.plan.Profile.ExportDelay.Seconds(), 'f', -1, 64)
}

// lease is how long the backup node that writes may be silent before another takes
// over: as by default, or less under faster timers, yet so long that a busy
// machine does not make a writer look dead.
func lease(p history.Profile) time.Duration {
	const byDefault, silences = 20 * time.Second, 3
	return min(byDefault, silences*p.Silence)
}

func onOff(b bool) string {
	if b {
		return "on"
	}
	return "off"
}

// startGateway starts a gateway node's process with the node's parameters, also at
// the site of one that has ended.
func (c *Cluster) startGateway(ctx context.Context, name string, process engine.Process) error {
	c.has.setProcess(name, process)
	node, err := c.startProcess(ctx, c.has.site(name), c.withParameters(name, process), func() {
		c.rec.Event(history.Event{Kind: history.NodeStart, Node: name})
	})
	if node != nil && c.has.addNode(node) {
		c.observe(node)
	}
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, engine.ErrEnded) && node != nil:
		return fmt.Errorf("%w; its last line: %s", err, c.lastLine(ctx, node))
	}
	return fmt.Errorf("%w: %w", ErrEnvironment, err)
}

// stopGrace is how long a node that is asked to end may take.
const stopGrace = 10 * time.Second

// stopNode ends a node, on purpose. One that had ended by itself before is recorded
// as dead first: its next life would hide that.
func (c *Cluster) stopNode(ctx context.Context, name, why string) error {
	node := c.has.node(name)
	if node == nil {
		return fmt.Errorf("stop %s: it was never started", name)
	}
	if err := c.recordDeath(ctx, name); err != nil {
		return fmt.Errorf("%w: %w", ErrEnvironment, err)
	}
	c.rec.Event(history.Event{Kind: history.NodeStop, Node: name, Text: why})
	c.has.markStopped(name)
	if err := node.Stop(ctx, stopGrace); err != nil {
		return fmt.Errorf("%w: %w", ErrEnvironment, err)
	}
	return nil
}

// changeNode starts a node again with other settings; its edges and its account
// stay.
func (c *Cluster) changeNode(ctx context.Context, n topology.Node) error {
	process := c.has.process(n.Name)
	env := maps.Clone(process.Env)
	if err := c.stopNode(ctx, n.Name, "it is started again with other settings"); err != nil {
		return err
	}
	maps.Copy(env, c.gatewayEnv(c.has.site(n.Name), n))
	if n.HasAccount() {
		c.setFallback(env, n)
	}
	process.Env = env
	return c.startGateway(ctx, n.Name, process)
}

// recordDeaths records processes that ended though nobody ended them.
func (c *Cluster) recordDeaths(ctx context.Context) error {
	var errs []error
	for _, name := range c.has.started() {
		errs = append(errs, c.recordDeath(ctx, name))
	}
	return errors.Join(errs...)
}

// recordDeath records that a node's process ended though nobody ended it, if so.
func (c *Cluster) recordDeath(ctx context.Context, name string) error {
	node := c.has.node(name)
	state, err := node.State(ctx)
	if err != nil {
		return fmt.Errorf("state of %s: %w", name, err)
	}
	if !state.Running && !c.has.wasStopped(name) {
		c.rec.Event(history.Event{Kind: history.NodeExit, Node: name, Code: state.ExitCode, Text: c.lastWords(ctx, node)})
	}
	return nil
}
