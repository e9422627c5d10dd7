// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"cmp"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"blackout/internal/gateway/entity"
)

// maxDepth is how deep a form's fields may be nested. No entity is half as deep.
const maxDepth = 32

// fromForm makes a record of a form's fields: "tags[]", "tags[1]" and repeated
// "tags" are lists, "service.id" is a member, and the text takes the type that
// the schema asks for.
func fromForm(schema *entity.Schema, form url.Values) (entity.Record, error) {
	record := entity.Record{}
	for _, key := range slices.SortedFunc(maps.Keys(form), byIndex) {
		if !utf8.ValidString(key) || !utf8.ValidString(strings.Join(form[key], "\n")) {
			return nil, &bodyError{"Cannot parse the form: a field is not UTF-8"}
		}
		path := strings.Split(key, ".")
		if len(path) > maxDepth {
			return nil, &bodyError{"Cannot parse the form: a field is nested too deep"}
		}
		leaf := &path[len(path)-1]
		values := form[key]
		isList := len(values) > 1
		if name, _, ok := strings.Cut(*leaf, "["); ok && strings.HasSuffix(*leaf, "]") {
			*leaf, isList = name, true
		}
		place(record, path, values, isList)
	}
	return typed(fieldsOf(schema, record), record), nil
}

// byIndex orders a form's fields so that "tags[2]" comes before "tags[10]".
func byIndex(a, b string) int {
	return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
}

// place puts values where a path of member names points to; lists that come in
// pieces are put together.
func place(record map[string]any, path []string, values []string, isList bool) {
	for _, name := range path[:len(path)-1] {
		member, ok := record[name].(map[string]any)
		if !ok {
			member = map[string]any{}
			record[name] = member
		}
		record = member
	}
	last := path[len(path)-1]
	if !isList {
		record[last] = values[0]
		return
	}
	list, _ := record[last].([]any)
	for _, value := range values {
		list = append(list, value)
	}
	record[last] = list
}

// typed gives the texts of a form's record the types of the fields.
func typed(fields []entity.Field, record map[string]any) entity.Record {
	for i := range fields {
		field := &fields[i]
		if value, given := record[field.Name]; given {
			record[field.Name] = typedValue(field, value)
		}
	}
	return record
}

func typedValue(field *entity.Field, value any) any {
	if field == nil {
		return value
	}
	if value == "" {
		return nil // an empty field stands for null
	}
	switch field.Kind {
	case entity.Array, entity.Set:
		list, ok := value.([]any)
		if !ok {
			list = []any{value}
		}
		for i := range list {
			list[i] = typedValue(field.Element, list[i])
		}
		return list
	case entity.Map:
		if members, ok := value.(map[string]any); ok {
			for key := range members {
				members[key] = typedValue(field.Element, members[key])
			}
		}
		return value
	case entity.Object:
		if members, ok := value.(map[string]any); ok {
			return map[string]any(typed(field.Fields, members))
		}
		return value
	}
	if text, ok := value.(string); ok {
		return typedText(field.Kind, text)
	}
	return value
}

// typedText makes a number or a boolean of a text, if it is one.
func typedText(kind entity.Kind, text string) any {
	switch kind {
	case entity.Integer, entity.Number:
		if number, err := strconv.ParseFloat(text, 64); err == nil && number-number == 0 {
			return number
		}
	case entity.Boolean:
		if text == "true" || text == "false" {
			return text == "true"
		}
	}
	return text
}
