// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package entity

import (
	"fmt"
	"strings"
)

// indexes find the rows of a configuration, collection by collection.
type indexes map[string]*index

// index finds the rows of one collection. Values are unique within a workspace;
// ids are unique everywhere.
type index struct {
	ids   map[string]struct{}
	names map[string]string // endpoint key, with the workspace → id; nil until asked for
	rows  []Record
	key   string
}

// add indexes the rows of a collection and refuses duplicates.
func (x indexes) add(schema *Schema, rows []Record) error {
	ids := make(map[string]struct{}, len(rows))
	for i, row := range rows {
		id := row.ID()
		if _, taken := ids[id]; taken {
			return fmt.Errorf("%s.%d: id: duplicate id %s", schema.Name, i+1, id)
		}
		ids[id] = struct{}{}
	}
	x[schema.Name] = &index{ids: ids, rows: rows, key: schema.Key}
	return nil
}

// unique refuses rows that share what no two of them may share. References are
// resolved by then.
func (x indexes) unique(schema *Schema, rows []Record) error {
	for _, fields := range schema.UniqueKeys() {
		seen := make(map[string]struct{}, len(rows))
		for i, row := range rows {
			value, ok := uniqueValue(row, fields)
			if !ok {
				continue
			}
			if _, taken := seen[value]; taken {
				return fmt.Errorf("%s.%d: %s: duplicate %s", schema.Name, i+1, strings.Join(fields, ", "), describe(schema, row, fields))
			}
			seen[value] = struct{}{}
		}
	}
	return nil
}

// uniqueValue returns the values of the fields as one; false if the only one is
// unset.
func uniqueValue(row Record, fields []string) (string, bool) {
	if len(fields) == 1 {
		value := row.Text(fields[0])
		return inWorkspace(row, value), value != ""
	}
	values := make([]string, len(fields))
	for i, field := range fields {
		values[i] = row.Reference(field)
	}
	return inWorkspace(row, strings.Join(values, "\x00")), true
}

func inWorkspace(row Record, value string) string {
	if workspace := row.Text("ws_id"); workspace != "" {
		return value + "\x00" + workspace
	}
	return value
}

// describe names the values that are there twice, but never a secret.
func describe(schema *Schema, row Record, fields []string) string {
	words := make([]string, 0, len(fields))
	for _, field := range fields {
		word := field
		if value := row.Reference(field); value != "" && !schema.Field(field).Secret {
			word += " " + value
		}
		words = append(words, word)
	}
	return strings.Join(words, ", ")
}

// resolve checks the references of the rows and leaves the bare ids in them.
func (x indexes) resolve(schema *Schema, rows []Record) error {
	for _, field := range schema.Foreign() {
		target := x[field.Reference]
		for i, row := range rows {
			if row[field.Name] == nil {
				continue
			}
			given := row.Reference(field.Name)
			id, found := target.find(row, given)
			if !found {
				return fmt.Errorf("%s.%d: %s: %w", schema.Name, i+1, field.Name, Dangling(*field, given))
			}
			row[field.Name] = id
		}
	}
	return nil
}

// find returns the id of the row that is referred to by its id or name.
func (x *index) find(from Record, reference string) (string, bool) {
	if x == nil {
		return "", false
	}
	if _, found := x.ids[reference]; found {
		return reference, true
	}
	if x.key == "" || isUUID(reference) {
		return "", false
	}
	if x.names == nil {
		x.names = make(map[string]string, len(x.rows))
		for _, row := range x.rows {
			if name := row.Text(x.key); name != "" {
				x.names[inWorkspace(row, name)] = row.ID()
			}
		}
	}
	id, found := x.names[inWorkspace(from, reference)]
	return id, found
}
