// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package entity

import "fmt"

// place is where in a declarative file a row stands: sections and positions from
// 0 in turns, "services" 2 "routes" 0.
type place []any

// flattener takes the rows of a declarative file out of each other.
type flattener struct {
	rows     map[string][]Record
	places   map[string][]place
	problems problems
	ids      idMaker
	inner    map[*Schema][]Referrer // nestable, once for each schema
}

// section adds the rows of one collection. parent is nil at the top of the file.
func (f *flattener) section(schema *Schema, list any, at place, foreign *Field, parent Record) {
	rows, ok := list.([]any)
	if list == nil {
		return
	}
	if !ok {
		f.problems.set(at, expected[Array])
		return
	}
	for i, element := range rows {
		here := append(append(place{}, at...), i)
		if name, isText := element.(string); isText && schema.Key == "name" {
			element = map[string]any{"name": name}
		}
		row, ok := element.(map[string]any)
		if !ok {
			f.problems.set(here, expected[Object])
			continue
		}
		if foreign != nil {
			f.refer(row, foreign, parent, here)
		}
		f.row(schema, row, here)
	}
}

// refer makes a nested row refer to the one it is nested in.
func (f *flattener) refer(row Record, foreign *Field, parent Record, here place) {
	given := row.Reference(foreign.Name)
	if given != "" && given != parent.ID() && given != parent.Text(Lookup(foreign.Reference).Key) {
		f.problems.set(append(here, foreign.Name), fmt.Sprintf("refers to another '%s' entity than the one it is nested in", foreign.Reference))
		return
	}
	row[foreign.Name] = parent.ID()
}

// row adds one row, and what is nested in it.
func (f *flattener) row(schema *Schema, row Record, here place) {
	var inner []func()
	for _, referrer := range f.nestable(schema) {
		name := referrer.Schema.Name
		if list, given := row[name]; given {
			delete(row, name)
			inner = append(inner, func() {
				f.section(referrer.Schema, list, append(append(place{}, here...), name), referrer.Field, row)
			})
		}
	}
	if schema == Services {
		if problem := ExpandURL(row); problem != "" {
			f.problems.set(append(here, "url"), problem)
		}
	}
	for _, field := range schema.Foreign() {
		if name := row.Sub(field.Name).Text(Lookup(field.Reference).Key); name != "" && row.Reference(field.Name) == "" {
			row[field.Name] = name
		}
	}
	if row["id"] == nil {
		row["id"] = f.ids.make(schema, row)
	}
	f.rows[schema.Name] = append(f.rows[schema.Name], row)
	f.places[schema.Name] = append(f.places[schema.Name], here)
	for _, add := range inner {
		add()
	}
}

// nestable lists what can be nested in a row: everything that refers to it.
func (f *flattener) nestable(schema *Schema) []Referrer {
	referrers, known := f.inner[schema]
	if known {
		return referrers
	}
	referrers = schema.ReferredBy()
	if schema == Consumers {
		for _, carried := range carriedSchemas() {
			referrers = append(referrers, Referrer{carried, &carriedFields[0]})
		}
	}
	f.inner[schema] = referrers
	return referrers
}
