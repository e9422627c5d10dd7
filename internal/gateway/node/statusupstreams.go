// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"cmp"
	"context"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"blackout/internal/gateway/balancer"
	"blackout/internal/gateway/entity"
)

// upstreamView is an upstream with its targets, the newest first.
type upstreamView struct {
	record   entity.Record
	targets  []entity.Record
	balancer *balancer.Upstream // nil if it is not balanced here
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

// upstreamHealth is GET /upstreams/{upstream}/health.
func (c *statusCall) upstreamHealth(upstream upstreamView) {
	found := upstream.health(c.request.Context())
	answer := map[string]any{"next": nil, "node_id": c.id}
	if c.request.URL.Query().Get("balancer_health") == "1" {
		answer["data"] = map[string]any{"id": upstream.record.ID(), "health": upstream.whole(c.request.Context(), found)}
		c.answer(http.StatusOK, answer)
		return
	}
	targets := make([]any, 0, len(upstream.targets))
	for _, target := range upstream.targets {
		written := nested(target)
		health, known := found[target.ID()]
		if !known {
			health.Health = balancer.DNSError
		}
		written["data"], written["health"] = describeTarget(target, health), health.Health
		targets = append(targets, written)
	}
	answer["data"] = targets
	c.answer(http.StatusOK, answer)
}

// health is that of the targets by their ids, as far as they are known.
func (v upstreamView) health(ctx context.Context) map[string]balancer.TargetHealth {
	found := map[string]balancer.TargetHealth{}
	if v.balancer == nil {
		return found
	}
	list, err := v.balancer.Health(ctx)
	if err != nil {
		return found // no name could be looked up, which the answer tells
	}
	for _, target := range list {
		found[target.ID] = target
	}
	return found
}

// whole is the health of the upstream, of which the threshold decides.
func (v upstreamView) whole(ctx context.Context, found map[string]balancer.TargetHealth) string {
	for _, target := range found {
		if target.Health == balancer.ChecksOff {
			return balancer.ChecksOff
		}
	}
	if v.balancer == nil || !v.balancer.Available(ctx) {
		return balancer.Unhealthy
	}
	return balancer.Healthy
}

// describeTarget tells the addresses of a target and how they do.
func describeTarget(target entity.Record, health balancer.TargetHealth) map[string]any {
	host, port := splitTarget(target.Text("target"))
	addresses, total, available := []any{}, 0, 0
	for _, address := range health.Addresses {
		total += address.Weight
		if address.Health != balancer.Unhealthy {
			available += address.Weight
		}
		addresses = append(addresses, map[string]any{"ip": address.IP, "port": address.Port, "weight": address.Weight, "health": address.Health})
	}
	return map[string]any{
		"host": host, "port": port, "dns": "A", "nodeWeight": target.Integer("weight"), "addresses": addresses,
		"weight": map[string]any{"total": total, "available": available, "unavailable": total - available},
	}
}

func splitTarget(target string) (host string, port int) {
	host, text, err := net.SplitHostPort(target)
	if err != nil {
		return target, 0
	}
	port, _ = strconv.Atoi(text) // it was validated
	return host, port
}
