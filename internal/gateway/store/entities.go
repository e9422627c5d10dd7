// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"

	"blackout/internal/gateway/entity"
)

// Create stores a complete record, which gets an id and times if it has none.
func (s *Store) Create(ctx context.Context, schema *entity.Schema, record entity.Record) (entity.Record, error) {
	err := s.Alter(ctx, func(ctx context.Context, tx *Tx) error { return tx.Put(ctx, schema, record, nil) })
	if err != nil {
		return nil, err
	}
	return record, nil
}

// Change reads an entity, nil if there is none, and stores what change makes of
// it, all in one transaction. An entity that is made by name or id keeps that
// name or id, whatever change returns.
func (s *Store) Change(ctx context.Context, schema *entity.Schema, key Key, change func(old entity.Record) (entity.Record, error)) (entity.Record, error) {
	var record entity.Record
	err := s.Alter(ctx, func(ctx context.Context, tx *Tx) error {
		old, err := tx.Get(ctx, schema, key)
		if err != nil {
			return err
		}
		if record, err = change(old); err != nil {
			return err
		}
		if old == nil {
			record[key.Field] = key.Value
		}
		return tx.Put(ctx, schema, record, old)
	})
	if err != nil {
		return nil, err
	}
	return record, nil
}

// Get returns an entity, or an [entity.Error] with CodeNotFound.
func (s *Store) Get(ctx context.Context, schema *entity.Schema, key Key) (entity.Record, error) {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	record, err := querier{s.read, s.dialect}.get(ctx, schema, key, s.options.Now())
	if err == nil && record == nil {
		err = entity.NotFound(key.Field, key.Value)
	}
	return record, failure("read", err)
}

// Delete removes an entity and reports whether there was one. Entities that
// others refer to are refused, unless those cannot be without it.
func (s *Store) Delete(ctx context.Context, schema *entity.Schema, key Key) (found bool, err error) {
	err = s.Alter(ctx, func(ctx context.Context, tx *Tx) error {
		old, err := tx.Get(ctx, schema, key)
		if err != nil {
			return err
		}
		if found = old != nil; !found {
			return ErrUnchanged
		}
		return tx.Delete(ctx, schema, old.ID())
	})
	return found, err
}

// find returns the id of the entity that has a unique value, or "".
func (q querier) find(ctx context.Context, schema *entity.Schema, u unique) (id string, err error) {
	err = q.each(ctx, func(row *sql.Rows) error { return row.Scan(&id) },
		`SELECT id FROM uniques WHERE kind = ? AND fields = ? AND value = ?`, schema.Name, u.name(), u.value)
	return id, err
}

// get returns an entity, or nil if there is none.
func (q querier) get(ctx context.Context, schema *entity.Schema, key Key, now time.Time) (entity.Record, error) {
	id := key.Value
	if key.Field != "id" {
		unique, ok := key.lookup(schema)
		if !ok {
			return nil, nil
		}
		var err error
		if id, err = q.find(ctx, schema, unique); err != nil || id == "" {
			return nil, err
		}
	}
	found, err := q.records(ctx, now, `SELECT body, expires FROM entities WHERE kind = ? AND id = ?`, schema.Name, id)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return found[0], nil
}

// records runs a query for bodies and times of expiry, and leaves out what has
// expired. A ttl is what remains of it.
func (q querier) records(ctx context.Context, now time.Time, statement string, arguments ...any) (records []entity.Record, err error) {
	err = q.each(ctx, func(row *sql.Rows) error {
		var body []byte
		var expires sql.NullInt64
		if err := row.Scan(&body, &expires); err != nil {
			return err
		}
		record, err := decode(body)
		if err != nil {
			return err
		}
		if expires.Valid {
			if expires.Int64 <= now.Unix() {
				return nil
			}
			record["ttl"] = remaining(expires.Int64, now)
		}
		records = append(records, record)
		return nil
	}, statement, arguments...)
	return records, err
}

// remaining is how many whole seconds are left until a time in Unix seconds.
func remaining(expires int64, now time.Time) float64 {
	return math.Floor(float64(expires) - float64(now.UnixMilli())/1000)
}

func decode(body []byte) (entity.Record, error) {
	var record entity.Record
	if err := json.Unmarshal(body, &record); err != nil {
		return nil, fmt.Errorf("decode a stored record: %w", err)
	}
	return record, nil
}

// Query selects a page of a collection, in the order of ids.
type Query struct {
	After     string   // id of the last entity of the page before; empty for the first page
	Size      int      // at most so many
	Field     string   // if set, only entities that refer by this field
	Reference string   // to this id
	Tags      []string // if set, only entities with all of these tags
	AnyTag    bool     // with any of them instead
}

// List returns a page of a collection and whether more follows.
func (s *Store) List(ctx context.Context, schema *entity.Schema, query Query) ([]entity.Record, bool, error) {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	now := s.options.Now()
	where, arguments := query.conditions(schema, now)
	statement := fmt.Sprintf(`SELECT body, expires FROM entities e WHERE %s ORDER BY id LIMIT %d`, strings.Join(where, " AND "), query.Size+1)
	records, err := querier{s.read, s.dialect}.records(ctx, now, statement, arguments...)
	if err != nil {
		return nil, false, failure("read", err)
	}
	if len(records) > query.Size {
		return records[:query.Size], true, nil
	}
	return records, false, nil
}

func (q Query) conditions(schema *entity.Schema, now time.Time) (where []string, arguments []any) {
	where = []string{"kind = ?", "id > ?", "(expires IS NULL OR expires > ?)"}
	arguments = []any{schema.Name, q.After, now.Unix()}
	if q.Field != "" {
		where = append(where, `id IN (SELECT l.id FROM links l WHERE l.target_kind = ? AND l.target = ? AND l.kind = ? AND l.field = ?)`)
		arguments = append(arguments, schema.Field(q.Field).Reference, q.Reference, schema.Name, q.Field)
	}
	if len(q.Tags) == 0 {
		return where, arguments
	}
	conditions := make([]string, len(q.Tags))
	for i, tag := range q.Tags {
		conditions[i] = `EXISTS (SELECT 1 FROM tags t WHERE t.tag = ? AND t.id = e.id AND t.kind = e.kind)`
		arguments = append(arguments, held(tag))
	}
	operator := " AND "
	if q.AnyTag {
		operator = " OR "
	}
	return append(where, "("+strings.Join(conditions, operator)+")"), arguments
}
