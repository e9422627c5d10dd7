// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package publication keeps a control plane's configuration in the form in which
// data planes get it, and makes of a change only what the change touched. Its
// central type is [Builder].
//
//	var builder publication.Builder
//	delta, err := db.Since(ctx, builder.Position())
//	err = builder.Apply(delta)
//	made, err := builder.Make(time.Now())   // made.Frame goes to the data planes
//
// The frame is one gzip member, made of pieces that are compressed by themselves:
// some hundred rows each, whose bounds depend on the rows alone. Of 100 000 routes
// one change compresses one piece anew. Rows stand in the order of their ids, so
// that the same content has the same hash whatever its history.
package publication

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"blackout/internal/gateway/entity"
	"blackout/internal/gateway/store"
)

// ErrIncomplete is returned, wrapped, by [Builder.Apply] when what it was told does
// not add up to what the database holds.
var ErrIncomplete = errors.New("the configuration is not complete")

// Configuration is what a control plane hands out. It does not change.
type Configuration struct {
	Frame    []byte // the message, gzip of JSON; see [hybrid.Reconfigure]
	Hashes   entity.Hashes
	Plugins  []string // names of the plugins that it configures, sorted
	Entities int      // how many the database held, disabled ones included
	Empty    bool     // nothing in it but bookkeeping (workspaces and parameters)

	sections []section
}

// Table returns the config_table, JSON. It is put together at each call.
func (c *Configuration) Table() []byte {
	var text bytes.Buffer
	_ = c.pieces(func(p piece) error { p.write(&text); return nil }) // a buffer takes everything
	return text.Bytes()
}

// section is one collection of the table.
type section struct {
	name string
	rows []*row
}

// row is an entity in the forms that are needed of it. It is replaced, never
// changed.
type row struct {
	store.Row
	name       string
	enabled    bool
	references []reference
	text       []byte             // its JSON in the table
	serialized *entity.Serialized // under the hash
}

// reference is another entity without which this one is not handed out.
type reference struct{ kind, id string }

// Builder makes configurations of what a database tells. The zero value has seen
// nothing. It is not safe for concurrent use.
type Builder struct {
	position store.Position
	rows     map[string]map[string]*row // by kind and id
	order    map[string][]string        // the ids of a kind, sorted; nil after one came or went
	book     map[string][]*row          // workspaces and parameters
	pieces   compressed
}

// Position is up to where the builder knows the database.
func (b *Builder) Position() store.Position { return b.position }

// Apply takes over what changed. After an error, and when the database holds
// another number of entities than was told, everything is asked for the next
// time: ErrIncomplete says so.
func (b *Builder) Apply(delta *store.Delta) error {
	b.position = store.Position{}
	if delta.Whole || b.rows == nil {
		b.rows, b.order = map[string]map[string]*row{}, map[string][]string{}
	}
	for i := range delta.Rows {
		if err := b.take(&delta.Rows[i]); err != nil {
			return err
		}
	}
	b.book = map[string][]*row{}
	for name, records := range map[string][]entity.Record{"workspaces": delta.Workspaces, "parameters": delta.Parameters} {
		for _, record := range records {
			made, err := newRow(name, store.Row{Kind: name, ID: record.ID()}, record)
			if err != nil {
				return err
			}
			b.book[name] = append(b.book[name], made)
		}
	}
	count := 0
	for _, rows := range b.rows {
		count += len(rows)
	}
	if count != delta.Entities {
		return fmt.Errorf("%w: %d entities are known, the database has %d", ErrIncomplete, count, delta.Entities)
	}
	b.position = delta.Position
	return nil
}

// take takes over one row.
func (b *Builder) take(changed *store.Row) error {
	rows := b.rows[changed.Kind]
	if rows == nil {
		rows = map[string]*row{}
		b.rows[changed.Kind] = rows
	}
	_, known := rows[changed.ID]
	if changed.Body == nil {
		delete(rows, changed.ID)
	} else {
		record, err := changed.Record()
		if err != nil {
			return fmt.Errorf("%s %s: %w", changed.Kind, changed.ID, err)
		}
		made, err := newRow(changed.Kind, *changed, record)
		if err != nil {
			return err
		}
		rows[changed.ID] = made
	}
	if known == (changed.Body == nil) {
		delete(b.order, changed.Kind)
	}
	return nil
}

func newRow(kind string, kept store.Row, record entity.Record) (*row, error) {
	r := &row{Row: kept, name: record.Name(), enabled: true}
	r.Body = nil // not needed any more
	if enabled, given := record["enabled"].(bool); given {
		r.enabled = enabled
	}
	if schema := entity.Lookup(kind); schema != nil {
		for _, field := range schema.Foreign() {
			if id := record.Reference(field.Name); id != "" {
				r.references = append(r.references, reference{field.Reference, id})
			}
		}
	}
	flat := entity.Flatten(kind, record)
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(flat); err != nil {
		return nil, fmt.Errorf("encode %s %s: %w", kind, kept.ID, err)
	}
	r.text = bytes.Clone(bytes.TrimSuffix(text.Bytes(), []byte("\n")))
	r.serialized = &entity.Serialized{Text: bytes.Clone(entity.Serialize(flat)), Value: r.value}
	return r, nil
}

// value decodes the row again.
func (r *row) value() any {
	var value map[string]any
	_ = json.Unmarshal(r.text, &value) // it was encoded here
	return value
}

// Make makes the configuration of what was taken over.
func (b *Builder) Make(now time.Time) (*Configuration, error) {
	c := &Configuration{Empty: true, sections: b.sections(now.Unix())}
	for _, rows := range b.rows {
		c.Entities += len(rows)
	}
	table := map[string]any{"_format_version": entity.FormatVersion, "_transform": false}
	for _, s := range c.sections {
		list := make([]any, len(s.rows))
		for i, r := range s.rows {
			list[i] = r.serialized
		}
		table[s.name] = list
		c.Empty = c.Empty && b.book[s.name] != nil
		if s.name == "plugins" {
			c.Plugins = names(s.rows)
		}
	}
	c.Hashes = entity.Hash(table)
	var err error
	c.Frame, err = b.pieces.frame(c, now)
	return c, err
}

// sections are the rows that are handed out: what is disabled stays at home, with
// everything that refers to it (Kong 3.9), and so does what has expired.
func (b *Builder) sections(now int64) []section {
	var all []section
	left := map[reference]bool{}
	for _, kind := range kinds(b.rows) {
		s := section{name: kind}
		for _, id := range b.sorted(kind) {
			r := b.rows[kind][id]
			if !r.enabled || r.Expired(now) || slices.ContainsFunc(r.references, func(to reference) bool { return len(left) > 0 && left[to] }) {
				left[reference{kind, id}] = true
				continue
			}
			s.rows = append(s.rows, r)
		}
		if len(s.rows) > 0 {
			all = append(all, s)
		}
	}
	for name, rows := range b.book {
		all = append(all, section{name, rows})
	}
	slices.SortFunc(all, func(a, b section) int { return strings.Compare(a.name, b.name) })
	return all
}

// kinds are the names of the collections, referenced ones first.
func kinds(rows map[string]map[string]*row) []string {
	var names, unknown []string
	for _, schema := range entity.All() {
		names = append(names, schema.Name)
	}
	for name := range rows {
		if !slices.Contains(names, name) {
			unknown = append(unknown, name)
		}
	}
	slices.Sort(unknown)
	return append(names, unknown...)
}

func (b *Builder) sorted(kind string) []string {
	ids := b.order[kind]
	if ids == nil {
		ids = make([]string, 0, len(b.rows[kind]))
		for id := range b.rows[kind] {
			ids = append(ids, id)
		}
		slices.Sort(ids)
		b.order[kind] = ids
	}
	return ids
}

// names are the different names of rows, sorted.
func names(rows []*row) []string {
	all := make([]string, len(rows))
	for i, r := range rows {
		all[i] = r.name
	}
	slices.Sort(all)
	return slices.Compact(all)
}
