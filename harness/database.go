// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"

	"blackout/harness/database"
	"blackout/harness/engine"
	"blackout/harness/fault"
	"blackout/harness/topology"
)

// Host runs processes of this machine for a run, whatever its engine.
type Host struct {
	Engine engine.Engine // at an address that the run's nodes reach

	// Network is where their connections come from.
	Network netip.Prefix

	// Missing, if set, is why the run has none, an error that wraps
	// engine.ErrUnsupported. What needs one is not measured.
	Missing error
}

// startDatabase starts PostgreSQL. Where it cannot run, control planes do without:
// they keep their databases in files, and faults of the way there are not staged.
func (c *Cluster) startDatabase(ctx context.Context) error {
	server, err := c.newDatabase(ctx)
	if server != nil && server.Node() != nil {
		c.has.addNode(server.Node())
	}
	if errors.Is(err, engine.ErrUnsupported) {
		c.missing = err
		c.progress("  control planes keep their databases in files: %v", err)
		return nil
	}
	if err != nil {
		return err
	}
	c.rec.Redact(server.Password())
	c.database = server
	return nil
}

func (c *Cluster) newDatabase(ctx context.Context) (*database.Server, error) {
	if c.host.Missing != nil {
		return nil, c.host.Missing
	}
	installed, err := database.Find(ctx)
	if err != nil {
		return nil, err
	}
	return installed.Start(ctx, database.Options{Host: c.host.Engine, Run: c.run, Allow: c.host.Network})
}

// openDatabaseEdge opens the harness's own edge to the database, which is never cut.
func (c *Cluster) openDatabaseEdge(ctx context.Context) error {
	if c.database == nil {
		return nil
	}
	_, err := c.openEdge(ctx, topology.DatabaseEdge(topology.Witness), c.database.Address())
	return err
}

// giveDatabase gives a control plane its database: one in PostgreSQL, behind an
// edge, or a file.
func (c *Cluster) giveDatabase(ctx context.Context, n topology.Node, env map[string]string) error {
	if c.database == nil {
		env["KONG_DATABASE"] = "sqlite"
		if n.Database == "" {
			return nil
		}
		path, err := c.databaseFile(ctx, n)
		env[databasePath] = path
		return err
	}
	name := cmp.Or(n.Database, n.Name)
	if err := c.database.Create(ctx, name); err != nil {
		return err
	}
	address, err := c.openEdge(ctx, topology.DatabaseEdge(n.Name), c.database.Address())
	if err != nil {
		return err
	}
	way, err := c.database.Environment(name, address)
	maps.Copy(env, way)
	return err
}

const databasePath = "KONG_BLACKOUT_SQLITE_PATH"

// databaseFile is where a control plane keeps a database that it shares. One that
// comes back has it where it had it.
func (c *Cluster) databaseFile(ctx context.Context, n topology.Node) (string, error) {
	if path := c.has.process(n.Name).Env[databasePath]; path != "" {
		return path, nil
	}
	dir, err := c.has.site(n.Name).Share(ctx, "database-"+n.Database)
	return dir + "/blackout.db", err
}

// mayCutDatabase says why a fault on the way to a control plane's database cannot be
// staged, if there is no such way.
func (c *Cluster) mayCutDatabase(edge topology.Edge) error {
	switch {
	case c.has.isOpen(edge):
		return nil
	case c.missing != nil:
		return fmt.Errorf("%w: %s keeps its database in a file: %w", fault.ErrCannotStage, edge.From, c.missing)
	}
	return fmt.Errorf("%w: %s keeps its database in a file: the topology asks for no PostgreSQL", fault.ErrCannotStage, edge.From)
}

// databaseProbes are the checks of an edge to the database: each begins as every
// client of PostgreSQL does, and goes no further.
func (c *Cluster) databaseProbes(edge topology.Edge, probes fault.Probes) fault.Probes {
	through := func(edge topology.Edge) func(context.Context) error {
		return func(ctx context.Context) error {
			conn, err := c.dialEdge(ctx, edge)
			if err != nil {
				return err
			}
			defer conn.Close()
			return database.Ask(ctx, conn)
		}
	}
	probes.Cut = through(edge)
	probes.Control = through(topology.DatabaseEdge(topology.Witness))
	probes.Hold = func(ctx context.Context) (fault.Held, error) {
		conn, err := c.dialEdge(ctx, edge)
		if err != nil {
			return nil, err
		}
		held, err := database.Hold(ctx, conn)
		if err != nil {
			return nil, err // not the nil *Held: that would be a Held
		}
		return held, nil
	}
	return probes
}
