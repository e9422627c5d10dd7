// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package entity

import "slices"

// Kind is the type of a field's value.
type Kind int

// The kinds of Kong's schemas.
const (
	Text    Kind = iota // a string
	Integer             // a whole number
	Number              // any number
	Boolean             // true or false
	Array               // a list of elements
	Set                 // a list without repeated elements
	Map                 // string to element
	Object              // a record: its fields are in Fields, or not looked into if there are none
	Foreign             // a reference to another entity
)

// String returns the name that Kong's schema endpoints give the kind.
func (k Kind) String() string {
	return [...]string{"string", "integer", "number", "boolean", "array", "set", "map", "record", "foreign"}[k]
}

// Field is one line of a schema's table.
type Field struct {
	Name     string
	Kind     Kind
	Required bool // may not be null; an Object that is left out is filled with its fields' defaults
	Auto     bool // filled in by the gateway if it is left out
	Unique   bool // no two entities of the collection share a value
	Default  any
	OneOf    []any // allowed values; empty means any
	NotOneOf []any // forbidden values
	Min, Max int64 // bounds of a number; both 0 means none
	Above    bool  // the number must be greater than 0
	MinLen   int   // smallest length of a list or map
	Blank    bool  // a Text may be empty
	Secret   bool  // a Text may be a {vault://…} reference, and never belongs in a log or an error

	Element *Field  // of an Array, Set or Map
	Keys    *Field  // of a Map, if there is a rule for them
	Fields  []Field // of an Object
	Checks  []Check // of an Object as a whole

	Reference string // collection that a Foreign field points to
	Cascade   bool   // a Foreign field's entity goes when the one it points to is deleted

	// Null is what a field that must be unset says when it is not, for example
	// "value must be null".
	Null string

	// Alias is the path of the field that this one is the older name of. It is
	// accepted, and always shows that field's value.
	Alias []string

	// Hidden fields do not show in a schema endpoint.
	Hidden bool

	// Loose fields are taken as they come in a received configuration.
	Loose bool

	// Check returns what is wrong with a non-null value of the right kind, in
	// the words of the Admin API, or "".
	Check func(value any) string
}

// Schema describes one kind of entity.
type Schema struct {
	Name   string // collection: "keyauth_credentials"
	Path   string // its path segment in the Admin API: "key-auths"
	Nested string // the same below an entity it refers to: "key-auth"; "" if it is Path
	Key    string // the field that names an entity in paths, beside the id; "" if there is none
	Below  bool   // reached below another entity only: there is no /targets

	Fields []Field

	// Together lists fields whose values are unique together.
	Together [][]string

	// Narrowing are fields of other editions that narrow down what a record
	// applies to. A received configuration that sets one is refused: without it
	// the record would apply to more.
	Narrowing []string

	// Checks look at several fields of a record.
	Checks []Check

	// Variant returns the schema of a record of this one's kind, if records
	// differ (plugins by name, routes by protocol). It is nil for a record that
	// has no variant; Unknown then says what is wrong with VariantKey.
	Variant    func(record Record) *Schema
	VariantKey string
	Unknown    string // format with one %s, the value of VariantKey
	Open       bool   // a received configuration may hold variants that are not known

	// derive sets the fields that follow from others of a valid record.
	derive func(record Record)
}

// Check is a rule that spans several fields. It adds what it finds to wrong.
type Check func(record Record, wrong *Violations)

// Field returns the field of that name, or nil.
func (s *Schema) Field(name string) *Field { return lookup(s.Fields, name) }

func lookup(fields []Field, name string) *Field {
	for i := range fields {
		if fields[i].Name == name {
			return &fields[i]
		}
	}
	return nil
}

// Foreign returns the fields that refer to other entities.
func (s *Schema) Foreign() []*Field {
	var fields []*Field
	for i := range s.Fields {
		if s.Fields[i].Kind == Foreign {
			fields = append(fields, &s.Fields[i])
		}
	}
	return fields
}

// ReferredBy returns the collections that refer to this one, and by which field.
func (s *Schema) ReferredBy() []Referrer {
	var found []Referrer
	for _, schema := range all {
		for _, field := range schema.Foreign() {
			if field.Reference == s.Name {
				found = append(found, Referrer{schema, field})
			}
		}
	}
	return found
}

// Referrer is a field of a schema that refers to another collection.
type Referrer struct {
	Schema *Schema
	Field  *Field
}

// UniqueKeys lists the fields, or the combinations of them, that no two entities
// share, without the id.
func (s *Schema) UniqueKeys() [][]string {
	var keys [][]string
	for i := range s.Fields {
		if s.Fields[i].Unique {
			keys = append(keys, []string{s.Fields[i].Name})
		}
	}
	return append(keys, s.Together...)
}

// ChildPath returns the path segment of the collection below an entity that it
// refers to: /consumers/{consumer}/key-auth.
func (s *Schema) ChildPath() string {
	if s.Nested != "" {
		return s.Nested
	}
	return s.Path
}

// all lists the collections, referenced ones before those that refer to them.
// A configuration is validated and stored in this order.
var all = []*Schema{
	CACertificates, Certificates, SNIs, Services, Routes, Consumers, KeyAuthCredentials,
	Upstreams, Targets, Plugins, Vaults, KeySets, Keys,
}

// All returns every schema, referenced ones before those that refer to them.
func All() []*Schema { return slices.Clone(all) }

// Lookup returns the schema of a collection, one of [Credentials] too, or nil if
// there is none.
func Lookup(collection string) *Schema {
	return find(func(schema *Schema) bool { return schema.Name == collection })
}

// LookupPath returns the schema of an Admin API path segment, or nil.
func LookupPath(path string) *Schema {
	return find(func(schema *Schema) bool { return schema.Path == path })
}

func find(wanted func(*Schema) bool) *Schema {
	for _, list := range [][]*Schema{all, credentials} {
		if i := slices.IndexFunc(list, wanted); i >= 0 {
			return list[i]
		}
	}
	return nil
}
