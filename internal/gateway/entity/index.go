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

// rowError is what is wrong with a row as one among others.
type rowError struct {
	section string
	row     int    // from 0
	field   string // "" if it is no single one
	problem string
}

// Error says where the row is, counted from 1, and what is wrong with it.
func (e *rowError) Error() string {
	where := fmt.Sprintf("%s.%d: ", e.section, e.row+1)
	if e.field != "" {
		where += e.field + ": "
	}
	return where + e.problem
}

// at is the place of the problem in a row that stands at a place.
func (e *rowError) at(row place) place {
	if e.field == "" {
		return row
	}
	return append(append(place{}, row...), e.field)
}

// duplicate is the error for a row that is there already, in the words of Kong.
func duplicate(schema *Schema, row int, what string) *rowError {
	return &rowError{section: schema.Name, row: row,
		problem: fmt.Sprintf("uniqueness violation: '%s' entity with %s already declared", schema.Name, what)}
}

// report takes what is wrong with a row, and says whether to go on looking.
type report func(*rowError) bool

// add indexes the rows of a collection and reports repeated ids.
func (x indexes) add(schema *Schema, rows []Record, wrong report) bool {
	ids := make(map[string]struct{}, len(rows))
	for i, row := range rows {
		id := row.ID()
		if _, taken := ids[id]; taken && !wrong(duplicate(schema, i, fmt.Sprintf("primary key set to '%s'", id))) {
			return false
		}
		ids[id] = struct{}{}
	}
	x[schema.Name] = &index{ids: ids, rows: rows, key: schema.Key}
	return true
}

// check is the first thing that [indexes.each] finds.
func (x indexes) check(schema *Schema, rows []Record) error {
	var first error
	x.each(schema, rows, func(wrong *rowError) bool { first = wrong; return false })
	return first
}

// each indexes the rows of a collection, resolves their references and looks at
// what must be unique.
func (x indexes) each(schema *Schema, rows []Record, wrong report) {
	_ = x.add(schema, rows, wrong) && x.resolve(schema, rows, wrong) && x.unique(schema, rows, wrong)
}

// unique reports rows that share what no two of them may share. References are
// resolved by then.
func (x indexes) unique(schema *Schema, rows []Record, wrong report) bool {
	for _, fields := range schema.UniqueKeys() {
		seen := make(map[string]struct{}, len(rows))
		for i, row := range rows {
			value, ok := uniqueValue(row, fields)
			if !ok {
				continue
			}
			if _, taken := seen[value]; taken && !wrong(duplicate(schema, i, describe(schema, row, fields))) {
				return false
			}
			seen[value] = struct{}{}
		}
	}
	return true
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
			word += " set to '" + value + "'"
		}
		words = append(words, word)
	}
	return strings.Join(words, ", ")
}

// resolve checks the references of the rows and leaves the bare ids in them.
func (x indexes) resolve(schema *Schema, rows []Record, wrong report) bool {
	for _, field := range schema.Foreign() {
		target := x[field.Reference]
		for i, row := range rows {
			if row[field.Name] == nil {
				continue
			}
			given := row.Reference(field.Name)
			id, found := target.find(row, given)
			if found {
				if row[field.Name] != id { // a row that was taken over is in use, and has it
					row[field.Name] = id
				}
			} else if !wrong(&rowError{schema.Name, i, field.Name,
				fmt.Sprintf("invalid reference '%s: %s' (no such entity)", field.Reference, given)}) {
				return false
			}
		}
	}
	return true
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
