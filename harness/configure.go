// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"fmt"
	"net/http"
	"strconv"

	"golang.org/x/sync/errgroup"

	"blackout/fixtures"
	"blackout/harness/history"
	"blackout/harness/topology"
)

// Configure loads a configuration through the Admin API: a generation, and as many
// routes as it says, whatever there was before. Routes come in no order, and the
// generation last: a node that serves it, and a snapshot that holds it, has every
// route. What goes, goes after it.
type Configure struct {
	Generation int `json:"generation"`
	Routes     int `json:"routes"` // beside the probed one, to give the configuration its size

	// Guarded adds a route that needs a key, and a consumer that has it. What one
	// configuration has of it, those after it keep.
	Guarded bool `json:"guarded,omitempty"`

	// Disabled is how many disabled services there are, each with a route: whoever
	// hands the configuration out keeps them back, and nothing else. They stay.
	Disabled int `json:"disabled,omitempty"`

	// Entities adds an entity of every kind, see [fixtures.Entities].
	Entities bool `json:"entities,omitempty"`

	// Plugin is a plugin that the configuration has, one of [fixtures.Harmless], which
	// changes no answer. Data planes that lack it can't be given such a configuration.
	Plugin string `json:"plugin,omitempty"`

	// Padding is by how many bytes the configuration is larger as it is sent, compressed;
	// see [fixtures.Padding]. Of more than `cluster_max_payload` nobody can be given it.
	Padding int `json:"padding,omitempty"`
}

// Name implements plan.Action.
func (Configure) Name() string { return "configure" }

// Title implements plan.Action.
func (a Configure) Title() string {
	title := fmt.Sprintf("load generation %d with %d routes through the Admin API", a.Generation, a.Routes+1)
	if a.Guarded {
		title += ", and one that needs a key"
	}
	if a.Disabled > 0 {
		title += fmt.Sprintf(", and %d disabled services", a.Disabled)
	}
	if a.Entities {
		title += ", and an entity of every kind"
	}
	if a.Plugin != "" {
		title += ", and the plugin " + a.Plugin
	}
	if a.Padding > 0 {
		title += fmt.Sprintf(", and %d bytes of padding", a.Padding)
	}
	return title
}

// check says why a configuration cannot be loaded.
func (a Configure) check() error {
	if _, known := fixtures.Harmless[a.Plugin]; a.Plugin != "" && !known {
		return fmt.Errorf("plugin %q: it is none that changes no answer: see fixtures.Harmless", a.Plugin)
	}
	if a.Routes < 0 || a.Disabled < 0 || a.Padding < 0 {
		return fmt.Errorf("%d routes, %d disabled services, %d bytes of padding: give numbers from 0", a.Routes, a.Disabled, a.Padding)
	}
	return nil
}

// Do implements Action.
func (a Configure) Do(ctx context.Context, c *Cluster) error {
	whole, err := c.probedService(a.Generation)
	if err != nil {
		return err
	}
	was, routes := c.routes, fixtures.Routes(a.Routes)
	c.routes, c.needs = routes, a.needs(c.topology)
	return c.change(ctx, a.Generation, func(ctx context.Context) error {
		for i := range a.Disabled {
			if err := c.addDisabled(ctx, i); err != nil {
				return err
			}
		}
		if len(was) == 0 { // there is no service yet to add routes to
			bare := whole
			bare.Path = "/"
			if err := c.admin(ctx, http.MethodPut, probedPath, bare); err != nil {
				return err
			}
		}
		if err := c.addRoutes(ctx, routes[min(len(was), len(routes)):]); err != nil {
			return err
		}
		if err := c.addExtras(ctx, a, whole); err != nil {
			return err
		}
		if err := c.admin(ctx, http.MethodPut, probedPath, whole); err != nil {
			return err
		}
		return c.dropSurplus(ctx, a, was[min(len(was), len(routes)):])
	})
}

// probedPath is the probed service in the Admin API.
const probedPath = "/services/" + fixtures.ProbedService

// needs is what the configuration needs that not every data plane of a topology has.
func (a Configure) needs(t topology.Topology) []string {
	var needs []string
	if a.Plugin != "" {
		needs = append(needs, history.NeedsPlugin+a.Plugin)
	}
	if a.Padding > maxPayload(t) {
		needs = append(needs, history.NeedsPayload)
	}
	return needs
}

// defaultPayload is Kong 3.9's `cluster_max_payload`, bytes.
const defaultPayload = 16 << 20

// maxPayload is the largest message that a control plane of a topology sends, in bytes,
// as its kong.conf says.
func maxPayload(t topology.Topology) int {
	largest := 0
	for _, n := range t.ControlPlanes() {
		limit, err := strconv.Atoi(n.Parameters["cluster_max_payload"])
		if err != nil {
			limit = defaultPayload
		}
		largest = max(largest, limit)
	}
	return largest
}

// callsAtOnce is how many calls of the Admin API are on their way together where
// there are many to make.
const callsAtOnce = 4

// addRoutes adds routes to the probed service.
func (c *Cluster) addRoutes(ctx context.Context, routes []fixtures.Route) error {
	return inParallel(ctx, routes, func(ctx context.Context, r fixtures.Route) error {
		return c.admin(ctx, http.MethodPost, probedPath+"/routes", r)
	})
}

// inParallel makes calls of the Admin API, some of them at once.
func inParallel[T any](ctx context.Context, all []T, call func(context.Context, T) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(callsAtOnce)
	for _, one := range all {
		group.Go(func() error { return call(ctx, one) })
	}
	return group.Wait()
}

// addExtras adds what a configuration has beside its routes, and the one before had not.
func (c *Cluster) addExtras(ctx context.Context, a Configure, upstream service) error {
	if a.Guarded && !c.guarded {
		if err := c.guard(ctx); err != nil {
			return err
		}
	}
	if a.Entities && !c.entities {
		if err := c.addEntities(ctx, upstream); err != nil {
			return err
		}
	}
	if a.Plugin != "" {
		plugin := fixtures.Harmless[a.Plugin]
		if err := c.admin(ctx, http.MethodPut, probedPath+"/plugins/"+plugin.ID, plugin); err != nil {
			return err
		}
	}
	pieces := fixtures.Padding(a.Padding)
	return inParallel(ctx, pieces[min(c.padded, len(pieces)):], func(ctx context.Context, p fixtures.Piece) error {
		return c.admin(ctx, http.MethodPut, "/services/"+p.Name, p)
	})
}

// dropSurplus takes away what a configuration has not, and the one before had.
func (c *Cluster) dropSurplus(ctx context.Context, a Configure, routes []fixtures.Route) error {
	var paths []string
	for _, r := range routes {
		paths = append(paths, "/routes/"+r.Name)
	}
	if c.plugin != "" && c.plugin != a.Plugin {
		paths = append(paths, probedPath+"/plugins/"+fixtures.Harmless[c.plugin].ID)
	}
	pieces := a.Padding / fixtures.PieceSize
	for i := pieces; i < c.padded; i++ {
		paths = append(paths, "/services/"+fixtures.PieceName(i))
	}
	c.plugin, c.padded = a.Plugin, pieces
	for _, path := range paths {
		if err := c.admin(ctx, http.MethodDelete, path, nil); err != nil {
			return err
		}
	}
	return nil
}
