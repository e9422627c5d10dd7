// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package entity

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

// FormatVersion is the version of the declarative format that is written. Older
// ones need their paths migrated and are refused.
const FormatVersion = "3.0"

// ErrEmpty is returned, wrapped, for a config_table that holds nothing to serve.
var ErrEmpty = errors.New("the configuration holds no entities")

// Table is a validated config_table: the declarative form in which the control
// plane hands out a configuration, as a whole.
type Table struct {
	Services []Record // complete records
	Routes   []Record // complete records; service is the bare id

	// All is the whole decoded table: unknown entity types and fields are kept
	// as they came.
	All map[string]any

	// Raw is the JSON text that the table was parsed from.
	Raw []byte
}

// IsEmpty reports whether the table holds nothing but bookkeeping (workspaces
// and parameters).
func (t *Table) IsEmpty() bool {
	for name := range t.All {
		if name != "workspaces" && name != "parameters" && len(t.Rows(name)) > 0 {
			return false
		}
	}
	return true
}

// Rows returns the rows of an entity type, known or not, as they came.
func (t *Table) Rows(name string) []Record {
	list, _ := t.All[name].([]any)
	rows := make([]Record, 0, len(list))
	for _, element := range list {
		if row, ok := element.(map[string]any); ok {
			rows = append(rows, row)
		}
	}
	return rows
}

// ParseTable decodes and validates a config_table whole: it is accepted or
// refused as one. Refused are text that is not exactly one JSON object, another
// _format_version, records that break their schema, duplicate ids and names,
// and routes of services that are not there. A table without any rows but
// workspaces is refused with [ErrEmpty]: Kong's data planes count it as none,
// whereas parameters, which a control plane always has, make them ready.
func ParseTable(raw []byte) (*Table, error) {
	all, err := decodeObject(raw)
	if err != nil {
		return nil, fmt.Errorf("decode config_table: %w", err)
	}
	if len(all) == 0 {
		return nil, ErrEmpty
	}
	if version, _ := all["_format_version"].(string); version != FormatVersion {
		return nil, fmt.Errorf("_format_version is %v, need %q", all["_format_version"], FormatVersion)
	}
	if err := checkSections(all); err != nil {
		return nil, err
	}
	table := &Table{All: all, Raw: raw}
	if table.Services, err = completeAll(Services, table.Rows("services")); err != nil {
		return nil, err
	}
	if table.Routes, err = completeAll(Routes, table.Rows("routes")); err != nil {
		return nil, err
	}
	if err := table.resolve(); err != nil {
		return nil, err
	}
	return table, nil
}

func decodeObject(raw []byte) (map[string]any, error) {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	var all map[string]any
	if err := decoder.Decode(&all); err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("data after the end of the object")
	}
	return all, nil
}

// checkSections refuses a table whose entity types are not lists of objects,
// and one in which no list but workspaces has a row.
func checkSections(all map[string]any) error {
	rows := 0
	for name, value := range all {
		if name == "" || name[0] == '_' || value == nil {
			continue
		}
		list, ok := value.([]any)
		if !ok {
			return fmt.Errorf("%s: expected an array", name)
		}
		for i, element := range list {
			if _, ok := element.(map[string]any); !ok {
				return fmt.Errorf("%s.%d: expected a record", name, i+1)
			}
		}
		if name != "workspaces" {
			rows += len(list)
		}
	}
	if rows == 0 {
		return ErrEmpty
	}
	return nil
}

// completeAll validates the rows of one type. Fields that the schema does not
// know stay in the raw table; they are no violation here, because another
// edition of the gateway may have written them (ws_id).
func completeAll(schema *Schema, rows []Record) ([]Record, error) {
	seen := map[string]bool{}
	records := make([]Record, 0, len(rows))
	for i, row := range rows {
		record, err := schema.Complete(known(schema, row))
		if err != nil {
			return nil, fmt.Errorf("%s.%d: %w", schema.Name, i+1, err)
		}
		if record.ID() == "" {
			return nil, fmt.Errorf("%s.%d: id: required field missing", schema.Name, i+1)
		}
		for _, key := range uniqueKeys(row) {
			if seen[key] {
				return nil, fmt.Errorf("%s.%d: duplicate %s", schema.Name, i+1, key)
			}
			seen[key] = true
		}
		records = append(records, record)
	}
	return records, nil
}

// uniqueKeys lists what no other row of the same type may share. Names are
// unique within a workspace only.
func uniqueKeys(row Record) []string {
	keys := []string{"id " + row.ID()}
	if row.Name() != "" {
		keys = append(keys, "name "+row.Name()+" "+row.Text("ws_id"))
	}
	return keys
}

// known returns the fields of a row that the schema knows, with references in
// the form of the Admin API.
func known(schema *Schema, row Record) Record {
	record := make(Record, len(row))
	for i := range schema.Fields {
		field := &schema.Fields[i]
		value, given := row[field.Name]
		if !given {
			continue
		}
		if text, ok := value.(string); ok && field.Kind == Foreign {
			value = map[string]any{"id": text}
		}
		record[field.Name] = value
	}
	return record
}

// resolve checks every route's service and leaves its bare id in the record.
func (t *Table) resolve() error {
	ids := make(map[string]bool, len(t.Services))
	for _, service := range t.Services {
		ids[service.ID()] = true
	}
	for i, route := range t.Routes {
		id := route.Reference("service")
		if id == "" {
			continue
		}
		if !ids[id] {
			return fmt.Errorf("routes.%d: %w", i+1, Dangling(*Routes.Field("service"), id))
		}
		route["service"] = id
	}
	return nil
}

// NewTable returns the config_table of the given rows, ready to be encoded:
// disabled services go out neither themselves nor with their routes, references
// become bare ids, and types without rows are absent (Kong 3.9).
func NewTable(rows map[string][]Record) map[string]any {
	table := map[string]any{"_format_version": FormatVersion, "_transform": false}
	disabled := map[string]bool{}
	for _, service := range rows["services"] {
		if !service.Flag("enabled") {
			disabled[service.ID()] = true
		}
	}
	for name, records := range rows {
		list := make([]any, 0, len(records))
		for _, record := range records {
			if disabled[record.ID()] || disabled[record.Reference("service")] {
				continue
			}
			list = append(list, flatten(name, record))
		}
		if len(list) > 0 {
			table[name] = slices.Clip(list)
		}
	}
	return table
}

// flatten returns the record as it stands in a config_table.
func flatten(collection string, record Record) map[string]any {
	flat := make(map[string]any, len(record))
	for key, value := range record {
		flat[key] = value
	}
	if schema := Lookup(collection); schema != nil {
		for i := range schema.Fields {
			if field := &schema.Fields[i]; field.Kind == Foreign && record.Reference(field.Name) != "" {
				flat[field.Name] = record.Reference(field.Name)
			}
		}
	}
	return flat
}
