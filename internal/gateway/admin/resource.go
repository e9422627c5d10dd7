// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"net/http"

	"blackout/internal/gateway/entity"
	"blackout/internal/gateway/store"
)

// resource is the endpoints of one kind of entity.
type resource struct {
	schema *entity.Schema

	// parent, if set, confines the resource to the entities that refer to this
	// id; path is then the path of the nested collection.
	parent string
	path   string
}

func (res resource) collection() endpoint {
	return endpoint{http.MethodGet: res.list, http.MethodPost: res.create}
}

func (res resource) member(key store.Key) endpoint {
	return endpoint{
		http.MethodGet:    func(c *call) { res.get(c, key) },
		http.MethodPut:    func(c *call) { res.put(c, key) },
		http.MethodPatch:  func(c *call) { res.patch(c, key) },
		http.MethodDelete: func(c *call) { res.remove(c, key) },
	}
}

// nested finds what is below an entity: those that refer to it
// (/services/{s}/routes), or the one it refers to (/routes/{r}/service).
func (res resource) nested(key store.Key, rest []string) endpoint {
	if foreign := res.schema.ForeignField(); foreign != nil && foreign.Name == rest[0] && len(rest) == 1 {
		return res.referred(key, foreign)
	}
	child := entity.Lookup(rest[0])
	if child == nil || child.ForeignField() == nil || child.ForeignField().Reference != res.schema.Name || len(rest) > 2 {
		return nil
	}
	path := "/" + res.schema.Name + "/" + key.Value + "/" + child.Name
	below := func(parent string) endpoint {
		confined := resource{schema: child, parent: parent, path: path}
		if len(rest) == 2 {
			return confined.member(store.ParseKey(rest[1]))
		}
		return confined.collection()
	}
	// The parent is looked up only when a method is there to answer.
	wrapped := endpoint{}
	for method := range below("") {
		wrapped[method] = func(c *call) {
			parent, err := c.handler.options.Store.Get(c.request.Context(), res.schema, key)
			if err != nil {
				c.fail(err)
				return
			}
			below(parent.ID())[method](c)
		}
	}
	return wrapped
}

// referred is the endpoint of the entity that another refers to.
func (res resource) referred(key store.Key, foreign *entity.Field) endpoint {
	target := resource{schema: entity.Lookup(foreign.Reference)}
	wrapped := endpoint{}
	for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodPatch} {
		wrapped[method] = func(c *call) {
			record, err := c.handler.options.Store.Get(c.request.Context(), res.schema, key)
			if err != nil {
				c.fail(err)
				return
			}
			id := record.Reference(foreign.Name)
			if id == "" {
				c.message(http.StatusNotFound, "Not found")
				return
			}
			target.member(store.Key{Field: "id", Value: id})[method](c)
		}
	}
	return wrapped
}

func (res resource) list(c *call) {
	query, err := c.query()
	if err != nil {
		c.fail(err)
		return
	}
	query.Reference = res.parent
	page, more, err := c.handler.options.Store.List(c.request.Context(), res.schema, query)
	if err != nil {
		c.fail(err)
		return
	}
	last := ""
	if more {
		last = page[len(page)-1].ID()
	}
	path, keep := "/"+res.schema.Name, true
	if res.parent != "" {
		path, keep = res.path, false
	}
	sendPage(c, page, link{path: path, last: last, keepQuery: keep})
}

func (res resource) create(c *call) {
	record, err := res.input(c)
	if err == nil {
		record, err = res.schema.Complete(record)
	}
	if err == nil {
		record, err = c.handler.options.Store.Create(c.request.Context(), res.schema, record)
	}
	c.result(http.StatusCreated, record, err)
}

func (res resource) get(c *call, key store.Key) {
	record, err := c.handler.options.Store.Get(c.request.Context(), res.schema, key)
	if err == nil && !res.holds(record) {
		err = entity.NotFound(key.Field, key.Value)
	}
	c.result(http.StatusOK, record, err)
}

// put creates or replaces: fields that the body leaves out get their defaults.
func (res resource) put(c *call, key store.Key) {
	input, err := res.input(c)
	if err != nil {
		c.fail(err)
		return
	}
	delete(input, "id") // the path says which it is
	record, err := c.handler.options.Store.Change(c.request.Context(), res.schema, key, func(old entity.Record) (entity.Record, error) {
		if old != nil && !res.holds(old) {
			return nil, entity.NotFound(key.Field, key.Value)
		}
		if _, named := input["name"]; !named && key.Field == "name" {
			input["name"] = key.Value
		}
		return res.schema.Complete(input)
	})
	c.result(http.StatusOK, record, err)
}

// patch replaces the fields that the body names.
func (res resource) patch(c *call, key store.Key) {
	input, err := res.input(c)
	if err != nil {
		c.fail(err)
		return
	}
	record, err := c.handler.options.Store.Change(c.request.Context(), res.schema, key, func(old entity.Record) (entity.Record, error) {
		if old == nil || !res.holds(old) {
			return nil, entity.NotFound(key.Field, key.Value)
		}
		return res.schema.Complete(merge(old, input))
	})
	c.result(http.StatusOK, record, err)
}

// merge lays input over old, maps deeply.
func merge(old, input map[string]any) entity.Record {
	merged := make(entity.Record, len(old))
	for key, value := range old {
		merged[key] = value
	}
	for key, value := range input {
		below, isMap := value.(map[string]any)
		above, wasMap := merged[key].(map[string]any)
		if isMap && wasMap {
			value = map[string]any(merge(above, below))
		}
		merged[key] = value
	}
	return merged
}

// remove answers 204 also if there was nothing, unless it was looked for below
// another entity.
func (res resource) remove(c *call, key store.Key) {
	if res.parent != "" {
		record, err := c.handler.options.Store.Get(c.request.Context(), res.schema, key)
		if err == nil && !res.holds(record) {
			err = entity.NotFound(key.Field, key.Value)
		}
		if err != nil {
			c.fail(err)
			return
		}
	}
	if _, err := c.handler.options.Store.Delete(c.request.Context(), res.schema, key); err != nil {
		c.fail(err)
		return
	}
	c.latency()
	c.response.WriteHeader(http.StatusNoContent)
}

// holds reports whether the record belongs below the resource's parent.
func (res resource) holds(record entity.Record) bool {
	return res.parent == "" || record.Reference(res.schema.ForeignField().Name) == res.parent
}

// input reads the body as a record: shorthands expanded, names of referred
// entities resolved, and the parent filled in.
func (res resource) input(c *call) (entity.Record, error) {
	record, err := c.body(res.schema)
	if err != nil {
		return nil, err
	}
	if res.schema == entity.Services {
		if err := expandURL(record); err != nil {
			return nil, err
		}
	}
	foreign := res.schema.ForeignField()
	if foreign == nil {
		return record, nil
	}
	if res.parent != "" {
		record[foreign.Name] = map[string]any{"id": res.parent}
		return record, nil
	}
	reference, _ := record[foreign.Name].(map[string]any)
	name := entity.Record(reference).Name()
	if name == "" || entity.Record(reference).ID() != "" {
		return record, nil
	}
	target, err := c.handler.options.Store.Get(c.request.Context(), entity.Lookup(foreign.Reference), store.Key{Field: "name", Value: name})
	if err != nil {
		return nil, unresolved(foreign.Name, err)
	}
	record[foreign.Name] = map[string]any{"id": target.ID()}
	return record, nil
}
