// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package entitytest makes configurations for property tests: what a control
// plane's database may hold ([Make]), what a control plane of another edition makes
// of it ([Foreign], [TwoWorkspaces]), and what a data plane has to answer with it
// ([Probes]).
//
//	rapid.Check(t, func(t *rapid.T) {
//		made := entitytest.Make(entitytest.Drawn(t), entitytest.Options{Backend: "127.0.0.1:8080", Size: 20})
//		table := entity.NewTable(made.Rows)
//		for _, probe := range entitytest.Probes(table, time.Now()) { … }
//	})
package entitytest

import (
	"fmt"
	"math/rand/v2"
	"time"

	"pgregory.net/rapid"

	"blackout/internal/gateway/entity"
)

// Source makes the choices of a configuration: a number from 0 to n-1 each time.
// 0 is the plainest.
type Source func(n int) int

// Drawn makes choices that rapid draws, so that it finds the smallest
// configuration that shows a fault.
func Drawn(t *rapid.T) Source {
	return func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "choice") }
}

// Seeded makes choices from a seed; for configurations that are too large to be
// drawn.
func Seeded(seed uint64) Source {
	random := rand.New(rand.NewPCG(seed, seed)) // #nosec G404 -- of a test
	return random.IntN
}

// once is true in one of n cases.
func (s Source) once(n int) bool { return s(n) == n-1 }

// Options say what is made.
type Options struct {
	// Backend is the "host:port" of the services' upstream.
	Backend string

	// Size is about how many entities there are at most, Least how many at least.
	Size, Least int

	// Fresh: no CA certificate has expired, which the Admin API would not take.
	Fresh bool

	// Bundled: plugins that only data planes of Kong run are among them, so that
	// this gateway's refuse the configuration.
	Bundled bool
}

// Database is what a control plane's database holds.
type Database struct {
	Rows map[string][]entity.Record // complete; references are {"id": …}, a ttl is the time of expiry

	// Passwords are those of the basic-auth credentials, by their ids: the rows
	// hold their hashes.
	Passwords map[string]string
}

// Entities counts the rows without the bookkeeping.
func (d *Database) Entities() int {
	count := 0
	for name, rows := range d.Rows {
		if name != "workspaces" && name != "parameters" {
			count += len(rows)
		}
	}
	return count
}

// began is when the entities were made, in Unix seconds.
const began = 1_700_000_000

// maker makes the rows of a database.
type maker struct {
	Database
	source  Source
	options Options
	made    uint64
	bound   map[string]bool // plugins, by what is unique of them
}

// Make makes a database.
func Make(source Source, options Options) *Database {
	m := &maker{source: source, options: options, bound: map[string]bool{},
		Database: Database{Rows: map[string][]entity.Record{}, Passwords: map[string]string{}}}
	m.bookkeeping()
	if options.Size == 0 {
		return &m.Database
	}
	target := max(1+source(options.Size), options.Least)
	m.vaultsAndKeys()
	m.certificates()
	for m.Entities() < target {
		m.group()
	}
	m.globals()
	return &m.Database
}

// group makes a service with what belongs to it, or a consumer, or an upstream.
func (m *maker) group() {
	switch m.source(6) {
	case 0, 1, 2:
		m.service()
	case 3, 4:
		m.consumer()
	default:
		m.upstream()
	}
}

// bookkeeping makes what every control plane has.
func (m *maker) bookkeeping() {
	m.Rows["workspaces"] = []entity.Record{{
		"id": DefaultWorkspace, "name": "default", "comment": nil, "created_at": float64(began), "updated_at": float64(began),
		"meta": map[string]any{}, "config": map[string]any{},
	}}
	m.Rows["parameters"] = []entity.Record{{"key": "cluster_id", "value": "68e9fc0d-34c0-429a-899d-6d8ca78fd9ec", "created_at": nil}}
}

// DefaultWorkspace is the id of the workspace that all rows are in.
const DefaultWorkspace = "a7e9fc0d-34c0-429a-899d-6d8ca78fd9ec"

// add completes a row as the Admin API does and takes it up.
func (m *maker) add(schema *entity.Schema, input entity.Record) entity.Record {
	record, err := schema.Complete(input)
	if err != nil {
		panic(fmt.Sprintf("the generator made a %s that the Admin API refuses: %v: %v", schema.Name, err, input))
	}
	record["id"] = m.id()
	for _, field := range []string{"created_at", "updated_at"} {
		if schema.Field(field) == nil {
			continue
		}
		record[field] = float64(began + m.made%1000)
		if schema == entity.Targets {
			record[field] = float64(began) + float64(m.made%1000)/1000
		}
	}
	m.Rows[schema.Name] = append(m.Rows[schema.Name], record)
	return record
}

// id makes ids whose order is not that of their making.
func (m *maker) id() string {
	m.made++
	mixed := m.made * 0x9e3779b97f4a7c15
	return fmt.Sprintf("%08x-%04x-4000-8000-%012x", uint32(mixed>>32), uint16(mixed>>16), m.made) // #nosec G115 -- any bits will do
}

// refer is a reference as the Admin API writes it.
func refer(to entity.Record) map[string]any { return map[string]any{"id": to.ID()} }

// pick chooses one of several, nil if there is none.
func (m *maker) pick(rows []entity.Record) entity.Record {
	if len(rows) == 0 {
		return nil
	}
	return rows[m.source(len(rows))]
}

// number makes a text that is nobody else's and no one's beginning.
func (m *maker) number() string { return fmt.Sprintf("%07d", m.made+1) }

// words are texts that software gets wrong.
var words = []string{
	"plain", "ünïcödé", "漢字かな交じり", "עִבְרִית", "emoji-😀-👩‍👩‍👧", "e\u0301", "<&>", `quote"back\slash`, "\u2028\u2029", "ﬀ-İı-ß", "a b  c", "null", "0", "1e3", "{}", "%00%zz",
}

func (m *maker) word() string { return words[m.source(len(words))] }

// tags may be anything but control characters, commas and slashes.
func (m *maker) tags() any {
	switch n := m.source(4); n {
	case 0:
		return nil
	case 1:
		return []any{}
	default:
		tags := []any{"t" + m.number()}
		for range n - 1 {
			tags = append(tags, fmt.Sprintf("%s-%d", m.word(), len(tags)))
		}
		return tags
	}
}

// names of services, routes and the like take letters of all scripts.
var scripts = []string{"name-", "größe~", "名前.", "имя_", "😀"}

// name is unique, or left out.
func (m *maker) name() any {
	if m.source.once(4) {
		return nil
	}
	return scripts[m.source(len(scripts))] + m.number()
}

// expiry is a time of expiry, past or to come, or none.
func (m *maker) expiry() any {
	switch m.source(6) {
	case 4:
		return float64(began) // long ago
	case 5:
		return float64(time.Now().Add(24 * time.Hour).Unix())
	}
	return nil
}
