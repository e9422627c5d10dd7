// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package entity

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Code is the number by which the Admin API names a kind of failure (Kong 3.9).
type Code int

// The codes in use here.
const (
	CodeSchema      Code = 2
	CodePrimaryKey  Code = 3
	CodeForeign     Code = 4
	CodeUnique      Code = 5
	CodeNotFound    Code = 6
	CodeOffset      Code = 7
	CodeSize        Code = 9
	CodeOptions     Code = 11
	CodeUnresolved  Code = 13
	CodeDeclarative Code = 14
	CodeInUse       Code = 19
)

// ReferencedBy is the key under which a refused deletion names who refers to
// the entity.
const ReferencedBy = "@referenced_by"

var codeNames = map[Code]string{
	CodeSchema:      "schema violation",
	CodePrimaryKey:  "primary key violation",
	CodeForeign:     "foreign key violation",
	CodeUnique:      "unique constraint violation",
	CodeNotFound:    "not found",
	CodeOffset:      "invalid offset",
	CodeSize:        "invalid size",
	CodeOptions:     "invalid options",
	CodeUnresolved:  "foreign keys unresolved",
	CodeDeclarative: "invalid declarative configuration",
	CodeInUse:       "referenced by others",
}

// Error is a refusal in the form in which the Admin API reports it.
type Error struct {
	Code    Code
	Message string
	Fields  map[string]any // nil if the error concerns no field
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

// Name returns the failure's name: "schema violation".
func (e *Error) Name() string { return codeNames[e.Code] }

// NotFound is the error for an entity that does not exist; key is the field it
// was looked up by.
func NotFound(key, value string) *Error {
	return &Error{Code: CodeNotFound, Fields: map[string]any{key: value},
		Message: fmt.Sprintf("could not find the entity with '{%s=%q}'", key, value)}
}

// NotUniqueTogether is the error for values that another entity already holds;
// references have the form {"id": "…"}.
func NotUniqueTogether(values map[string]any) *Error {
	return &Error{Code: CodeUnique, Fields: values,
		Message: fmt.Sprintf("UNIQUE violation detected on '%s'", WriteTable(values, ""))}
}

// Taken is the error for creating an entity under an id that is in use.
func Taken(id string) *Error {
	return &Error{Code: CodePrimaryKey, Fields: map[string]any{"id": id},
		Message: fmt.Sprintf("primary key violation on key '{id=%q}'", id)}
}

// Dangling is the error for a reference to an entity that does not exist.
func Dangling(field Field, id string) *Error {
	return &Error{Code: CodeForeign, Fields: map[string]any{field.Name: map[string]any{"id": id}},
		Message: fmt.Sprintf("the foreign key '{id=%q}' does not reference an existing '%s' entity.", id, field.Reference)}
}

// Referenced is the error for deleting an entity that others refer to.
func Referenced(collection, by string) *Error {
	return &Error{Code: CodeForeign, Fields: map[string]any{ReferencedBy: by},
		Message: fmt.Sprintf("an existing '%s' entity references this '%s' entity", by, collection)}
}

// Violations collects what is wrong with a record, in the nested form of the
// Admin API's "fields".
type Violations struct {
	fields map[string]any
	entity []any

	// received marks a record of a configuration that another node made and
	// accepted: what has only become wrong since is a warning.
	received bool
	warnings []string
}

// set notes what is wrong with a field, "config.redis.host" being a nested one.
func (v *Violations) set(path string, problem any) {
	if v.fields == nil {
		v.fields = map[string]any{}
	}
	fields := v.fields
	for {
		head, rest, nested := strings.Cut(path, ".")
		if !nested {
			fields[path] = problem
			return
		}
		inner, ok := fields[head].(map[string]any)
		if !ok {
			inner = map[string]any{}
			fields[head] = inner
		}
		fields, path = inner, rest
	}
}

// has reports whether a field, or the record that it is in, is wrong already.
func (v *Violations) has(path string) bool {
	fields := v.fields
	for {
		head, rest, nested := strings.Cut(path, ".")
		problem := fields[head]
		inner, isRecord := problem.(map[string]any)
		if !nested || !isRecord {
			return problem != nil
		}
		fields, path = inner, rest
	}
}

// addEntity notes what is wrong with a combination of fields.
func (v *Violations) addEntity(message string) { v.entity = append(v.entity, message) }

// all returns the violations as one value, nil if there are none.
func (v *Violations) all() map[string]any {
	if len(v.entity) > 0 {
		v.set(wholeEntity, v.entity)
	}
	return v.fields
}

// wholeEntity is the key of violations that concern several fields.
const wholeEntity = "@entity"

// err returns the violations as one error, or nil if there are none.
func (v *Violations) err() error {
	fields := v.all()
	if fields == nil {
		return nil
	}
	lines := violationLines(fields)
	count := "schema violation"
	if len(lines) != 1 {
		count = fmt.Sprintf("%d schema violations", len(lines))
	}
	return &Error{Code: CodeSchema, Fields: fields, Message: fmt.Sprintf("%s (%s)", count, strings.Join(lines, "; "))}
}

// violationLines lists the violations as Kong words them: those of the whole
// entity first, then field by field down to the second level; what lies deeper
// is written out as a table.
func violationLines(fields map[string]any) []string {
	var lines []string
	if entity, ok := fields[wholeEntity].([]any); ok {
		for _, message := range entity {
			lines = append(lines, fmt.Sprint(message))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		switch problem := fields[name].(type) {
		case string:
			lines = append(lines, name+": "+problem)
		case []any:
			if name == wholeEntity {
				continue
			}
			for i, inner := range problem {
				if inner != nil {
					lines = append(lines, fmt.Sprintf("%s.%d: %s", name, i+1, writeProblem(inner)))
				}
			}
		case map[string]any:
			for _, key := range slices.Sorted(maps.Keys(problem)) {
				lines = append(lines, name+"."+key+": "+writeProblem(problem[key]))
			}
		}
	}
	return lines
}

func writeProblem(problem any) string {
	if text, ok := problem.(string); ok {
		return text
	}
	return WriteTable(problem, "  ")
}
