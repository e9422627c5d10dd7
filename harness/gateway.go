// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"blackout/fixtures"
	"blackout/harness/engine"
	"blackout/harness/fault"
	"blackout/harness/history"
	"blackout/harness/store"
	"blackout/harness/topology"
	"blackout/harness/traffic"
)

// The ports of a gateway node.
const (
	portProxy   = "proxy"
	portAdmin   = "admin"
	portCluster = "cluster"
	portStatus  = "status"
)

// Where the snapshot lives. The version is the one that the nodes are told to
// use, so that it is the same for any build of the gateway.
const (
	bucket  = "blackout"
	prefix  = "backup"
	version = "3.9.1"
)

func snapshotKey() string { return prefix + "/" + version + "/config.json" }

// watchInterval is how often a data plane's readiness and route are looked at.
const watchInterval = 50 * time.Millisecond

// startControlPlane starts a control plane and waits until its Admin API answers.
func (c *Cluster) startControlPlane(ctx context.Context, n topology.Node) error {
	site, err := c.engine.Reserve(ctx, n.Name, c.programs["gateway"], portAdmin, portCluster, portStatus)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrEnvironment, err)
	}
	c.sites[n.Name] = site
	env := c.gatewayEnv(site, n)
	env["KONG_DATABASE"] = "sqlite"
	env["KONG_ADMIN_LISTEN"] = site.Listen(portAdmin)
	env["KONG_CLUSTER_LISTEN"] = site.Listen(portCluster)
	env["KONG_DB_UPDATE_FREQUENCY"] = "0.5"
	if err := c.startGateway(ctx, site, env); err != nil {
		return fmt.Errorf("%w: %w", ErrUnsteady, err)
	}
	if err := awaitAnswer(ctx, c.nodes[n.Name], portAdmin, "/status"); err != nil {
		return fmt.Errorf("%w: %w", ErrUnsteady, err)
	}
	return nil
}

// addDataPlane opens a data plane's edges, puts the cuts given for them in force,
// and only then starts it: no connection of its slips by. It does not wait for
// the node to be ready. The error wraps engine.ErrEnded if the process did not survive
// its start.
func (c *Cluster) addDataPlane(ctx context.Context, n topology.Node, cuts []fault.Cut) error {
	site, err := c.engine.Reserve(ctx, n.Name, c.programs["gateway"], portProxy, portStatus)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrEnvironment, err)
	}
	c.sites[n.Name] = site
	env := c.gatewayEnv(site, n)
	env["KONG_DATABASE"] = "off"
	env["KONG_PROXY_LISTEN"] = site.Listen(portProxy)
	if err := c.openEdges(n, env); err != nil {
		return fmt.Errorf("%w: %w", ErrEnvironment, err)
	}
	if n.HasAccount() {
		if err := c.giveAccount(ctx, n, env); err != nil {
			return fmt.Errorf("%w: %w", ErrEnvironment, err)
		}
	}
	for _, cut := range cuts {
		if err := c.cut(ctx, cut); err != nil {
			return err
		}
	}
	if err := c.startGateway(ctx, site, env); err != nil {
		return err
	}
	return c.watch(ctx, n.Name)
}

// gatewayEnv is the environment that all roles share.
func (c *Cluster) gatewayEnv(site engine.Site, n topology.Node) map[string]string {
	p := c.plan.Profile
	return map[string]string{
		"KONG_ROLE":             string(n.Role),
		"KONG_PREFIX":           site.Dir() + "/kong",
		"KONG_STATUS_LISTEN":    site.Listen(portStatus),
		"KONG_CLUSTER_CERT":     string(c.identity.Certificate),
		"KONG_CLUSTER_CERT_KEY": string(c.identity.Key),
		"KONG_LOG_LEVEL":        "debug",

		"KONG_BLACKOUT_VERSION":               version,
		"KONG_BLACKOUT_BUCKET_VERSION":        version,
		"KONG_BLACKOUT_RECONNECT_MIN":         p.ReconnectMin.String(),
		"KONG_BLACKOUT_RECONNECT_MAX":         p.ReconnectMax.String(),
		"KONG_BLACKOUT_PING_INTERVAL":         p.PingInterval.String(),
		"KONG_BLACKOUT_SILENCE":               p.Silence.String(),
		"KONG_BLACKOUT_DIAL_TIMEOUT":          p.DialTimeout.String(),
		"KONG_BLACKOUT_NO_CONFIGURATION_WAIT": p.NoConfiguration.String(),
	}
}

// openEdges opens a data plane's edges and points it at them.
func (c *Cluster) openEdges(n topology.Node, env map[string]string) error {
	for _, edge := range c.topology.Edges(n) {
		if edge.To == topology.Store {
			address, err := c.openEdge(edge, c.sites[topology.StoreFront].Peer(portS3))
			if err != nil {
				return err
			}
			env["AWS_CONFIG_STORAGE_ENDPOINT"] = "http://" + address
			continue
		}
		address, err := c.openEdge(edge, c.cpPeer())
		if err != nil {
			return err
		}
		env["KONG_CLUSTER_CONTROL_PLANE"] = address
	}
	return nil
}

// openEdge opens an edge through Toxiproxy and returns the address at which the
// run's nodes dial it.
func (c *Cluster) openEdge(edge topology.Edge, upstream string) (string, error) {
	proxy := c.sites[topology.Toxiproxy]
	if err := proxy.AddPort(edge.String()); err != nil {
		return "", fmt.Errorf("open edge %s: %w", edge, err)
	}
	return proxy.Peer(edge.String()), c.links.Open(edge, proxy.Listen(edge.String()), upstream)
}

// giveAccount gives a node its own credential for the store and its fallback
// parameters.
func (c *Cluster) giveAccount(ctx context.Context, n topology.Node, env map[string]string) error {
	rights := store.Read
	if n.Export {
		rights = store.Write
	}
	account, err := c.store.NewAccount(ctx, n.Name, bucket, prefix, rights)
	if err != nil {
		return fmt.Errorf("make a store account for %s: %w", n.Name, err)
	}
	c.authorsMu.Lock()
	c.authors[account.AccessKey] = n.Name
	c.authorsMu.Unlock()
	maps.Copy(env, account.Environment())
	env["KONG_CLUSTER_FALLBACK_CONFIG_STORAGE"] = "s3://" + bucket + "/" + prefix
	env["KONG_CLUSTER_FALLBACK_CONFIG_IMPORT"] = onOff(n.Import)
	env["KONG_CLUSTER_FALLBACK_CONFIG_EXPORT"] = onOff(n.Export)
	env["KONG_CLUSTER_FALLBACK_CONFIG_EXPORT_DELAY"] = strconv.FormatFloat(c.plan.Profile.ExportDelay.Seconds(), 'f', -1, 64)
	return nil
}

func onOff(b bool) string {
	if b {
		return "on"
	}
	return "off"
}

func (c *Cluster) startGateway(ctx context.Context, site engine.Site, env map[string]string) error {
	c.rec.Event(history.Event{Kind: history.NodeStart, Node: site.Name()})
	node, err := c.engine.Start(ctx, site, engine.Process{Env: env})
	if node != nil {
		c.nodes[site.Name()] = node
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

// watch begins to look at a data plane's readiness and route.
func (c *Cluster) watch(ctx context.Context, node string) error {
	status, err := c.endpoint(ctx, node, portStatus)
	if err != nil {
		return err
	}
	target, err := c.target(ctx, node)
	if err != nil {
		return err
	}
	w := traffic.Watch{Node: node, Status: status, Route: target, Interval: watchInterval, Timeout: 2 * time.Second}
	c.background(func(ctx context.Context) { w.Run(ctx, c.rec) })
	return nil
}

// target is every route of a data plane, the probed one first: a gateway that
// serves a part of its configuration does not serve it.
func (c *Cluster) target(ctx context.Context, node string) (traffic.Target, error) {
	address, err := c.endpoint(ctx, node, portProxy)
	target := traffic.Target{Address: address}
	for _, r := range fixtures.Routes(c.routes) {
		target.Paths = append(target.Paths, r.Paths...)
	}
	return target, err
}

func (c *Cluster) cpPeer() string { return c.sites[c.topology.ControlPlane()].Peer(portCluster) }

// recordDeaths records processes that ended though nobody ended them.
func (c *Cluster) recordDeaths(ctx context.Context) error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(c.nodes)) {
		state, err := c.nodes[name].State(ctx)
		if err != nil {
			errs = append(errs, fmt.Errorf("state of %s: %w", name, err))
			continue
		}
		if !state.Running {
			c.rec.Event(history.Event{Kind: history.NodeExit, Node: name, Code: state.ExitCode, Text: c.lastLine(ctx, c.nodes[name])})
		}
	}
	return errors.Join(errs...)
}
