// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package entity knows the things a gateway is configured with, services and
// routes, and the declarative form in which a control plane hands them out.
//
// Its central type is [Schema]: a table of fields with types, defaults and
// rules. The Admin API completes and validates its input with it
// ([Schema.Complete]), and a data plane validates a whole configuration with
// the same rules ([ParseTable]). [Hash] computes the hash by which both sides
// tell configurations apart.
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
func (r Record) Integer(field string) int {
	number, _ := r[field].(float64)
	return int(number)
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

// Kind is the type of a field's value.
type Kind int

// The kinds of Kong's schemas that services and routes need.
const (
	Text    Kind = iota // a string
	Integer             // a whole number
	Boolean             // true or false
	Array               // a list of elements
	Set                 // a list without repeated elements
	Map                 // string to element
	Object              // a record whose fields are not looked into
	Foreign             // a reference to another entity
)

// Field is one line of a schema's table.
type Field struct {
	Name      string
	Kind      Kind
	Required  bool
	Default   any
	OneOf     []any // allowed values; empty means any
	Min, Max  int64 // bounds of an Integer; both 0 means none
	Element   *Field
	Reference string // collection a Foreign field points to

	// Check returns what is wrong with a non-null value of the right kind, in
	// the words of the Admin API, or "".
	Check func(value any) string
}

// Schema describes one kind of entity.
type Schema struct {
	Name   string // collection name: "services"
	Fields []Field

	// Check looks at a complete record as a whole and returns what is wrong
	// with the combination of its fields.
	Check func(record Record) []string
}

// Field returns the field of that name, or nil.
func (s *Schema) Field(name string) *Field {
	for i := range s.Fields {
		if s.Fields[i].Name == name {
			return &s.Fields[i]
		}
	}
	return nil
}

// ForeignField returns the schema's reference to another entity, or nil. A
// schema has at most one.
func (s *Schema) ForeignField() *Field {
	for i := range s.Fields {
		// A service's client_certificate refers to a collection this gateway
		// does not hold.
		if s.Fields[i].Kind == Foreign && Lookup(s.Fields[i].Reference) != nil {
			return &s.Fields[i]
		}
	}
	return nil
}

// Lookup returns the schema of a collection, or nil if there is none.
func Lookup(collection string) *Schema {
	switch collection {
	case Services.Name:
		return Services
	case Routes.Name:
		return Routes
	}
	return nil
}

// All returns every schema, referenced ones before those that refer to them.
func All() []*Schema { return []*Schema{Services, Routes} }
