// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"cmp"
	"context"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"blackout/internal/gateway/entity"
)

// upstreamView is an upstream with its targets, the newest first.
type upstreamView struct {
	record  entity.Record
	targets []entity.Record
}

// balancing are the upstreams and targets of a configuration.
type balancing struct{ upstreams, targets []entity.Record }

// find returns the upstream of that id or name.
func (b balancing) find(idOrName string) (upstreamView, bool) {
	at := slices.IndexFunc(b.upstreams, func(u entity.Record) bool { return u.ID() == idOrName || u.Name() == idOrName })
	if at < 0 {
		return upstreamView{}, false
	}
	view := upstreamView{record: b.upstreams[at]}
	for _, target := range b.targets {
		if target.Reference("upstream") == view.record.ID() {
			view.targets = append(view.targets, target)
		}
	}
	slices.SortFunc(view.targets, func(a, b entity.Record) int {
		newer := cmp.Compare(createdAt(b), createdAt(a))
		return cmp.Or(newer, strings.Compare(b.ID(), a.ID()))
	})
	return view, true
}

func createdAt(record entity.Record) float64 {
	at, _ := record["created_at"].(float64)
	return at
}

// upstreamEndpoint returns what answers a path below /upstreams, or nil. They can
// only be read (Kong 3.9: on nodes without a database).
func upstreamEndpoint(path string) func(*statusCall) {
	rest, below := strings.CutPrefix(strings.TrimSuffix(path, "/"), "/upstreams/")
	parts := strings.Split(rest, "/")
	if !below || len(parts) < 2 {
		return nil
	}
	var view func(*statusCall, upstreamView)
	switch {
	case len(parts) == 2 && parts[1] == "health":
		view = (*statusCall).upstreamHealth
	case len(parts) == 2 && parts[1] == "targets", len(parts) == 3 && parts[1] == "targets" && parts[2] == "all":
		view = (*statusCall).upstreamTargets
	case len(parts) == 3 && parts[1] == "targets":
		view = func(c *statusCall, upstream upstreamView) { c.upstreamTarget(upstream, parts[2]) }
	default:
		return nil
	}
	return func(c *statusCall) {
		upstream, found := c.node.upstream(parts[0])
		if !found {
			c.message(http.StatusNotFound, "Not found")
			return
		}
		view(c, upstream)
	}
}

// upstreamTargets is GET /upstreams/{upstream}/targets.
func (c *statusCall) upstreamTargets(upstream upstreamView) {
	targets := make([]any, 0, len(upstream.targets))
	for _, target := range upstream.targets {
		targets = append(targets, nested(target))
	}
	c.answer(http.StatusOK, map[string]any{"data": targets, "next": nil})
}

// upstreamTarget is GET /upstreams/{upstream}/targets/{target}.
func (c *statusCall) upstreamTarget(upstream upstreamView, idOrTarget string) {
	for _, target := range upstream.targets {
		if target.ID() == idOrTarget || target.Text("target") == idOrTarget {
			c.answer(http.StatusOK, nested(target))
			return
		}
	}
	c.message(http.StatusNotFound, "Not found")
}

// nested is a target as the Admin API writes it: its reference is an object.
func nested(target entity.Record) map[string]any {
	written := make(map[string]any, len(target))
	for field, value := range target {
		written[field] = value
	}
	written["upstream"] = map[string]any{"id": target.Reference("upstream")}
	return written
}

// The health of a target (Kong 3.9).
const (
	healthUnchecked = "HEALTHCHECKS_OFF"
	healthUnnamed   = "DNS_ERROR"
)

// upstreamHealth is GET /upstreams/{upstream}/health.
func (c *statusCall) upstreamHealth(upstream upstreamView) {
	targets := make([]any, 0, len(upstream.targets))
	for _, target := range upstream.targets {
		written := nested(target)
		data, health := describeTarget(c.request.Context(), target)
		written["data"], written["health"] = data, health
		targets = append(targets, written)
	}
	c.answer(http.StatusOK, map[string]any{"data": targets, "next": nil, "node_id": c.id})
}

// lookupTimeout bounds the look-up of one target's name.
const lookupTimeout = 2 * time.Second

// describeTarget tells the addresses of a target and how they do.
func describeTarget(ctx context.Context, target entity.Record) (data map[string]any, health string) {
	host, port := splitTarget(target.Text("target"))
	weight := target.Integer("weight")
	addresses, available := []any{}, 0
	health = healthUnnamed
	for _, ip := range lookup(ctx, host) {
		health = healthUnchecked
		available += weight
		addresses = append(addresses, map[string]any{"ip": ip.Unmap().String(), "port": port, "weight": weight, "health": health})
	}
	return map[string]any{
		"host": host, "port": port, "dns": "A", "nodeWeight": weight, "addresses": addresses,
		"weight": map[string]any{"total": available, "available": available, "unavailable": 0},
	}, health
}

func splitTarget(target string) (host string, port int) {
	host, text, err := net.SplitHostPort(target)
	if err != nil {
		return target, 0
	}
	port, _ = strconv.Atoi(text) // it was validated
	return host, port
}

func lookup(ctx context.Context, host string) []netip.Addr {
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{ip}
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	addresses, err := net.DefaultResolver.LookupNetIP(ctx, "ip4", host)
	if err != nil {
		return nil // the health says so
	}
	return addresses
}
