// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package entity

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
)

const (
	requiredMissing = "required field missing"
	unknownField    = "unknown field"
)

// Complete fills in the defaults of the fields that input leaves out, validates
// the result and sets the fields that follow from others. Unknown fields are
// violations. The input is not changed. The error is an [*Error] with
// [CodeSchema].
func (s *Schema) Complete(input Record) (Record, error) {
	record := Record(cloneMap(input))
	var wrong Violations
	s.complete(record, &wrong, admin)
	if err := wrong.err(); err != nil {
		return nil, err
	}
	if s.derive != nil {
		s.derive(record)
	}
	return record, nil
}

// source is where a record comes from.
type source int

const (
	admin    source = iota // a request to the Admin API
	fromFile               // a declarative file: references may be bare ids and names
	received               // another node's configuration: another edition may have written it, so unknown fields pass
)

// complete fills in and validates a record in place.
func (s *Schema) complete(record Record, wrong *Violations, from source) {
	variant := s
	if s.Variant != nil {
		if variant = s.Variant(record); variant == nil {
			variant = s
			if from != received || !s.Open {
				s.reportUnknown(record, wrong)
			}
		}
	}
	completeFields(variant.Fields, record, wrong, from)
	for _, check := range variant.Checks {
		check(record, wrong)
	}
}

// reportUnknown says that the record has no variant.
func (s *Schema) reportUnknown(record Record, wrong *Violations) {
	value := record[s.VariantKey]
	if list, ok := value.([]any); ok && len(list) > 0 {
		value = list[0]
	}
	if text, ok := value.(string); ok && text != "" {
		wrong.set(s.VariantKey, fmt.Sprintf(s.Unknown, text))
	}
}

func completeFields(fields []Field, record map[string]any, wrong *Violations, from source) {
	if from != received {
		expandAliases(fields, record, wrong)
	}
	for i := range fields {
		field := &fields[i]
		value, given := record[field.Name]
		if !given {
			if value = field.missing(record); value != nil || from != received || !field.Hidden {
				record[field.Name] = value
			}
		} else if list, ok := value.([]any); ok && from != received && field.Kind == Set {
			value = unrepeated(list)
			record[field.Name] = value
		}
		if from == received && field.Loose {
			continue
		}
		if problem := field.judge(value, from); problem != nil && !wrong.has(field.Name) {
			wrong.set(field.Name, problem)
		}
	}
	if from == received {
		return
	}
	for name := range record {
		if lookup(fields, name) == nil {
			wrong.set(name, unknownField)
		}
	}
}

// missing returns the value of a field that was left out.
func (f *Field) missing(record Record) any {
	switch {
	case f.Default != nil:
		return clone(f.Default)
	case f.Kind == Object && f.Required:
		return map[string]any{}
	case f.Alias != nil:
		return at(record, strings.Join(f.Alias, "."))
	}
	return nil
}

// judge fills in and validates a field's value and returns what is wrong with
// it: nil, a message, or the messages of its parts.
func (f *Field) judge(value any, from source) any {
	if value == nil {
		if f.Required {
			return requiredMissing
		}
		return nil
	}
	if message := f.judgeValue(value); message != "" {
		return message
	}
	if f.Kind == Foreign {
		return judgeReference(value, from)
	}
	switch value := value.(type) {
	case []any:
		if problem := f.judgeList(value, from); problem != nil {
			return problem
		}
	case map[string]any:
		if problem := f.judgeMap(value, from); problem != nil {
			return problem
		}
	}
	if f.Check != nil && (!f.Secret || !isVaultReference(value)) {
		if message := f.Check(value); message != "" {
			return message
		}
	}
	return nil
}

// judgeValue looks at all of a non-null value but its parts.
func (f *Field) judgeValue(value any) string {
	if f.Null != "" {
		return f.Null
	}
	if message := f.judgeKind(value); message != "" {
		return message
	}
	if len(f.OneOf) > 0 && !slices.Contains(f.OneOf, value) {
		return "expected one of: " + join(f.OneOf)
	}
	if len(f.NotOneOf) > 0 && slices.Contains(f.NotOneOf, value) {
		return "must not be one of: " + join(f.NotOneOf)
	}
	switch value := value.(type) {
	case float64:
		return f.judgeRange(value)
	case string:
		if value == "" && !f.Blank && f.Kind == Text {
			return "length must be at least 1"
		}
	case []any:
		if len(value) < f.MinLen {
			return fmt.Sprintf("length must be at least %d", f.MinLen)
		}
	}
	return ""
}

func (f *Field) judgeRange(number float64) string {
	if f.Above && number <= 0 {
		return "value must be greater than 0"
	}
	if f.Min != f.Max && (number < float64(f.Min) || number > float64(f.Max)) {
		return fmt.Sprintf("value should be between %d and %d", f.Min, f.Max)
	}
	return ""
}

// judgeList returns the elements' problems, with nil for those without one.
func (f *Field) judgeList(list []any, from source) any {
	if f.Element == nil {
		return nil
	}
	var problems []any
	for i, element := range list {
		problem := f.Element.judge(element, from)
		if element == nil {
			problem = expected[f.Element.Kind] // lists hold no nulls
		}
		if problem == nil {
			continue
		}
		for len(problems) < i {
			problems = append(problems, nil)
		}
		problems = append(problems, problem)
	}
	if problems == nil {
		return nil
	}
	return problems
}

// judgeMap returns the problems of a record's fields, or the first one of a
// map's keys and values.
func (f *Field) judgeMap(value map[string]any, from source) any {
	if f.Kind == Object {
		if f.Fields == nil {
			return nil
		}
		var inner Violations
		completeFields(f.Fields, value, &inner, from)
		for _, check := range f.Checks {
			check(value, &inner)
		}
		if problems := inner.all(); problems != nil {
			return problems
		}
		return nil
	}
	if f.Kind != Map {
		return nil
	}
	for _, key := range sortedKeys(value) {
		if f.Keys != nil {
			if problem := f.Keys.judge(key, from); problem != nil {
				return problem
			}
		}
		if f.Element == nil {
			continue
		}
		if problem := f.Element.judge(value[key], from); problem != nil {
			return problem
		}
	}
	return nil
}

// sortedKeys keeps messages the same from run to run.
func sortedKeys(value map[string]any) []string {
	if len(value) == 1 {
		for key := range value {
			return []string{key}
		}
	}
	return slices.Sorted(maps.Keys(value))
}

func (f *Field) judgeKind(value any) string {
	ok := false
	switch f.Kind {
	case Text:
		_, ok = value.(string)
	case Integer:
		var number float64
		number, ok = value.(float64)
		ok = ok && number == math.Trunc(number) && math.Abs(number) < 1<<63
	case Number:
		_, ok = value.(float64)
	case Boolean:
		_, ok = value.(bool)
	case Array, Set:
		_, ok = value.([]any)
	case Map, Object:
		_, ok = value.(map[string]any)
	case Foreign:
		return ""
	}
	if ok {
		return ""
	}
	return expected[f.Kind]
}

var expected = [...]string{
	Text: "expected a string", Integer: "expected an integer", Number: "expected a number", Boolean: "expected a boolean",
	Array: "expected an array", Set: "expected a set", Map: "expected a map", Object: "expected a record",
}

// judgeReference returns what is wrong with a reference. In the Admin API it has
// the form {"id": "…"}; elsewhere it may be the bare id or name as well.
func judgeReference(value any, from source) any {
	reference, ok := value.(map[string]any)
	if !ok {
		if _, bare := value.(string); bare && from != admin {
			return nil
		}
		return map[string]any{"id": "missing primary key"}
	}
	id, ok := reference["id"].(string)
	if !ok {
		return map[string]any{"id": "missing primary key"}
	}
	if message := checkUUID(id); message != "" {
		return map[string]any{"id": message}
	}
	return nil
}

// unrepeated returns the list without the scalars that it holds already.
func unrepeated(list []any) []any {
	kept, seen := make([]any, 0, len(list)), make(map[any]struct{}, len(list))
	for _, element := range list {
		switch element.(type) {
		case map[string]any, []any:
		default:
			if _, repeated := seen[element]; repeated {
				continue
			}
			seen[element] = struct{}{}
		}
		kept = append(kept, element)
	}
	return kept
}

func isVaultReference(value any) bool {
	text, ok := value.(string)
	return ok && strings.HasPrefix(text, "{vault://") && strings.HasSuffix(text, "}")
}

func clone(value any) any {
	switch value := value.(type) {
	case []any:
		list := make([]any, len(value))
		for i, element := range value {
			list[i] = clone(element)
		}
		return list
	case map[string]any:
		return cloneMap(value)
	case Record:
		return cloneMap(value)
	}
	return value
}

func cloneMap(value map[string]any) map[string]any {
	copied := make(map[string]any, len(value))
	for key, member := range value {
		copied[key] = clone(member)
	}
	return copied
}

func join(list []any) string {
	texts := make([]string, len(list))
	for i, element := range list {
		texts[i] = fmt.Sprint(element)
	}
	return strings.Join(texts, ", ")
}
