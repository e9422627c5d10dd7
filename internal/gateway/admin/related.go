// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"net/http"
	"net/url"

	"blackout/internal/gateway/entity"
	"blackout/internal/gateway/store"
)

// related finds what hangs together with the entity that name means: those that
// refer to it (/services/{s}/routes), or the one it refers to
// (/routes/{r}/service).
func (res resource) related(name string, rest []string) endpoint {
	if field := res.schema.Field(rest[0]); field != nil && field.Kind == entity.Foreign && len(rest) == 1 && !res.schema.Below {
		return res.referred(name, field)
	}
	for _, referrer := range referrers(res.schema) {
		if referrer.Schema.ChildPath() == rest[0] {
			return res.referring(name, referrer, rest)
		}
	}
	return nil
}

// referrers are the collections that refer to a schema's, those included that
// this gateway only keeps.
func referrers(schema *entity.Schema) []entity.Referrer {
	all := schema.ReferredBy()
	if schema == entity.Consumers {
		for _, credential := range entity.Credentials() {
			all = append(all, entity.Referrer{Schema: credential, Field: credential.Field("consumer")})
		}
	}
	return all
}

// referring is the endpoint of the collection of those that refer to an
// entity, or of one of them.
func (res resource) referring(name string, referrer entity.Referrer, rest []string) endpoint {
	below := func(parent string) endpoint {
		confined := resource{
			schema: referrer.Schema, below: referrer.Field, parent: parent,
			path: "/" + res.schema.Path + "/" + url.PathEscape(name) + "/" + rest[0],
		}
		if len(rest) == 2 {
			return confined.member(rest[1])
		}
		return confined.collection()
	}
	// The parent is looked up only when a method is there to answer.
	wrapped := endpoint{}
	for method := range below("") {
		wrapped[method] = res.named(name, func(c *call, key store.Key) {
			parent, err := c.store().Get(c.request.Context(), res.schema, key)
			if err != nil {
				c.missing(err)
				return
			}
			below(parent.ID())[method](c)
		})
	}
	return wrapped
}

// referred is the endpoint of the entity that another refers to.
func (res resource) referred(name string, field *entity.Field) endpoint {
	target := resource{schema: entity.Lookup(field.Reference)}
	wrapped := endpoint{}
	for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodPatch} {
		wrapped[method] = res.named(name, func(c *call, key store.Key) {
			record, err := c.store().Get(c.request.Context(), res.schema, key)
			if err != nil {
				c.missing(err)
				return
			}
			id := record.Reference(field.Name)
			if id == "" {
				c.message(http.StatusNotFound, "Not found")
				return
			}
			target.member(id)[method](c)
		})
	}
	return wrapped
}
