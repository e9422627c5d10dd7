// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"errors"

	"blackout/harness/engine"
	"blackout/harness/fault"
	"blackout/harness/topology"
)

// packetDropper drops the packets of edges where Toxiproxy runs. The network is
// opened for each call: another life of Toxiproxy has another one.
type packetDropper struct {
	engine engine.Engine
	node   engine.Node
	handle engine.Handle
}

var _ fault.Dropper = (*packetDropper)(nil)

// dropper is the means to drop the packets of edges; nil where the engine has none.
func (c *Cluster) dropper(ctx context.Context) (fault.Dropper, error) {
	node, err := c.startedNode(topology.Toxiproxy)
	if err != nil {
		return nil, err
	}
	d := &packetDropper{engine: c.engine, node: node}
	filter, err := d.open(ctx)
	if errors.Is(err, engine.ErrUnsupported) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	d.handle = filter.Handle()
	return d, nil
}

func (d *packetDropper) open(ctx context.Context) (engine.Netfilter, error) {
	return d.engine.Netfilter(ctx, d.node)
}

// Drop implements fault.Dropper.
func (d *packetDropper) Drop(ctx context.Context, edge topology.Edge) error {
	filter, err := d.open(ctx)
	if err != nil {
		return err
	}
	return filter.Drop(ctx, edge.String())
}

// Restore implements fault.Dropper.
func (d *packetDropper) Restore(ctx context.Context, edge topology.Edge) error {
	filter, err := d.open(ctx)
	if err != nil {
		return err
	}
	return filter.Accept(ctx, edge.String())
}

// Undo implements fault.Dropper. It lets the packets of every edge through.
func (d *packetDropper) Undo(topology.Edge) []fault.Undo {
	return []fault.Undo{{Do: fault.UndoNetwork, Args: d.handle}}
}
