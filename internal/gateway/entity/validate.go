// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package entity

import (
	"fmt"
	"math"
	"reflect"
	"strings"
)

// Complete fills in the defaults of the fields that input leaves out and
// validates the result. Unknown fields are violations. The input is not
// changed. The error is an [*Error] with [CodeSchema].
func (s *Schema) Complete(input Record) (Record, error) {
	var wrong violations
	for name := range input {
		if s.Field(name) == nil {
			wrong.add(name, "unknown field", name+": unknown field")
		}
	}
	record := make(Record, len(s.Fields))
	for i := range s.Fields {
		field := &s.Fields[i]
		value, given := input[field.Name]
		if !given {
			value = field.Default
		}
		record[field.Name] = value
		field.validate(value, &wrong)
	}
	if len(wrong.messages) == 0 && s.Check != nil {
		if messages := s.Check(record); len(messages) > 0 {
			wrong.addEntity(messages)
		}
	}
	if err := wrong.err(); err != nil {
		return nil, err
	}
	return record, nil
}

// validate adds what is wrong with the field's value.
func (f *Field) validate(value any, wrong *violations) {
	if value == nil {
		if f.Required {
			wrong.add(f.Name, "required field missing", f.Name+": required field missing")
		}
		return
	}
	if message := f.judge(value); message != "" {
		f.report(message, wrong)
		return
	}
	if f.Element == nil {
		return
	}
	switch value := value.(type) {
	case []any:
		f.validateList(value, wrong)
	case map[string]any:
		f.validateMap(value, wrong)
	}
}

func (f *Field) report(message string, wrong *violations) {
	if f.Kind == Foreign {
		wrong.add(f.Name, map[string]any{"id": message}, f.Name+".id: "+message)
		return
	}
	wrong.add(f.Name, message, f.Name+": "+message)
}

func (f *Field) validateList(list []any, wrong *violations) {
	nested := make([]any, 0, len(list))
	var lines []string
	for i, element := range list {
		message := f.Element.judge(element)
		if message == "" {
			continue
		}
		for len(nested) < i {
			nested = append(nested, nil)
		}
		nested = append(nested, message)
		lines = append(lines, fmt.Sprintf("%s.%d: %s", f.Name, i+1, message))
	}
	for _, line := range lines {
		wrong.add(f.Name, nested, line)
	}
}

func (f *Field) validateMap(values map[string]any, wrong *violations) {
	nested := map[string]any{}
	for key, value := range values {
		if message := f.Element.judge(value); message != "" {
			nested[key] = message
			wrong.add(f.Name, nested, fmt.Sprintf("%s.%s: %s", f.Name, key, message))
		}
	}
}

// judge returns what is wrong with a non-null value, or "".
func (f *Field) judge(value any) string {
	if message := f.judgeKind(value); message != "" {
		return message
	}
	if len(f.OneOf) > 0 && !contains(f.OneOf, value) {
		return "expected one of: " + join(f.OneOf)
	}
	if number, ok := value.(float64); ok && f.Min != f.Max {
		if number < float64(f.Min) || number > float64(f.Max) {
			return fmt.Sprintf("value should be between %d and %d", f.Min, f.Max)
		}
	}
	if f.Check != nil {
		return f.Check(value)
	}
	return ""
}

func (f *Field) judgeKind(value any) string {
	ok, expected := true, ""
	switch f.Kind {
	case Text:
		_, ok = value.(string)
		expected = "expected a string"
	case Integer:
		number, isNumber := value.(float64)
		ok = isNumber && number == math.Trunc(number)
		expected = "expected an integer"
	case Boolean:
		_, ok = value.(bool)
		expected = "expected a boolean"
	case Array, Set:
		_, ok = value.([]any)
		expected = map[Kind]string{Array: "expected an array", Set: "expected a set"}[f.Kind]
	case Map:
		_, ok = value.(map[string]any)
		expected = "expected a map"
	case Object:
		_, ok = value.(map[string]any)
		expected = "expected a record"
	case Foreign:
		return judgeReference(value)
	}
	if ok {
		return ""
	}
	return expected
}

func judgeReference(value any) string {
	reference, ok := value.(map[string]any)
	if !ok || Record(reference).ID() == "" {
		return "missing primary key"
	}
	return checkUUID(Record(reference).ID())
}

func contains(list []any, value any) bool {
	for _, element := range list {
		if reflect.DeepEqual(element, value) {
			return true
		}
	}
	return false
}

func join(list []any) string {
	texts := make([]string, len(list))
	for i, element := range list {
		texts[i] = fmt.Sprint(element)
	}
	return strings.Join(texts, ", ")
}
