// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package entity

import (
	"fmt"
	"slices"
	"strings"
)

// condition is one on a field's value, "config.policy" being a nested one.
type condition struct {
	field string
	holds func(value any) bool
}

// when holds if the field has one of the values.
func when(field string, values ...any) condition {
	return condition{field, func(value any) bool { return slices.Contains(values, value) }}
}

// unless holds if the field has none of the values.
func unless(field string, values ...any) condition {
	return condition{field, func(value any) bool { return !slices.Contains(values, value) }}
}

// conditional is the rule that a field is as judge wants it while the condition
// holds. Rules about fields that are wrong already are not looked at.
func conditional(field string, on condition, judge func(value any) string) Check {
	return func(record Record, wrong *Violations) {
		if wrong.has(on.field) || wrong.has(field) || !on.holds(at(record, on.field)) {
			return
		}
		if message := judge(at(record, field)); message != "" {
			wrong.set(field, message)
			wrong.addEntity(fmt.Sprintf("failed conditional validation given value of field '%s'", on.field))
		}
	}
}

func onlyNull(field string, on condition) Check {
	return conditional(field, on, func(value any) string { return messageIf(value != nil, "value must be null") })
}

func required(field string, on condition) Check {
	return conditional(field, on, func(value any) string { return messageIf(value == nil, requiredMissing) })
}

func oneOf(field string, values []any, on condition) Check {
	return conditional(field, on, func(value any) string {
		return messageIf(value != nil && !slices.Contains(values, value), "expected one of: "+join(values))
	})
}

func messageIf(condition bool, message string) string {
	if condition {
		return message
	}
	return ""
}

func atLeastOneOf(fields ...string) Check {
	return func(record Record, wrong *Violations) {
		if anySet(record, fields) {
			return
		}
		wrong.addEntity("at least one of these fields must be non-empty: " + quoted(fields))
	}
}

func anySet(record Record, fields []string) bool {
	return slices.ContainsFunc(fields, func(field string) bool { return !isEmpty(at(record, field)) })
}

func allOrNone(fields ...string) Check {
	return func(record Record, wrong *Violations) {
		if anySet(record, fields) && slices.ContainsFunc(fields, func(field string) bool { return isEmpty(at(record, field)) }) {
			wrong.addEntity("all or none of these fields must be set: " + quoted(fields))
		}
	}
}

func notBoth(one, other string) Check {
	return func(record Record, wrong *Violations) {
		if !isEmpty(record[one]) && !isEmpty(record[other]) {
			wrong.addEntity("only one or none of these fields must be set: " + quoted([]string{one, other}))
		}
	}
}

func distinct(one, other string) Check {
	return func(record Record, wrong *Violations) {
		if text := record.Text(one); text != "" && text == record.Text(other) {
			wrong.addEntity("values of these fields must be distinct: " + quoted([]string{one, other}))
		}
	}
}

func quoted(words []string) string { return "'" + strings.Join(words, "', '") + "'" }

// at returns the value of a field, "config.redis.host" being a nested one.
func at(record Record, path string) any {
	head, rest, nested := strings.Cut(path, ".")
	if !nested {
		return record[path]
	}
	return at(record.Sub(head), rest)
}

func isEmpty(value any) bool {
	switch value := value.(type) {
	case string:
		return value == ""
	case []any:
		return len(value) == 0
	case map[string]any:
		return len(value) == 0
	}
	return value == nil
}

// The protocols that a route can have together. Each family has matchers of its
// own (Kong's documentation of the traditional router).
var (
	httpFamily   = []string{"http", "https"}
	streamFamily = []string{"tcp", "tls", "udp", "tls_passthrough"}
	grpcFamily   = []string{"grpc", "grpcs"}
)

// checkProtocols takes protocols of one family only.
func checkProtocols(value any) string {
	first := ""
	for _, element := range value.([]any) {
		protocol, _ := element.(string)
		for _, family := range [][]string{httpFamily, streamFamily, grpcFamily} {
			switch {
			case !slices.Contains(family, protocol):
			case first == "":
				first = protocol
			case !slices.Contains(family, first):
				return fmt.Sprintf("cannot set '%s' together with '%s'", protocol, first)
			}
		}
	}
	return ""
}

// matchers is the rule that a route has at least one matcher: of fields, to
// which the secure protocol adds the SNIs.
func matchers(secure string, fields ...string) Check {
	plain, withSNIs := atLeastOneOf(fields...), atLeastOneOf(append(slices.Clone(fields), "snis")...)
	return func(record Record, wrong *Violations) {
		if slices.Contains(record.Texts("protocols"), secure) {
			withSNIs(record, wrong)
		} else {
			plain(record, wrong)
		}
	}
}

func snisNeedTLS(record Record, wrong *Violations) {
	if isEmpty(record["snis"]) || wrong.has("snis") || wrong.has("protocols") {
		return
	}
	protocols := record.Texts("protocols")
	for _, secure := range []string{"grpcs", "https", "tls", "tls_passthrough"} {
		if slices.Contains(protocols, secure) {
			return
		}
	}
	wrong.set("snis", cannotSet("snis", protocols))
}

func cannotSet(field string, protocols []string) string {
	return fmt.Sprintf("cannot set '%s' when 'protocols' is %s", field, strings.ReplaceAll(quoted(protocols), "', '", "' or '"))
}

// without returns the fields with the named ones forbidden to a family.
func without(fields []Field, family []string, names ...string) []Field {
	for _, name := range names {
		field := *lookup(fields, name)
		field.Null = cannotSet(name, family)
		fields = replace(fields, field)
	}
	return fields
}

// replace returns the fields with those of the same names replaced.
func replace(fields []Field, others ...Field) []Field {
	fields = slices.Clone(fields)
	for _, other := range others {
		*lookup(fields, other.Name) = other
	}
	return fields
}
