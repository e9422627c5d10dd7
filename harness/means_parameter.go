// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"errors"

	"blackout/harness/engine"
	"blackout/harness/fault"
)

var _ fault.ParameterHolder = (*Cluster)(nil)

// Parameter implements fault.ParameterHolder.
func (c *Cluster) Parameter(node, name string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.parameters[node][name]
}

// HasVariable implements fault.ParameterHolder.
func (c *Cluster) HasVariable(node, name string) bool {
	_, has := c.withParameters(node, c.has.process(node)).Env[name]
	return has
}

// Answers implements fault.ParameterHolder.
func (c *Cluster) Answers(ctx context.Context, node string) error {
	if _, err := c.startedNode(node); err != nil {
		return err
	}
	return c.answers(ctx, node)
}

// SetParameter implements fault.ParameterHolder.
func (c *Cluster) SetParameter(ctx context.Context, node, name, value string) error {
	c.mu.Lock()
	if c.parameters[node] == nil {
		c.parameters[node] = make(map[string]string)
	}
	c.parameters[node][name] = value
	if value == "" {
		delete(c.parameters[node], name)
	}
	c.mu.Unlock()
	if c.has.node(node) == nil {
		return nil
	}
	if err := c.stopNode(ctx, node, "it is started again with another parameter"); err != nil {
		return err
	}
	err := c.startGateway(ctx, node, c.has.process(node))
	if err == nil {
		err = c.watchOnce(ctx, node) // it may not have lived long enough before
	}
	if errors.Is(err, engine.ErrEnded) {
		c.progress("  %v", err) // what it does with a bad parameter is its own affair
		return nil
	}
	return err
}
