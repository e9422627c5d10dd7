// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/google/uuid"

	"blackout/internal/gateway/entity"
	"blackout/internal/gateway/store"
)

// input reads the body as a record: shorthands expanded, names of referred
// entities resolved, and the parent filled in.
func (res resource) input(c *call) (entity.Record, error) {
	record, err := c.body(res.schema)
	if err != nil {
		return nil, err
	}
	switch res.schema {
	case entity.Services:
		if problem := entity.ExpandURL(record); problem != "" {
			return nil, violation("url", problem)
		}
	case entity.Certificates:
		c.addName(record)
	case entity.Upstreams:
		alignHashing(record)
	case entity.Plugins:
		if name := record.Name(); name != "" && !c.handler.enabled(name) {
			return nil, violation("name", fmt.Sprintf(entity.Plugins.Unknown, name))
		}
	}
	lowerIDs(res.schema, record)
	if res.below != nil {
		record[res.below.Name] = map[string]any{"id": res.parent}
	}
	for _, field := range res.schema.Foreign() {
		if err := resolve(c, field, record); err != nil {
			return nil, err
		}
	}
	return record, nil
}

// lowerIDs writes the ids in a record in the one form in which they are looked
// up, as Kong's database does with a UUID.
func lowerIDs(schema *entity.Schema, record entity.Record) {
	lower := func(value any) any {
		if text, ok := value.(string); ok && uuid.Validate(text) == nil {
			return strings.ToLower(text)
		}
		return value
	}
	if id, given := record["id"]; given {
		record["id"] = lower(id)
	}
	for _, field := range schema.Foreign() {
		if reference := record.Sub(field.Name); reference["id"] != nil {
			reference["id"] = lower(reference["id"])
		}
	}
	if list, ok := record["ca_certificates"].([]any); ok {
		for i := range list {
			list[i] = lower(list[i])
		}
	}
}

// alignHashing keeps what an upstream hashes by and its algorithm together, as
// Kong 3.9 does: to hash by something takes consistent hashing, and another
// algorithm hashes by nothing.
func alignHashing(record entity.Record) {
	input, given := record["hash_on"]
	algorithm := record["algorithm"]
	switch {
	case given && input != nil && input != "none":
		record["algorithm"] = "consistent-hashing"
	case !given && algorithm != nil && algorithm != "consistent-hashing":
		record["hash_on"] = "none"
	}
}

// resolve replaces a reference by name, {"name": "x"}, by one by id.
func resolve(c *call, field *entity.Field, record entity.Record) error {
	target := entity.Lookup(field.Reference)
	reference := record.Sub(field.Name)
	if target == nil || target.Key == "" || reference["id"] != nil || reference.Text(target.Key) == "" {
		return nil
	}
	found, err := c.store().Get(c.request.Context(), target, store.Key{Field: target.Key, Value: reference.Text(target.Key)})
	if err != nil {
		return unresolved(field.Name, err)
	}
	record[field.Name] = map[string]any{"id": found.ID()}
	return nil
}

// unresolved is the refusal of a reference by name; other errors go through.
func unresolved(field string, err error) error {
	var refusal *entity.Error
	if !errors.As(err, &refusal) {
		return err
	}
	return &entity.Error{Code: entity.CodeUnresolved, Message: refusal.Message, Fields: map[string]any{field: refusal.Fields}}
}

func violation(field, message string) *entity.Error {
	return &entity.Error{Code: entity.CodeSchema, Fields: map[string]any{field: message},
		Message: fmt.Sprintf("schema violation (%s: %s)", field, message)}
}

// patched lays a PATCH's body over the entity: records are merged field by
// field, lists and maps replaced (Kong 3.9).
func patched(schema *entity.Schema, old, input entity.Record) entity.Record {
	fields := schema.Fields
	if schema.Variant != nil {
		named := entity.Record{schema.VariantKey: old[schema.VariantKey]}
		if name, given := input[schema.VariantKey]; given {
			named[schema.VariantKey] = name
		}
		fields = fieldsOf(schema, named)
	}
	return merge(fields, withoutAliases(fieldsOf(schema, old), old), input)
}

// withoutAliases leaves out the older names of fields: they show what those
// hold, which may be about to change.
func withoutAliases(fields []entity.Field, record map[string]any) map[string]any {
	kept := maps.Clone(record)
	for i := range fields {
		field := &fields[i]
		if field.Alias != nil {
			delete(kept, field.Name)
		}
		if below, isRecord := kept[field.Name].(map[string]any); isRecord && field.Kind == entity.Object {
			kept[field.Name] = withoutAliases(field.Fields, below)
		}
	}
	return kept
}

// schemaOf returns the schema by which a record is completed: a plugin that only
// real data planes run has one of its own.
func schemaOf(schema *entity.Schema, record entity.Record) *entity.Schema {
	if schema != entity.Plugins || entity.PluginSchema(record.Name()) != nil {
		return schema
	}
	if kept := entity.KnownPlugin(record.Name()); kept != nil {
		return kept.Schema
	}
	return schema
}

// fieldsOf returns the fields of a record of the schema's kind.
func fieldsOf(schema *entity.Schema, record entity.Record) []entity.Field {
	own := schemaOf(schema, record)
	if own.Variant != nil {
		if variant := own.Variant(record); variant != nil {
			own = variant
		}
	}
	return own.Fields
}

func merge(fields []entity.Field, old, input map[string]any) entity.Record {
	merged := make(entity.Record, len(old)+len(input))
	maps.Copy(merged, old)
	kinds := make(map[string]*entity.Field, len(fields))
	for i := range fields {
		kinds[fields[i].Name] = &fields[i]
	}
	for name, value := range renamed(kinds, input) {
		below, isRecord := value.(map[string]any)
		above, wasRecord := merged[name].(map[string]any)
		if field := kinds[name]; field != nil && field.Kind == entity.Object && isRecord && wasRecord {
			value = map[string]any(merge(field.Fields, above, below))
		}
		merged[name] = value
	}
	return merged
}

// renamed returns the input with the older names of fields replaced by the
// fields that they stand for, where those are not given too.
func renamed(kinds map[string]*entity.Field, input map[string]any) map[string]any {
	output := maps.Clone(input)
	for name, value := range input {
		field := kinds[name]
		if field == nil || field.Alias == nil {
			continue
		}
		last := len(field.Alias) - 1
		below := output
		for _, step := range field.Alias[:last] {
			inner, _ := below[step].(map[string]any)
			inner = maps.Clone(inner)
			if inner == nil {
				inner = map[string]any{}
			}
			below[step] = inner
			below = inner
		}
		if _, given := below[field.Alias[last]]; !given {
			below[field.Alias[last]] = value
			delete(output, name)
		}
	}
	return output
}
