// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package entity

import "slices"

// NewTable returns the config_table of the given rows, ready to be encoded:
// references become bare ids, types without rows are absent, and what is
// disabled stays at home together with everything that refers to it (Kong 3.9).
func NewTable(rows map[string][]Record) map[string]any {
	table := map[string]any{"_format_version": FormatVersion, "_transform": false}
	left := map[string]map[string]bool{}
	known := map[string]bool{}
	for _, schema := range all {
		known[schema.Name] = true
		left[schema.Name] = map[string]bool{}
		exportRows(table, schema, rows[schema.Name], left)
	}
	for name, records := range rows {
		if known[name] {
			continue
		}
		schema := Lookup(name)
		if schema == nil {
			schema = &Schema{Name: name}
		}
		exportRows(table, schema, records, left)
	}
	return table
}

// exportRows adds the rows of one type. left holds, by type, the ids of the rows
// that are not exported.
func exportRows(table map[string]any, schema *Schema, records []Record, left map[string]map[string]bool) {
	foreign := schema.Foreign()
	list := make([]any, 0, len(records))
	for _, record := range records {
		if isLeft(record, foreign, left) {
			left[schema.Name][record.ID()] = true
			continue
		}
		list = append(list, flatten(record, foreign))
	}
	if len(list) > 0 {
		table[schema.Name] = slices.Clip(list)
	}
}

func isLeft(record Record, foreign []*Field, left map[string]map[string]bool) bool {
	if enabled, given := record["enabled"].(bool); given && !enabled {
		return true
	}
	for _, field := range foreign {
		if left[field.Reference][record.Reference(field.Name)] {
			return true
		}
	}
	return false
}

// Flatten returns a record of a collection as it stands in a config_table.
func Flatten(collection string, record Record) map[string]any {
	schema := Lookup(collection)
	if schema == nil {
		return flatten(record, nil)
	}
	return flatten(record, schema.Foreign())
}

func flatten(record Record, foreign []*Field) map[string]any {
	flat := make(map[string]any, len(record))
	for key, value := range record {
		flat[key] = value
	}
	for _, field := range foreign {
		if id := record.Reference(field.Name); id != "" {
			flat[field.Name] = id
		}
	}
	return flat
}
