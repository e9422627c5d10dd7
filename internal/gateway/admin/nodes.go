// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"runtime"
	"slices"

	"blackout/internal/gateway/entity"
	"blackout/internal/gateway/store"
)

// root is GET /: what go-kong and decK read to learn whom they talk to.
func (c *call) root() {
	options := c.handler.options
	inUse, err := c.pluginsInUse()
	if err != nil {
		c.fail(err)
		return
	}
	available := map[string]any{}
	for _, plugin := range c.handler.plugins() {
		available[plugin.Name] = map[string]any{"version": plugin.Version, "priority": plugin.Priority}
	}
	c.send(http.StatusOK, map[string]any{
		"tagline":       "Welcome to kong",
		"version":       options.Version,
		"edition":       "community",
		"hostname":      options.Hostname,
		"node_id":       options.NodeID,
		"lua_version":   "", // there is none here
		"timers":        map[string]any{"running": 0, "pending": 0},
		"pids":          map[string]any{"master": os.Getpid(), "workers": []int{os.Getpid()}},
		"plugins":       map[string]any{"available_on_server": available, "enabled_in_cluster": inUse},
		"configuration": c.configuration(),
	})
}

// configuration adds what clients look for and no parameter of the node is.
func (c *call) configuration() map[string]any {
	shown := map[string]any{"role": "control_plane", "database": "sqlite", "router_flavor": "traditional_compatible"}
	maps.Copy(shown, c.handler.options.Configuration)
	shown["rbac"], shown["portal"] = "off", false
	return shown
}

// pluginsInUse lists the names of the plugins that are configured, sorted.
func (c *call) pluginsInUse() ([]string, error) {
	names := []string{}
	query := store.Query{Size: maxPage}
	for more := true; more; {
		page, rest, err := c.store().List(c.request.Context(), entity.Plugins, query)
		if err != nil {
			return nil, err
		}
		for _, plugin := range page {
			names = append(names, plugin.Name())
			query.After = plugin.ID()
		}
		more = rest
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// plugins are those that may be configured.
func (h *Handler) plugins() []*entity.Plugin {
	known := append(entity.AllPlugins(), entity.KeptPlugins()...)
	return slices.DeleteFunc(known, func(plugin *entity.Plugin) bool { return !h.enabled(plugin.Name) })
}

func (h *Handler) enabled(plugin string) bool {
	return h.options.Plugins == nil || slices.Contains(h.options.Plugins, plugin)
}

// enabledPlugins is GET /plugins/enabled.
func (c *call) enabledPlugins() {
	names := []string{}
	for _, plugin := range c.handler.plugins() {
		names = append(names, plugin.Name)
	}
	c.send(http.StatusOK, map[string]any{"enabled_plugins": names})
}

// status is GET /status. Where Kong tells of its workers' Lua machines, these
// are the figures of the one process here.
func (c *call) status() {
	err := c.store().Ping(c.request.Context())
	if err != nil {
		c.handler.options.Log.Warn("database.unreachable", "error", err)
	}
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	heap := map[string]any{"pid": os.Getpid(), "http_allocated_gc": fmt.Sprintf("%.2f MiB", float64(memory.HeapAlloc)/(1<<20))}
	requests, active := c.handler.requests.Load(), c.handler.active.Load()
	c.send(http.StatusOK, map[string]any{
		"database": map[string]any{"reachable": err == nil},
		"memory":   map[string]any{"workers_lua_vms": []any{heap}, "lua_shared_dicts": map[string]any{}},
		"server": map[string]any{
			"connections_accepted": requests, "connections_active": active, "connections_handled": requests,
			"connections_reading": 0, "connections_waiting": 0, "connections_writing": active, "total_requests": requests,
		},
	})
}

// noConfig is /config, which nodes with a database do not have.
func (c *call) noConfig() {
	c.message(http.StatusBadRequest, "this endpoint is only available when Kong is configured to not use a database")
}

// dataPlanes is GET /clustering/data-planes.
func (c *call) dataPlanes() {
	query, err := c.query()
	if err != nil {
		c.fail(err)
		return
	}
	page, more, err := c.store().DataPlanes(c.request.Context(), query)
	if err != nil {
		c.fail(err)
		return
	}
	next := link{path: "/clustering/data-planes", keepQuery: true}
	if more {
		next.after = []string{page[len(page)-1].ID}
	}
	sendPage(c, page, next)
}

// clusterStatus is the deprecated GET /clustering/status.
func (c *call) clusterStatus() {
	nodes := map[string]any{}
	query := store.Query{Size: maxPage}
	for more := true; more; {
		page, rest, err := c.store().DataPlanes(c.request.Context(), query)
		if err != nil {
			c.fail(err)
			return
		}
		for _, dp := range page {
			nodes[dp.ID] = map[string]any{"config_hash": dp.ConfigHash, "hostname": dp.Hostname, "ip": dp.IP, "last_seen": dp.LastSeen}
			query.After = dp.ID
		}
		more = rest
	}
	c.response.Header().Set("Deprecation", "true")
	c.send(http.StatusOK, nodes)
}
