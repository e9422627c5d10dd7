// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"net/http"
	"net/url"

	"blackout/internal/gateway/entity"
	"blackout/internal/gateway/store"
)

// targetsOf returns the targets of the upstream that a path segment names, or what
// is in the way.
func targetsOf(c *call, name string) (resource, error) {
	upstream, err := c.store().Get(c.request.Context(), entity.Upstreams, store.ParseKey(entity.Upstreams, name))
	if err != nil {
		return resource{}, err
	}
	return resource{
		schema: entity.Targets, below: entity.Targets.Field("upstream"), parent: upstream.ID(),
		path: "/upstreams/" + url.PathEscape(name) + "/targets",
	}, nil
}

// allTargets is GET /upstreams/{u}/targets/all, which is no more than the
// collection: no history of targets is kept.
func (c *call) allTargets(name string) {
	targets, err := targetsOf(c, name)
	if err != nil {
		c.missing(err)
		return
	}
	targets.path += "/all"
	targets.list(c)
}

// upstreamHealth is GET /upstreams/{u}/health. A control plane balances
// nothing and so checks nobody's health.
func (c *call) upstreamHealth(name string) {
	targets, err := targetsOf(c, name)
	if err != nil {
		c.missing(err)
		return
	}
	if c.request.URL.Query().Get("balancer_health") == "1" {
		c.send(http.StatusOK, map[string]any{
			"data": map[string]any{"id": targets.parent, "health": "HEALTHCHECKS_OFF"}, "next": nil, "node_id": c.handler.options.NodeID,
		})
		return
	}
	query, err := c.query()
	if err != nil {
		c.fail(err)
		return
	}
	query.Field, query.Reference, query.Tags = targets.below.Name, targets.parent, nil
	page, more, err := c.store().List(c.request.Context(), entity.Targets, query)
	if err != nil {
		c.fail(err)
		return
	}
	data := make([]entity.Record, 0, len(page))
	for _, target := range page {
		target["health"] = "HEALTHCHECKS_OFF"
		data = append(data, target)
	}
	body := map[string]any{"data": data, "next": nil, "node_id": c.handler.options.NodeID}
	if more {
		offset := encodeOffset([]string{page[len(page)-1].ID()})
		body["next"], body["offset"] = "/upstreams/"+url.PathEscape(name)+"/health?offset="+offset, offset
	}
	c.send(http.StatusOK, body)
}
