// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package entity

import (
	"fmt"
	"sort"
	"strings"
)

// Code is the number by which the Admin API names a kind of failure (Kong 3.9).
type Code int

// The codes in use here.
const (
	CodeSchema     Code = 2
	CodePrimaryKey Code = 3
	CodeForeign    Code = 4
	CodeUnique     Code = 5
	CodeNotFound   Code = 6
	CodeOffset     Code = 7
	CodeSize       Code = 9
	CodeOptions    Code = 11
	CodeUnresolved Code = 13
)

// ReferencedBy is the key under which a refused deletion names who refers to
// the entity.
const ReferencedBy = "@referenced_by"

var codeNames = map[Code]string{
	CodeSchema:     "schema violation",
	CodePrimaryKey: "primary key violation",
	CodeForeign:    "foreign key violation",
	CodeUnique:     "unique constraint violation",
	CodeNotFound:   "not found",
	CodeOffset:     "invalid offset",
	CodeSize:       "invalid size",
	CodeOptions:    "invalid options",
	CodeUnresolved: "foreign keys unresolved",
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

// NotUnique is the error for a value that another entity already holds.
func NotUnique(field, value string) *Error {
	return &Error{Code: CodeUnique, Fields: map[string]any{field: value},
		Message: fmt.Sprintf("UNIQUE violation detected on '{%s=%q}'", field, value)}
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

// violations collects what is wrong with a record: the nested form for the
// error's fields, and the flat lines for its message.
type violations struct {
	fields   map[string]any
	messages []string
}

func (v *violations) add(field string, nested any, message string) {
	if v.fields == nil {
		v.fields = map[string]any{}
	}
	v.fields[field] = nested
	v.messages = append(v.messages, message)
}

func (v *violations) addEntity(messages []string) {
	list := make([]any, len(messages))
	for i, message := range messages {
		list[i] = message
	}
	if v.fields == nil {
		v.fields = map[string]any{}
	}
	v.fields["@entity"] = list
	v.messages = append(v.messages, messages...)
}

// err returns the violations as one error, or nil if there are none.
func (v *violations) err() error {
	if len(v.messages) == 0 {
		return nil
	}
	sort.Strings(v.messages)
	count := "schema violation"
	if n := len(v.messages); n > 1 {
		count = fmt.Sprintf("%d schema violations", n)
	}
	return &Error{Code: CodeSchema, Fields: v.fields,
		Message: fmt.Sprintf("%s (%s)", count, strings.Join(v.messages, "; "))}
}
