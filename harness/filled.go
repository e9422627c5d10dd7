// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"blackout/fixtures"
	"blackout/harness/engine"
	"blackout/harness/history"
	"blackout/harness/topology"
)

// fillFile is the declarative configuration that a database is filled with, in the
// node's directory, and fillTimeout bounds how long that may take.
const (
	fillFile    = "fill.json"
	fillTimeout = 5 * time.Minute
)

// fillDatabase brings routes into a control plane's database before its first start, by
// the gateway's own `config db_import`: that is the change to [topology.Filled].
func (c *Cluster) fillDatabase(ctx context.Context, n topology.Node, process engine.Process) error {
	upstream, err := c.probedService(topology.Filled)
	if err != nil {
		return err
	}
	text, err := fixtures.Declarative(topology.Filled, n.Routes, upstream.Host, upstream.Port)
	if err != nil {
		return err
	}
	c.rec.Event(history.Event{Kind: history.ChangeSent, Generation: topology.Filled})
	if err := c.importFile(ctx, n, process, text); err != nil {
		return err
	}
	c.rec.Event(history.Event{Kind: history.ChangeAcked, Generation: topology.Filled})
	return nil
}

// importFile has the gateway bring a declarative configuration into a node's database.
func (c *Cluster) importFile(ctx context.Context, n topology.Node, process engine.Process, text []byte) error {
	site := c.has.site(n.Name)
	fill := c.withParameters(n.Name, process)
	fill.Args = []string{"config", "db_import", site.Dir() + "/" + fillFile}
	fill.Files = maps.Clone(process.Files)
	if fill.Files == nil {
		fill.Files = make(map[string][]byte)
	}
	fill.Files[fillFile] = text
	node, err := c.startProcess(ctx, site, fill, nil)
	if node == nil || err != nil && !errors.Is(err, engine.ErrEnded) {
		return fmt.Errorf("%w: fill the database of %s: %w", ErrEnvironment, n.Name, err)
	}
	var state engine.State
	err = await(ctx, fillTimeout, "the database of "+n.Name+" is filled", func(ctx context.Context) (err error) {
		if state, err = node.State(ctx); err == nil && state.Running {
			err = errors.New("config db_import still runs")
		}
		return err
	})
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return fmt.Errorf("%w: %w", ErrUnsteady, err)
	case state.ExitCode != 0:
		return fmt.Errorf("%w: config db_import of %s ended with code %d: %s", ErrUnsteady, n.Name, state.ExitCode, c.lastLine(ctx, node))
	}
	return nil
}
