// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package entity knows the things a gateway is configured with, services and
// routes, plugins, consumers and the rest, and the declarative form in which a
// control plane hands them out.
//
// Its central type is [Schema]: a table of fields with types, defaults and
// rules. The Admin API completes and validates its input with it
// ([Schema.Complete]), and a data plane validates a whole configuration with
// the same rules ([ParseTable]). [Hash] computes the hash by which both sides
// tell configurations apart. A new kind of entity is a new table and a line in
// [All]; a new plugin is a new table and a line in [Plugins].
//
//	record, err := entity.Services.Complete(entity.Record{"host": "example.org"})
//	table, err := entity.ParseTable(configTable)
package entity

// Record is one entity as JSON decodes it: nil, bool, string, float64, []any
// and map[string]any. A complete record holds every field of its schema, with
// nil for those that are unset.
type Record map[string]any

// ID returns the record's id, or "" if it has none.
func (r Record) ID() string { return r.Text("id") }

// Name returns the record's name, or "" if it has none.
func (r Record) Name() string { return r.Text("name") }

// Text returns a string field, or "" if it is unset or no string.
func (r Record) Text(field string) string {
	text, _ := r[field].(string)
	return text
}

// Integer returns a number field, or 0 if it is unset or no number.
func (r Record) Integer(field string) int { return int(r.Number(field)) }

// Number returns a number field, or 0 if it is unset or no number.
func (r Record) Number(field string) float64 {
	number, _ := r[field].(float64)
	return number
}

// Flag returns a boolean field, or false if it is unset or no boolean.
func (r Record) Flag(field string) bool {
	flag, _ := r[field].(bool)
	return flag
}

// Texts returns the strings of an array or set field.
func (r Record) Texts(field string) []string {
	list, _ := r[field].([]any)
	texts := make([]string, 0, len(list))
	for _, element := range list {
		if text, ok := element.(string); ok {
			texts = append(texts, text)
		}
	}
	return texts
}

// Sub returns a nested record or map, or nil if it is unset; reading a nil
// record gives zero values, so that calls chain: r.Sub("config").Sub("redis").
func (r Record) Sub(field string) Record {
	switch value := r[field].(type) {
	case map[string]any:
		return value
	case Record:
		return value
	}
	return nil
}

// Subs returns the records of an array or set field.
func (r Record) Subs(field string) []Record {
	list, _ := r[field].([]any)
	records := make([]Record, 0, len(list))
	for _, element := range list {
		if record, ok := element.(map[string]any); ok {
			records = append(records, record)
		}
	}
	return records
}

// Reference returns the id that a foreign field holds, in either of the two
// forms in use: {"id": "…"} (Admin API) or the bare id (declarative form).
func (r Record) Reference(field string) string {
	switch value := r[field].(type) {
	case string:
		return value
	case map[string]any:
		return Record(value).ID()
	}
	return ""
}
