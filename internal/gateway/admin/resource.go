// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"context"
	"errors"
	"net/http"

	"blackout/internal/gateway/entity"
	"blackout/internal/gateway/store"
)

// resource is the endpoints of one kind of entity.
type resource struct {
	schema *entity.Schema

	// below, if set, is the field by which the entities refer to the one that
	// the resource is confined to, and parent is that one's id. path is then
	// the path of the nested collection.
	below  *entity.Field
	parent string
	path   string
}

func (res resource) collection() endpoint {
	list := res.list
	if res.schema == entity.Consumers {
		list = res.listByCustomID
	}
	return endpoint{http.MethodGet: list, http.MethodPost: res.create}
}

// listByCustomID lists consumers, or the one with the custom_id that is asked
// for.
func (res resource) listByCustomID(c *call) {
	values := c.request.URL.Query()
	if !values.Has("custom_id") {
		res.list(c)
		return
	}
	if values.Get("custom_id") == "" {
		c.message(http.StatusBadRequest, "custom_id must be an unempty string")
		return
	}
	page := []entity.Record{}
	record, err := res.find(c, store.Key{Field: "custom_id", Value: values.Get("custom_id")})
	var refusal *entity.Error
	switch {
	case err == nil:
		page = append(page, record)
	case !errors.As(err, &refusal) || refusal.Code != entity.CodeNotFound:
		c.fail(err)
		return
	}
	sendPage(c, page, link{})
}

// member is the endpoint of the entity that a path segment names.
func (res resource) member(name string) endpoint {
	return endpoint{
		http.MethodGet:    res.named(name, res.get),
		http.MethodPut:    res.named(name, res.put),
		http.MethodPatch:  res.named(name, res.patch),
		http.MethodDelete: res.named(name, res.remove),
	}
}

// named finds out which entity a path segment means before it calls answer.
func (res resource) named(name string, answer func(*call, store.Key)) func(*call) {
	return func(c *call) {
		key, err := res.key(c, name)
		if err != nil {
			c.fail(err)
			return
		}
		answer(c, key)
	}
}

func (res resource) key(c *call, name string) (store.Key, error) {
	key := store.ParseKey(res.schema, name)
	key.Parent = res.parent
	if key.Field == "id" {
		return key, nil
	}
	switch res.schema {
	case entity.Targets:
		key.Value = entity.NormalizeTarget(name)
	case entity.Certificates:
		return certificateOf(c, name)
	}
	return key, nil
}

func (res resource) list(c *call) {
	query, err := c.query()
	if err != nil {
		c.fail(err)
		return
	}
	path := "/" + res.schema.Path
	if res.below != nil {
		// A nested collection heeds no tags (Kong 3.9).
		query.Field, query.Reference, query.Tags = res.below.Name, res.parent, nil
		path = res.path
	}
	page, more, err := c.store().List(c.request.Context(), res.schema, query)
	if err == nil {
		err = res.complete(c, page...)
	}
	if err != nil {
		c.fail(err)
		return
	}
	next := link{path: path, keepQuery: res.below == nil}
	if more {
		next.after = []string{page[len(page)-1].ID()}
	}
	sendPage(c, page, next)
}

// complete adds what an entity shows beside what is stored of it.
func (res resource) complete(c *call, records ...entity.Record) error {
	if res.schema != entity.Certificates {
		return nil
	}
	for _, record := range records {
		names, err := sniNames(c, record.ID())
		if err != nil {
			return err
		}
		record["snis"] = names
	}
	return nil
}

// result answers with an entity, or with why there is none.
func (res resource) result(c *call, status int, record entity.Record, err error) {
	if err == nil {
		err = res.complete(c, record)
	}
	if err != nil {
		c.fail(err)
		return
	}
	c.send(status, record)
}

func (res resource) create(c *call) {
	input, err := res.input(c)
	if err != nil {
		c.fail(err)
		return
	}
	record, err := res.store(c, store.Key{}, func(entity.Record) (entity.Record, error) { return res.finish(input, input) })
	res.result(c, http.StatusCreated, record, err)
}

func (res resource) get(c *call, key store.Key) {
	record, err := res.find(c, key)
	res.result(c, http.StatusOK, record, err)
}

// find returns the entity if it belongs here.
func (res resource) find(c *call, key store.Key) (entity.Record, error) {
	record, err := c.store().Get(c.request.Context(), res.schema, key)
	if err == nil && !res.holds(record) {
		return nil, entity.NotFound(key.Field, key.Value)
	}
	return record, err
}

// put creates or replaces: fields that the body leaves out get their defaults.
func (res resource) put(c *call, key store.Key) {
	if res.schema == entity.Targets {
		res.patch(c, key) // makes none, and keeps what the body leaves out (Kong 3.9)
		return
	}
	input, err := res.input(c)
	if err != nil {
		c.fail(err)
		return
	}
	record, err := res.store(c, key, func(old entity.Record) (entity.Record, error) {
		if old != nil && !res.holds(old) {
			return nil, entity.NotFound(key.Field, key.Value)
		}
		if old == nil && res.schema.Field(key.Field) == nil {
			return nil, entity.NotFound(key.Field, key.Value)
		}
		input[key.Field] = key.Value // the path says which it is
		if old != nil {
			input["id"] = old.ID()
		}
		return res.finish(input, input)
	})
	res.result(c, http.StatusOK, record, err)
}

// patch replaces the fields that the body names.
func (res resource) patch(c *call, key store.Key) {
	input, err := res.input(c)
	if err != nil {
		c.fail(err)
		return
	}
	record, err := res.store(c, key, func(old entity.Record) (entity.Record, error) {
		if old == nil || !res.holds(old) {
			return nil, entity.NotFound(key.Field, key.Value)
		}
		return res.finish(patched(res.schema, old, input), input)
	})
	res.result(c, http.StatusOK, record, err)
}

// finish completes a record that was made of an input. A password that came in
// is kept as its hash; one that was kept is that already.
func (res resource) finish(record, input entity.Record) (entity.Record, error) {
	finished, err := schemaOf(res.schema, record).Complete(record)
	if err == nil && res.schema == entity.BasicAuthCredentials && input["password"] != nil {
		entity.HashPassword(finished)
	}
	return finished, err
}

// store makes a new entity of what change returns, or with a key changes the
// one that it names.
func (res resource) store(c *call, key store.Key, change func(old entity.Record) (entity.Record, error)) (entity.Record, error) {
	var record entity.Record
	err := c.store().Alter(c.request.Context(), func(ctx context.Context, tx *store.Tx) error {
		var old entity.Record
		var err error
		if key.Field != "" {
			if old, err = tx.Get(ctx, res.schema, key); err != nil {
				return err
			}
		}
		if record, err = change(old); err != nil {
			return err
		}
		names := record["snis"]
		if res.schema == entity.Certificates {
			record["snis"] = nil // entities of their own
		}
		if err := tx.Put(ctx, res.schema, record, old); err != nil {
			return err
		}
		if res.schema == entity.Certificates && names != nil {
			return replaceSNIs(ctx, tx, record.ID(), entity.Record{"snis": names}.Texts("snis"))
		}
		return nil
	})
	return record, err
}

// remove answers 204 also if there was nothing, unless it was looked for below
// another entity.
func (res resource) remove(c *call, key store.Key) {
	if res.below != nil {
		if _, err := res.find(c, key); err != nil {
			c.fail(err)
			return
		}
	}
	err := c.store().Alter(c.request.Context(), func(ctx context.Context, tx *store.Tx) error {
		old, err := tx.Get(ctx, res.schema, key)
		if err != nil || old == nil {
			return errors.Join(err, store.ErrUnchanged)
		}
		if res.schema == entity.CACertificates {
			if err := unusedCA(ctx, tx, old.ID()); err != nil {
				return err
			}
		}
		return tx.Delete(ctx, res.schema, old.ID())
	})
	if err != nil {
		c.fail(err)
		return
	}
	c.noContent()
}

// holds reports whether the record belongs below the resource's parent.
func (res resource) holds(record entity.Record) bool {
	return res.below == nil || record.Reference(res.below.Name) == res.parent
}
