// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"fmt"

	"blackout/harness/topology"
)

// openEdges opens a node's edges, but that to its database, and points it at them.
func (c *Cluster) openEdges(ctx context.Context, n topology.Node, env map[string]string) error {
	for _, edge := range c.topology.Edges(n) {
		var err error
		switch {
		case edge.ToDatabase(): // opened with the database
		case c.topology.ToStore(edge):
			err = c.openStoreEdge(ctx, n, edge, env)
		default:
			env["KONG_CLUSTER_CONTROL_PLANE"], err = c.openEdge(ctx, edge, c.has.site(edge.To).Peer(portCluster))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *Cluster) openStoreEdge(ctx context.Context, n topology.Node, edge topology.Edge, env map[string]string) error {
	if !n.StoreTLS {
		address, err := c.openEdge(ctx, edge, c.has.site(topology.FrontOf(edge.To)).Peer(portS3))
		env["AWS_CONFIG_STORAGE_ENDPOINT"] = "http://" + address
		return err
	}
	proxy := c.has.site(topology.Toxiproxy)
	if c.has.isOpen(edge) {
		env["AWS_CONFIG_STORAGE_ENDPOINT"] = "https://" + proxy.Peer(edge.String())
		return nil
	}
	if err := proxy.AddPort(edge.String()); err != nil {
		return fmt.Errorf("open edge %s: %w", edge, err)
	}
	behind, err := c.openTLS(ctx, n.Name, edge.To, c.edgeHost(edge))
	if err != nil {
		return err
	}
	env["AWS_CONFIG_STORAGE_ENDPOINT"] = "https://" + proxy.Peer(edge.String())
	if err := c.links.Open(ctx, edge, proxy.Listen(edge.String()), behind); err != nil {
		return err
	}
	c.has.addEdge(edge)
	return nil
}

// openEdge opens an edge through Toxiproxy, unless a node that was there before has
// left it open, and returns the address at which the run's nodes dial it.
func (c *Cluster) openEdge(ctx context.Context, edge topology.Edge, upstream string) (string, error) {
	proxy := c.has.site(topology.Toxiproxy)
	if c.has.isOpen(edge) {
		return proxy.Peer(edge.String()), nil
	}
	if err := proxy.AddPort(edge.String()); err != nil {
		return "", fmt.Errorf("open edge %s: %w", edge, err)
	}
	if err := c.links.Open(ctx, edge, proxy.Listen(edge.String()), upstream); err != nil {
		return "", err
	}
	c.has.addEdge(edge)
	return proxy.Peer(edge.String()), nil
}
