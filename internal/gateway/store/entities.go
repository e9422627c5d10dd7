// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"blackout/internal/gateway/entity"
)

// Key names one entity: by its id, or by its name.
type Key struct{ Field, Value string }

// held are the collections that have a table.
var held = []*entity.Schema{entity.Services, entity.Routes}

// Holds reports whether entities of the schema can be stored.
func Holds(schema *entity.Schema) bool { return schema != nil && slices.Contains(held, schema) }

// ParseKey takes a UUID for an id and everything else for a name.
func ParseKey(text string) Key {
	if len(text) == 36 && uuid.Validate(text) == nil {
		return Key{"id", strings.ToLower(text)}
	}
	return Key{"name", text}
}

// Query selects a page of a collection, in the order of ids.
type Query struct {
	After     string   // id of the last entity of the page before; empty for the first page
	Size      int      // at most so many
	Reference string   // if set, only entities that refer to this id
	Tags      []string // if set, only entities with all of these tags
	AnyTag    bool     // with any of them instead
}

// Create stores a complete record, which gets an id and times if it has none.
func (s *Store) Create(ctx context.Context, schema *entity.Schema, record entity.Record) (entity.Record, error) {
	err := s.alter(ctx, func(tx *sql.Tx) error {
		if id := record.ID(); id != "" {
			if old, err := get(ctx, tx, schema, Key{"id", id}); err != nil || old != nil {
				return errors.Join(err, refusal(old != nil, entity.Taken(id)))
			}
		}
		s.stamp(record, nil)
		return put(ctx, tx, schema, record)
	})
	if err != nil {
		return nil, err
	}
	s.changed()
	return record, nil
}

// Change reads an entity, nil if there is none, and stores what change makes of
// it, all in one transaction. An entity that is made by name or id keeps that
// name or id, whatever change returns.
func (s *Store) Change(ctx context.Context, schema *entity.Schema, key Key, change func(old entity.Record) (entity.Record, error)) (entity.Record, error) {
	var record entity.Record
	err := s.alter(ctx, func(tx *sql.Tx) error {
		old, err := get(ctx, tx, schema, key)
		if err != nil {
			return err
		}
		if record, err = change(old); err != nil {
			return err
		}
		if old == nil {
			record[key.Field] = key.Value
		}
		s.stamp(record, old)
		return put(ctx, tx, schema, record)
	})
	if err != nil {
		return nil, err
	}
	s.changed()
	return record, nil
}

// Get returns an entity, or an [entity.Error] with CodeNotFound.
func (s *Store) Get(ctx context.Context, schema *entity.Schema, key Key) (entity.Record, error) {
	record, err := get(ctx, s.read, schema, key)
	if err == nil && record == nil {
		err = entity.NotFound(key.Field, key.Value)
	}
	return record, failure("read", err)
}

// Delete removes an entity and reports whether there was one. Entities that
// others refer to are refused.
func (s *Store) Delete(ctx context.Context, schema *entity.Schema, key Key) (bool, error) {
	var found bool
	err := s.alter(ctx, func(tx *sql.Tx) error {
		old, err := get(ctx, tx, schema, key)
		if err != nil || old == nil {
			return err
		}
		found = true
		if err := unreferenced(ctx, tx, schema, old.ID()); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `DELETE FROM `+schema.Name+` WHERE id = ?`, old.ID())
		return err
	})
	if err == nil && found {
		s.changed()
	}
	return found, err
}

// List returns a page of a collection and whether more follows.
func (s *Store) List(ctx context.Context, schema *entity.Schema, query Query) ([]entity.Record, bool, error) {
	where, arguments := []string{"id > ?"}, []any{query.After}
	if query.Reference != "" {
		where = append(where, schema.ForeignField().Name+" = ?")
		arguments = append(arguments, query.Reference)
	}
	if len(query.Tags) > 0 {
		condition, tags := tagged(query)
		where, arguments = append(where, condition), append(arguments, tags...)
	}
	statement := fmt.Sprintf(`SELECT body FROM %s WHERE %s ORDER BY id LIMIT %d`, schema.Name, strings.Join(where, " AND "), query.Size+1)
	records, err := rows(ctx, s.read, statement, arguments...)
	if err != nil {
		return nil, false, failure("read", err)
	}
	if len(records) > query.Size {
		return records[:query.Size], true, nil
	}
	return records, false, nil
}

func tagged(query Query) (string, []any) {
	conditions := make([]string, len(query.Tags))
	arguments := make([]any, len(query.Tags))
	for i, tag := range query.Tags {
		conditions[i] = `EXISTS (SELECT 1 FROM json_each(body, '$.tags') WHERE value = ?)`
		arguments[i] = tag
	}
	operator := " AND "
	if query.AnyTag {
		operator = " OR "
	}
	return "(" + strings.Join(conditions, operator) + ")", arguments
}

// stamp gives a record that is about to be stored its id and times.
func (s *Store) stamp(record, old entity.Record) {
	now := float64(s.now().Unix())
	if old != nil {
		record["id"], record["created_at"] = old["id"], old["created_at"]
	}
	if record.ID() == "" {
		record["id"] = uuid.NewString()
	}
	if record["created_at"] == nil {
		record["created_at"] = now
	}
	record["updated_at"] = now
}

// querier is what reads: the database, or a transaction in it.
type querier interface {
	QueryContext(ctx context.Context, query string, arguments ...any) (*sql.Rows, error)
}

// get returns an entity, or nil if there is none.
func get(ctx context.Context, from querier, schema *entity.Schema, key Key) (entity.Record, error) {
	found, err := rows(ctx, from, `SELECT body FROM `+schema.Name+` WHERE `+key.Field+` = ?`, key.Value)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return found[0], nil
}

// rows runs a query for bodies.
func rows(ctx context.Context, from querier, statement string, arguments ...any) (records []entity.Record, err error) {
	result, err := from.QueryContext(ctx, statement, arguments...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, result.Close()) }()
	for result.Next() {
		var body []byte
		if err := result.Scan(&body); err != nil {
			return nil, err
		}
		var record entity.Record
		if err := json.Unmarshal(body, &record); err != nil {
			return nil, fmt.Errorf("decode a stored record: %w", err)
		}
		records = append(records, record)
	}
	return records, result.Err()
}

// put inserts or replaces a record after checking it against the others.
func put(ctx context.Context, tx *sql.Tx, schema *entity.Schema, record entity.Record) error {
	if err := checkUnique(ctx, tx, schema, record); err != nil {
		return err
	}
	if err := checkReference(ctx, tx, schema, record); err != nil {
		return err
	}
	body, err := json.Marshal(record)
	if err != nil {
		return fmt.Errorf("encode the record: %w", err)
	}
	columns, values := []string{"id", "name", "body"}, []any{record.ID(), record["name"], string(body)}
	if foreign := schema.ForeignField(); foreign != nil {
		columns = append(columns, foreign.Name)
		values = append(values, sql.NullString{String: record.Reference(foreign.Name), Valid: record[foreign.Name] != nil})
	}
	updates := make([]string, len(columns))
	for i, column := range columns {
		updates[i] = column + " = excluded." + column
	}
	statement := fmt.Sprintf(`INSERT INTO %s (%s) VALUES (?%s) ON CONFLICT (id) DO UPDATE SET %s`, schema.Name,
		strings.Join(columns, ", "), strings.Repeat(", ?", len(columns)-1), strings.Join(updates, ", "))
	_, err = tx.ExecContext(ctx, statement, values...)
	return err
}

func checkUnique(ctx context.Context, tx *sql.Tx, schema *entity.Schema, record entity.Record) error {
	name := record.Name()
	if name == "" {
		return nil
	}
	other, err := get(ctx, tx, schema, Key{"name", name})
	if err != nil {
		return err
	}
	return refusal(other != nil && other.ID() != record.ID(), entity.NotUnique("name", name))
}

func checkReference(ctx context.Context, tx *sql.Tx, schema *entity.Schema, record entity.Record) error {
	foreign := schema.ForeignField()
	if foreign == nil || record[foreign.Name] == nil {
		return nil
	}
	id := record.Reference(foreign.Name)
	target, err := get(ctx, tx, entity.Lookup(foreign.Reference), Key{"id", id})
	if err != nil {
		return err
	}
	return refusal(target == nil, entity.Dangling(*foreign, id))
}

// unreferenced refuses if an entity of another collection refers to id.
func unreferenced(ctx context.Context, tx *sql.Tx, schema *entity.Schema, id string) error {
	for _, other := range held {
		foreign := other.ForeignField()
		if foreign == nil || foreign.Reference != schema.Name {
			continue
		}
		found, err := rows(ctx, tx, `SELECT body FROM `+other.Name+` WHERE `+foreign.Name+` = ? LIMIT 1`, id)
		if err != nil {
			return err
		}
		if len(found) > 0 {
			return entity.Referenced(schema.Name, other.Name)
		}
	}
	return nil
}

// refusal returns the error if the condition holds, and a true nil otherwise.
func refusal(condition bool, err *entity.Error) error {
	if condition {
		return err
	}
	return nil
}
