// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"blackout/internal/gateway/entity"
)

// Difference is what sets a snapshot apart from a configuration.
type Difference struct {
	Storage  string     `json:"storage"`
	Version  string     `json:"version"`
	Key      string     `json:"key"`
	With     string     `json:"with"`  // what it is compared with
	Equal    bool       `json:"equal"` // they configure the same
	Hash     string     `json:"hash"`
	HashWith string     `json:"hash_with"`
	Kinds    []KindDiff `json:"kinds"` // those that differ
}

// KindDiff are the entities of one kind that differ.
type KindDiff struct {
	Kind    string    `json:"kind"`
	Added   []Entity  `json:"added"`   // in the configuration alone: the next export adds them
	Removed []Entity  `json:"removed"` // in the snapshot alone: the next export removes them
	Changed []Changed `json:"changed"`
}

// Entity is one, as people call it.
type Entity struct {
	ID   string `json:"id"`
	Name string `json:"name,omitempty"` // empty where it has none, or where that is a secret
	Of   string `json:"of,omitempty"`   // what it belongs to: "service orders"
}

// Changed is an entity that both have and that differs. Values are not shown: they may
// be secrets.
type Changed struct {
	Entity
	Fields []string `json:"fields"` // "paths", "config.minute"
}

// Diff compares a snapshot with a configuration. The snapshot's ids are shown. A snapshot
// that cannot be read, its absence included, is an error.
func (s *Storage) Diff(ctx context.Context, version string, with *Configuration) (Difference, error) {
	key, err := s.key(version)
	if err != nil {
		return Difference{}, err
	}
	snapshot, _, err := s.read(ctx, key)
	if err != nil {
		return Difference{}, err
	}
	held, err := parsed(s.Location.String()+" "+key, snapshot.ConfigTable)
	if err != nil {
		return Difference{}, err
	}
	d := compare(held, with)
	d.Storage, d.Version, d.Key = s.Location.String(), version, key
	return d, nil
}

// bookkeeping are sections that a control plane has for itself.
var bookkeeping = []string{"parameters", "workspaces"}

// compare says what the next export of a configuration would change in a snapshot.
func compare(held, with *Configuration) Difference {
	d := Difference{With: with.From, Hash: held.Hash, HashWith: with.Hash, Kinds: []KindDiff{}}
	if held.Hash == with.Hash {
		d.Equal = true
		return d
	}
	var m matcher
	names, namesWith := labels(held.Table), labels(with.Table)
	for _, kind := range kindsOf(held.Table, with.Table) {
		from, to := held.Table.Rows(kind), with.Table.Rows(kind)
		k := KindDiff{Kind: kind, Added: []Entity{}, Removed: []Entity{}, Changed: []Changed{}}
		for _, p := range m.match(kind, from, to) {
			switch {
			case p.from == nil:
				k.Added = append(k.Added, entityOf(kind, p.to, namesWith))
			case p.to == nil:
				k.Removed = append(k.Removed, entityOf(kind, p.from, names))
			default:
				if fields := m.differences(kind, p); len(fields) > 0 {
					k.Changed = append(k.Changed, Changed{entityOf(kind, p.from, names), fields})
				}
			}
		}
		if len(k.Added)+len(k.Removed)+len(k.Changed) > 0 {
			k.sort()
			d.Kinds = append(d.Kinds, k)
		}
	}
	d.Equal = len(d.Kinds) == 0
	return d
}

// kindsOf are the kinds that two tables have entities of, those first that others refer
// to.
func kindsOf(tables ...*entity.Table) []string {
	var kinds, others []string
	for _, schema := range append(entity.All(), entity.Credentials()...) {
		kinds = append(kinds, schema.Name)
	}
	for _, table := range tables {
		for name := range table.All {
			if isSection(name) && !slices.Contains(kinds, name) && !slices.Contains(bookkeeping, name) {
				others = append(others, name)
			}
		}
	}
	slices.Sort(others)
	return append(kinds, slices.Compact(others)...)
}

func (k *KindDiff) sort() {
	byName := func(a, b Entity) int { return strings.Compare(a.Name+"\x00"+a.ID, b.Name+"\x00"+b.ID) }
	slices.SortFunc(k.Added, byName)
	slices.SortFunc(k.Removed, byName)
	slices.SortFunc(k.Changed, func(a, b Changed) int { return byName(a.Entity, b.Entity) })
}

// labels are what the entities of a table are called that others belong to, by id.
func labels(table *entity.Table) map[string]string {
	names := map[string]string{}
	for _, schema := range entity.All() {
		for _, row := range table.Rows(schema.Name) {
			names[row.ID()] = or(schema.Label(row), row.ID())
		}
	}
	return names
}

// entityOf names an entity. Many have no name that could be shown, and are known by what
// they belong to.
func entityOf(kind string, row entity.Record, names map[string]string) Entity {
	e := Entity{ID: row.ID(), Name: row.Name()}
	schema := entity.Lookup(kind)
	if schema == nil {
		return e
	}
	e.Name = schema.Label(row)
	var of []string
	for _, field := range schema.Foreign() {
		if id := row.Reference(field.Name); id != "" {
			of = append(of, field.Name+" "+or(names[id], id))
		}
	}
	e.Of = strings.Join(of, ", ")
	return e
}

// counts says how much differs, in a line.
func (d Difference) counts() string {
	var words []string
	for _, k := range d.Kinds {
		var parts []string
		for _, n := range []struct {
			count int
			word  string
		}{{len(k.Added), "added"}, {len(k.Removed), "removed"}, {len(k.Changed), "changed"}} {
			if n.count > 0 {
				parts = append(parts, fmt.Sprintf("%d %s", n.count, n.word))
			}
		}
		words = append(words, k.Kind+": "+strings.Join(parts, ", "))
	}
	return or(strings.Join(words, "; "), "nothing differs")
}
