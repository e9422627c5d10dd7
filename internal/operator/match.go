// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"blackout/internal/gateway/entity"
)

// pair is an entity on both sides of a comparison, or on one of them.
type pair struct{ from, to entity.Record }

// matcher finds the entities of two configurations that are the same one. Ids alone do
// not tell: a control plane draws them, and a declarative file mostly has none. So what
// is left without a partner of its id finds one of its name, or of the values that no
// two entities share.
type matcher struct {
	// as has the ids of the right side's entities as the left side has them.
	as map[string]map[string]string // kind → id → id
}

// match pairs the entities of one kind. The kinds that it refers to must have been
// matched before.
func (m *matcher) match(kind string, from, to []entity.Record) []pair {
	if m.as == nil {
		m.as = map[string]map[string]string{}
	}
	ids := map[string]string{}
	m.as[kind] = ids
	schema := entity.Lookup(kind)
	left := map[string]entity.Record{}
	for _, row := range from {
		left[identity(row)] = row
	}
	pairs := make([]pair, 0, len(from))
	var alone []entity.Record
	for _, row := range to {
		if partner, found := left[identity(row)]; found {
			delete(left, identity(row))
			ids[row.ID()] = partner.ID()
			pairs = append(pairs, pair{partner, row})
		} else {
			alone = append(alone, row)
		}
	}
	byName := map[string]entity.Record{}
	for _, row := range from {
		if _, free := left[identity(row)]; free {
			byName[m.natural(schema, row, false)] = row
		}
	}
	for _, row := range alone {
		name := m.natural(schema, row, true)
		if partner, found := byName[name]; found && name != "" {
			delete(byName, name)
			delete(left, identity(partner))
			ids[row.ID()] = partner.ID()
			pairs = append(pairs, pair{partner, row})
		} else {
			pairs = append(pairs, pair{to: row})
		}
	}
	for _, row := range from {
		if _, free := left[identity(row)]; free {
			pairs = append(pairs, pair{from: row})
		}
	}
	return pairs
}

// identity is a row's id or, where it has none, its content.
func identity(row entity.Record) string {
	if id := row.ID(); id != "" {
		return id
	}
	text, _ := json.Marshal(map[string]any(row)) // it came as JSON
	return string(text)
}

// natural is what makes an entity the same one under another id; empty if nothing does.
// translate makes the left side's ids of the right side's.
func (m *matcher) natural(schema *entity.Schema, row entity.Record, translate bool) string {
	if schema == nil {
		return join(row.Text("ws_id"), row.Name())
	}
	refer := func(name string) string {
		id := row.Reference(name)
		field := schema.Field(name)
		if field != nil && field.Reference != "" && translate {
			if other, known := m.as[field.Reference][id]; known {
				return other
			}
		}
		return id
	}
	switch schema {
	case entity.Plugins:
		return join(row.Name(), row.Text("instance_name"), refer("service"), refer("route"), refer("consumer"))
	case entity.Certificates:
		return strings.TrimSpace(row.Text("cert"))
	}
	for _, fields := range schema.UniqueKeys() {
		values := make([]string, len(fields))
		for i, field := range fields {
			values[i] = refer(field)
		}
		if name := join(values...); name != "" {
			return join(append(values, fields...)...)
		}
	}
	return ""
}

// join makes one text of several; empty if all of them are.
func join(parts ...string) string {
	if strings.Join(parts, "") == "" {
		return ""
	}
	return strings.Join(parts, "\x00")
}

// differences are the fields in which a pair differs, as paths. Ids, times, and what
// remains of a ttl are no difference.
func (m *matcher) differences(kind string, p pair) []string {
	schema := entity.Lookup(kind)
	fields := map[string]bool{}
	for _, row := range []entity.Record{p.from, p.to} {
		for name := range row {
			fields[name] = true
		}
	}
	var found []string
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		one, other := p.from[name], p.to[name]
		switch name {
		case "id", "created_at", "updated_at":
			continue
		case "ttl":
			if (one == nil) != (other == nil) {
				found = append(found, name)
			}
			continue
		case "ws_id":
			if one == nil || other == nil {
				continue // another edition's
			}
		}
		if schema != nil {
			if field := schema.Field(name); field != nil && field.Reference != "" {
				other = m.translated(field.Reference, p.to, name)
				one = p.from.Reference(name)
			}
		}
		found = append(found, differing(name, one, other)...)
	}
	return slices.DeleteFunc(found, func(field string) bool { return slices.Contains(olderNames(kind, p.from), field) })
}

// olderNames are the fields of a plugin that show another field's value.
func olderNames(kind string, row entity.Record) []string {
	plugin := entity.KnownPlugin(row.Name())
	if kind != entity.Plugins.Name || plugin == nil {
		return nil
	}
	var names []string
	for _, field := range plugin.Schema.Field("config").Fields {
		if field.Alias != nil {
			names = append(names, "config."+field.Name)
		}
	}
	return names
}

func (m *matcher) translated(kind string, row entity.Record, field string) string {
	id := row.Reference(field)
	if other, known := m.as[kind][id]; known {
		return other
	}
	return id
}

// differing are the paths at and below a field at which two values differ.
func differing(field string, one, other any) []string {
	if isNothing(one) && isNothing(other) {
		return nil
	}
	left, leftIs := one.(map[string]any)
	right, rightIs := other.(map[string]any)
	if !leftIs || !rightIs {
		if equal(one, other) {
			return nil
		}
		return []string{field}
	}
	names := map[string]bool{}
	for name := range left {
		names[name] = true
	}
	for name := range right {
		names[name] = true
	}
	var found []string
	for _, name := range slices.Sorted(maps.Keys(names)) {
		found = append(found, differing(field+"."+name, left[name], right[name])...)
	}
	return found
}

// isNothing says whether a value is as good as left out.
func isNothing(value any) bool {
	switch value := value.(type) {
	case nil:
		return true
	case string:
		return value == ""
	}
	return false
}

// equal compares values as JSON.
func equal(one, other any) bool {
	a, errA := json.Marshal(one)
	b, errB := json.Marshal(other)
	return errA == nil && errB == nil && string(a) == string(b)
}
