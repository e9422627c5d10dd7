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

// matchers is the rule that a route has at least one matcher: of fields, to
// which the secure protocol adds the SNIs.
func matchers(secure, plain string, fields ...string) Check {
	const format = "must set one of %s when 'protocols' is '%s'"
	whenSecure := fmt.Sprintf(format, quoted(append(slices.Clone(fields), "snis")), secure)
	whenPlain := fmt.Sprintf(format, quoted(fields), plain)
	return func(record Record, wrong *Violations) {
		protocols, _ := record["protocols"].([]any)
		switch {
		case anySet(record, fields):
		case slices.Contains(protocols, any(secure)):
			if isEmpty(record["snis"]) {
				wrong.addEntity(whenSecure)
			}
		case slices.Contains(protocols, any(plain)):
			wrong.addEntity(whenPlain)
		}
	}
}

func streamMatchers(record Record, wrong *Violations) {
	switch protocols := record.Texts("protocols"); {
	case slices.Contains(protocols, "tls_passthrough"):
		if isEmpty(record["snis"]) {
			wrong.addEntity("must set snis when 'protocols' is 'tls_passthrough'")
		}
	case !anySet(record, []string{"sources", "destinations", "snis"}):
		wrong.addEntity("must set one of 'sources', 'destinations', 'snis' when 'protocols' is 'tcp', 'tls' or 'udp'")
	}
}

func snisNeedTLS(record Record, wrong *Violations) {
	if isEmpty(record["snis"]) || wrong.has("snis") || wrong.has("protocols") {
		return
	}
	for _, protocol := range record.Texts("protocols") {
		switch protocol {
		case "grpcs", "https", "tls", "tls_passthrough":
			return
		}
	}
	wrong.set("snis", "length must be 0")
	wrong.addEntity("'snis' can only be set when 'protocols' is 'grpcs', 'https', 'tls' or 'tls_passthrough'")
}

// exclusive are the protocols that a route or plugin can have together.
var exclusive = [][]string{{"http", "https"}, {"tcp", "tls", "udp"}, {"tls_passthrough"}, {"grpc", "grpcs"}}

func checkProtocols(value any) string {
	list := value.([]any)
	var present []string
	for _, group := range exclusive {
		if slices.ContainsFunc(list, func(element any) bool {
			text, _ := element.(string)
			return slices.Contains(group, text)
		}) {
			present = append(present, "("+quoted(group)+")")
		}
	}
	return messageIf(len(present) > 1, "these sets are mutually exclusive: "+strings.Join(present, ", "))
}

// without returns the fields with the named ones forbidden; format gets a name.
func without(fields []Field, format string, names ...string) []Field {
	for _, name := range names {
		field := *lookup(fields, name)
		field.Null = fmt.Sprintf(format, name)
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
