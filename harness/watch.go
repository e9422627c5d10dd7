// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"time"

	"blackout/fixtures"
	"blackout/harness/traffic"
)

// A data plane's readiness and route are looked at every watchInterval; of many data
// planes, so often that all of them together are looked at every watchShare. A look
// costs the machine about half a millisecond, which starting nodes need as well.
const (
	watchInterval = 50 * time.Millisecond
	watchShare    = 5 * time.Millisecond
)

// redialInterval is how often a data plane that takes no connection is tried.
const redialInterval = 5 * time.Millisecond

// watch begins to look at a data plane's readiness and route, and keeps a
// connection to it.
func (c *Cluster) watch(ctx context.Context, node string) error {
	status, err := c.trafficTo(ctx, node, portStatus)
	if err != nil {
		return err
	}
	target, err := c.target(ctx, node)
	if err != nil {
		return err
	}
	w := traffic.Watch{Node: node, Status: status, Route: target, Interval: c.watchInterval, Timeout: 2 * time.Second,
		Life: func() int { return c.has.life(node) }}
	c.watched.Add(1)
	c.background(func(ctx context.Context) { w.Run(ctx, c.rec) })
	idle := traffic.Connection{Node: node, Endpoint: target.Endpoint, Redial: redialInterval, Timeout: 250 * time.Millisecond}
	c.background(func(ctx context.Context) { idle.Run(ctx, c.rec) })
	return nil
}

// watchInterval is the time from one look at a data plane to the next.
func (c *Cluster) watchInterval() time.Duration {
	return max(watchInterval, time.Duration(c.watched.Load())*watchShare)
}

// target is every route of a data plane, or of many a sample, the probed one first: a
// gateway that serves a part of its configuration does not serve it.
func (c *Cluster) target(ctx context.Context, node string) (traffic.Target, error) {
	endpoint, err := c.trafficTo(ctx, node, portProxy)
	target := traffic.Target{Endpoint: endpoint}
	routes := c.routes
	if len(routes) == 0 { // nothing is loaded yet; the watcher looks all the same
		routes = fixtures.Routes(0)
	}
	for _, r := range sampled(routes) {
		target.Paths = append(target.Paths, r.Paths...)
	}
	if c.guarded {
		target.GuardedPaths, target.Key = []string{fixtures.GuardedPath}, c.key
	}
	return target, err
}

// maxProbed is how many routes are probed at most. A round of more would outlast a
// run, and leave out the last ones.
const maxProbed = 256

// sampled are routes from all over a configuration, its first and its last among
// them.
func sampled(routes []fixtures.Route) []fixtures.Route {
	if len(routes) <= maxProbed {
		return routes
	}
	some := make([]fixtures.Route, maxProbed)
	for i := range some {
		some[i] = routes[i*(len(routes)-1)/(maxProbed-1)]
	}
	return some
}

// trafficTo is a port of a node for traffic, which finds it also after the node was
// started again.
func (c *Cluster) trafficTo(ctx context.Context, node, name string) (traffic.Endpoint, error) {
	find := func(ctx context.Context) (string, error) { return c.endpoint(ctx, node, name) }
	address, err := find(ctx)
	return traffic.Endpoint{Address: address, Find: find}, err
}
