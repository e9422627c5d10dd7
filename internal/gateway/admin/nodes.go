// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"maps"
	"net/http"
	"os"

	"blackout/internal/gateway/store"
)

// root is GET /: what go-kong and decK read to learn whom they talk to.
func (c *call) root() {
	options := c.handler.options
	c.send(http.StatusOK, map[string]any{
		"tagline":       "Welcome to kong",
		"version":       options.Version,
		"edition":       "community",
		"hostname":      options.Hostname,
		"node_id":       options.NodeID,
		"pids":          map[string]any{"master": os.Getpid(), "workers": []int{os.Getpid()}},
		"plugins":       map[string]any{"available_on_server": map[string]any{}, "enabled_in_cluster": []string{}},
		"configuration": c.handler.configuration(),
	})
}

// configuration is the node's, with what clients look for in any case: they
// learn from it that there are neither access rights nor a portal.
func (h *Handler) configuration() map[string]any {
	shown := map[string]any{"role": "control_plane", "database": "sqlite", "router_flavor": "traditional_compatible"}
	maps.Copy(shown, h.options.Configuration)
	shown["rbac"], shown["portal"] = "off", false
	return shown
}

// status is GET /status.
func (c *call) status() {
	err := c.handler.options.Store.Ping(c.request.Context())
	if err != nil {
		c.handler.options.Log.Warn("database.unreachable", "error", err)
	}
	c.send(http.StatusOK, map[string]any{"database": map[string]any{"reachable": err == nil}})
}

// dataPlanes is GET /clustering/data-planes.
func (c *call) dataPlanes() {
	query, err := c.query()
	if err != nil {
		c.fail(err)
		return
	}
	page, more, err := c.handler.options.Store.DataPlanes(c.request.Context(), query)
	if err != nil {
		c.fail(err)
		return
	}
	last := ""
	if more {
		last = page[len(page)-1].ID
	}
	sendPage(c, page, link{path: "/clustering/data-planes", last: last, keepQuery: true})
}

// clusterStatus is the deprecated GET /clustering/status.
func (c *call) clusterStatus() {
	page, _, err := c.handler.options.Store.DataPlanes(c.request.Context(), store.Query{Size: maxPage})
	if err != nil {
		c.fail(err)
		return
	}
	nodes := map[string]any{}
	for _, dp := range page {
		nodes[dp.ID] = map[string]any{"config_hash": dp.ConfigHash, "hostname": dp.Hostname, "ip": dp.IP, "last_seen": dp.LastSeen}
	}
	c.response.Header().Set("Deprecation", "true")
	c.send(http.StatusOK, nodes)
}
