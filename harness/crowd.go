// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"errors"
	"math"
	"slices"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"blackout/harness/engine"
	"blackout/harness/fault"
	"blackout/harness/topology"
)

// crowd is how many nodes at least are prepared before the first of them starts, and
// preparedAtOnce how many of them side by side: beside so many that start, a witness
// would wait for the processor until it gives up.
const (
	crowd          = 20
	preparedAtOnce = 4
)

// addNodes starts nodes side by side, each with its own faults in force before it
// starts. A node that did not survive its start is in the recording, for the
// oracles.
func (c *Cluster) addNodes(ctx context.Context, nodes []topology.Node, faults []fault.Spec) error {
	own := func(n topology.Node) []fault.Spec {
		return slices.DeleteFunc(slices.Clone(faults), func(s fault.Spec) bool { return s.Edge.From != n.Name && s.Node != n.Name })
	}
	survives := func(err error) error {
		if errors.Is(err, engine.ErrEnded) {
			c.progress("  %v", err)
			return nil
		}
		return err
	}
	if len(nodes) < crowd {
		return eachNode(ctx, nodes, len(nodes), func(ctx context.Context, _ int, n topology.Node) error {
			return survives(c.addNode(ctx, n, own(n)))
		})
	}
	prepared := make([]engine.Process, len(nodes))
	err := eachNode(ctx, nodes, preparedAtOnce, func(ctx context.Context, i int, n topology.Node) (err error) {
		prepared[i], err = c.prepareNode(ctx, n, own(n))
		return err
	})
	if err != nil {
		return err
	}
	return eachNode(ctx, nodes, len(nodes), func(ctx context.Context, i int, n topology.Node) error {
		return survives(c.startNode(ctx, n, prepared[i]))
	})
}

// newSlots are as many as nodes may start side by side: any number, unless a start
// costs the engine so much that those which run would be starved.
func newSlots(e engine.Engine) *semaphore.Weighted {
	if costly, ok := e.(interface{ StartsAtOnce() int }); ok {
		return semaphore.NewWeighted(int64(costly.StartsAtOnce()))
	}
	return semaphore.NewWeighted(math.MaxInt64)
}

// startProcess starts what runs at a site as soon as it may; begun, if set, is told.
func (c *Cluster) startProcess(ctx context.Context, site engine.Site, process engine.Process, begun func()) (engine.Node, error) {
	if err := c.slots.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	defer c.slots.Release(1)
	if begun != nil {
		begun()
	}
	return c.engine.Start(ctx, site, process)
}

// eachNode does something with nodes, as many at a time as it says.
func eachNode(ctx context.Context, nodes []topology.Node, atOnce int, do func(ctx context.Context, i int, n topology.Node) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(max(atOnce, 1))
	for i, n := range nodes {
		group.Go(func() error { return do(ctx, i, n) })
	}
	return group.Wait()
}
