// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package entity

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Finding is one thing about a configuration that a person should know.
type Finding struct {
	Section string // "routes"; empty for the table as a whole
	Row     int    // position in the section, from 1; 0 for the section as a whole
	ID      string // of the entity, if it has one
	Name    string // of the entity, if it has one; never a secret
	Field   string // "config.redis.host"; empty for the entity as a whole
	Reason  string
}

// Audit is what [AuditTable] found.
type Audit struct {
	Problems []Finding // why [ParseTable] refuses the table; none if it takes it
	Warnings []Finding // what it takes although it is not as it should be
}

// AuditTable looks at a config_table as [ParseTable] does, but goes on after the
// first thing that is wrong, so that a person can put everything right at once.
func AuditTable(raw []byte) Audit {
	sections, err := decodeObject(raw)
	if err == nil {
		err = checkHead(sections)
	} else {
		err = fmt.Errorf("decode config_table: %w", err)
	}
	if err != nil {
		return Audit{Problems: []Finding{{Reason: err.Error()}}}
	}
	a := auditor{index: make(indexes, len(sections)), rows: map[string][]Record{}, at: map[string][]int{}, wrong: map[string]bool{}}
	a.sections(sections)
	for _, schema := range all {
		a.complete(schema)
		a.index.each(schema, a.rows[schema.Name], a.indexed(schema))
	}
	for _, schema := range carriedSchemas() {
		a.index.each(schema, a.rows[schema.Name], a.indexed(schema))
	}
	return a.found
}

// auditor collects findings.
type auditor struct {
	index indexes
	rows  map[string][]Record
	at    map[string][]int // the positions of the rows, from 1: what is no record is left out of them
	wrong map[string]bool  // sections, rows and fields that were found wrong already
	found Audit
}

// sections takes the rows out of the table and reports what is no list of records.
func (a *auditor) sections(all map[string]any) {
	entities := 0
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if name == "" || name[0] == '_' || all[name] == nil {
			continue
		}
		list, ok := all[name].([]any)
		if !ok {
			a.found.Problems = append(a.found.Problems, Finding{Section: name, Reason: expected[Array]})
			entities++ // something is there
			continue
		}
		if name != "workspaces" {
			entities += len(list)
		}
		for i, element := range list {
			row, ok := element.(map[string]any)
			if !ok {
				a.found.Problems = append(a.found.Problems, Finding{Section: name, Row: i + 1, Reason: expected[Object]})
				continue
			}
			a.rows[name], a.at[name] = append(a.rows[name], row), append(a.at[name], i+1)
		}
	}
	if entities == 0 {
		a.found.Problems = append(a.found.Problems, Finding{Reason: ErrEmpty.Error()})
	}
}

// complete validates the rows of one type.
func (a *auditor) complete(schema *Schema) {
	ids := idMaker{}
	for i, row := range a.rows[schema.Name] {
		if row["id"] == nil {
			row["id"] = ids.make(schema, row)
		}
		wrong := Violations{received: true}
		schema.complete(row, &wrong, received)
		for _, problem := range problemsIn("", wrong.all()) {
			a.problem(schema, i, problem.field, problem.reason)
		}
		for _, warning := range wrong.warnings {
			a.warn(schema, i, "", warning)
		}
		for _, field := range unknownFields(schema, row) {
			switch {
			case slices.Contains(schema.Narrowing, field):
				a.problem(schema, i, field, narrows)
			case field != "ws_id":
				a.warn(schema, i, field, unknownIgnored)
			}
		}
	}
}

// indexed takes what is wrong with a row among others, unless its own schema found
// the same field wrong.
func (a *auditor) indexed(schema *Schema) report {
	return func(wrong *rowError) bool {
		if !a.wrong[key(schema, wrong.row, wrong.field)] {
			a.problem(schema, wrong.row, wrong.field, wrong.problem)
		}
		return true
	}
}

func key(schema *Schema, row int, field string) string {
	return schema.Name + " " + strconv.Itoa(row) + " " + field
}

func (a *auditor) problem(schema *Schema, row int, field, reason string) {
	if top, _, _ := strings.Cut(field, "."); top != "" {
		a.wrong[key(schema, row, top)] = true
	}
	a.found.Problems = append(a.found.Problems, a.finding(schema, row, field, reason))
}

func (a *auditor) warn(schema *Schema, row int, field, reason string) {
	a.found.Warnings = append(a.found.Warnings, a.finding(schema, row, field, reason))
}

func (a *auditor) finding(schema *Schema, i int, field, reason string) Finding {
	row := a.rows[schema.Name][i]
	return Finding{Section: schema.Name, Row: a.at[schema.Name][i], ID: row.ID(), Name: schema.Label(row), Field: field, Reason: reason}
}

// Label is what people call an entity: the value of the field by which paths name
// it. It is empty where the entity has none, or where that is a secret.
func (s *Schema) Label(row Record) string {
	if name := row.Name(); name != "" && s.Field("name") != nil {
		return name
	}
	if field := s.Field(s.Key); field != nil && !field.Secret {
		return row.Text(s.Key)
	}
	return ""
}

// problem is one of a row's violations.
type problem struct{ field, reason string }

// problemsIn takes violations apart, in the order of their names.
func problemsIn(field string, found any) []problem {
	below := func(step string) string {
		if field == "" {
			return step
		}
		return field + "." + step
	}
	var all []problem
	switch found := found.(type) {
	case nil: // an element without a problem, before one with one
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(found)) {
			messages, ok := found[name].([]any)
			if name != wholeEntity || !ok {
				all = append(all, problemsIn(below(name), found[name])...)
				continue
			}
			for _, message := range messages {
				all = append(all, problem{field, fmt.Sprint(message)})
			}
		}
	case []any:
		for i, element := range found {
			all = append(all, problemsIn(below(strconv.Itoa(i+1)), element)...)
		}
	default:
		all = append(all, problem{field, fmt.Sprint(found)})
	}
	return all
}

// Flat takes the Fields of an [Error] apart: one finding for each thing that is wrong,
// whose Field is the path to it; positions count from 1.
func Flat(fields map[string]any) []Finding {
	var all []Finding
	for _, p := range problemsIn("", fields) {
		all = append(all, Finding{Field: p.field, Reason: p.reason})
	}
	return all
}
