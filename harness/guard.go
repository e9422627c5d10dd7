// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"net/http"
	"slices"
	"time"

	"blackout/fixtures"
	"blackout/harness/history"
)

// guardedStreams ask for the route that needs a key: without one, with one that
// nobody has, which must both be refused, and with the right one, which must be
// answered like any other request.
var guardedStreams = []history.Stream{
	{Name: "without a key", Interval: 100 * time.Millisecond, Timeout: 2 * time.Second, Guarded: true},
	{Name: "with a wrong key", Interval: 100 * time.Millisecond, Timeout: 2 * time.Second, Guarded: true, Key: history.WrongKey},
	{Name: "with its key", Interval: 100 * time.Millisecond, Timeout: 2 * time.Second, Key: history.RightKey},
}

// WithKeys are the streams that a node is usually probed with, and those that ask
// for the route that needs a key.
func WithKeys() []history.Stream { return slices.Concat(usualStreams, guardedStreams) }

// guard adds a route that needs a key, and a consumer that has the run's.
func (c *Cluster) guard(ctx context.Context) error {
	for _, call := range []struct {
		method, path string
		body         any
	}{
		{http.MethodPut, "/consumers/" + fixtures.Keeper, map[string]any{}},
		{http.MethodPost, "/consumers/" + fixtures.Keeper + "/key-auth", map[string]any{"key": c.key}},
		{http.MethodPost, "/services/" + fixtures.ProbedService + "/routes", fixtures.Route{Name: fixtures.GuardedRoute, Paths: []string{fixtures.GuardedPath}}},
		{http.MethodPost, "/routes/" + fixtures.GuardedRoute + "/plugins", map[string]any{"name": "key-auth"}},
	} {
		if err := c.admin(ctx, call.method, call.path, call.body); err != nil {
			return err
		}
	}
	c.guarded = true
	return nil
}
