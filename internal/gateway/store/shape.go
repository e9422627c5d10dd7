// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package store

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"

	"github.com/google/uuid"

	"blackout/internal/gateway/entity"
)

// Key names one entity: by its id, or by another field. A field that is unique
// only together with a reference (a target of an upstream) needs that too.
type Key struct {
	Field, Value string
	Parent       string // id of the entity that it is looked for below; empty for none
}

// ID is the key of an id.
func ID(id string) Key { return Key{Field: "id", Value: id} }

// ParseKey takes a UUID for an id and everything else for the field that the
// schema is addressed by. The field is empty if the schema is addressed by id
// alone: no entity has such a key.
func ParseKey(schema *entity.Schema, text string) Key {
	if len(text) == 36 && uuid.Validate(text) == nil {
		return ID(strings.ToLower(text))
	}
	return Key{Field: schema.Key, Value: text}
}

// unique is a value that no other entity of its kind may have.
type unique struct {
	fields []string
	value  string
}

func (u unique) name() string { return strings.Join(u.fields, ",") }

// uniques returns the unique values of a record. Fields that are unique
// together count also where some of them are null; a null by itself does not.
func uniques(schema *entity.Schema, record entity.Record) []unique {
	var all []unique
	for _, fields := range schema.UniqueKeys() {
		switch {
		case len(fields) > 1:
			all = append(all, unique{fields, held(together(fields, record))})
		case record[fields[0]] != nil:
			all = append(all, unique{fields, held(text(record[fields[0]]))})
		}
	}
	return all
}

// together encodes the values of several fields as one text.
func together(fields []string, record entity.Record) string {
	values := make([]string, len(fields))
	for i, field := range fields {
		if values[i] = record.Reference(field); values[i] == "" && record[field] != nil {
			values[i] = text(record[field])
		}
	}
	encoded, _ := json.Marshal(values) // texts can always be encoded
	return string(encoded)
}

func text(value any) string {
	if plain, ok := value.(string); ok {
		return plain
	}
	encoded, _ := json.Marshal(value) // what came as JSON can be encoded
	return string(encoded)
}

// lookup returns the unique value that a key stands for, if it stands for one.
func (k Key) lookup(schema *entity.Schema) (unique, bool) {
	if field := schema.Field(k.Field); field != nil && field.Unique {
		return unique{[]string{k.Field}, held(k.Value)}, true
	}
	for _, fields := range schema.Together {
		if len(fields) == 2 && slices.Contains(fields, k.Field) && k.Parent != "" {
			record := entity.Record{fields[0]: k.Parent, fields[1]: k.Parent}
			record[k.Field] = k.Value
			return unique{fields, held(together(fields, record))}, true
		}
	}
	return unique{}, false
}

// maxHeld is how long a text may be, in bytes, to be kept in an index as it is:
// PostgreSQL refuses entries beyond a third of a page.
const maxHeld = 512

// held is the form in which a text stands in an index. A NUL, which PostgreSQL
// has no place for, makes a digest of it too.
func held(text string) string {
	if len(text) <= maxHeld && !strings.ContainsRune(text, 0) {
		return text
	}
	digest := sha256.Sum256([]byte(text))
	return "sha256:" + hex.EncodeToString(digest[:])
}

// notUnique is the refusal of a unique value that another entity has.
func notUnique(fields []string, record entity.Record) *entity.Error {
	values := make(map[string]any, len(fields))
	for _, field := range fields {
		values[field] = record[field]
	}
	return entity.NotUniqueTogether(values)
}
