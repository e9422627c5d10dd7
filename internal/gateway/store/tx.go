// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"math"
	"time"

	"github.com/google/uuid"

	"blackout/internal/gateway/entity"
)

// Tx is a change in the making: what it writes becomes visible as one, or not
// at all. It belongs to the function that [Store.Alter] calls.
type Tx struct {
	querier
	now      time.Time
	revision int64  // that it makes
	mark     string // of the revision
}

// Get returns an entity, or nil if there is none.
func (tx *Tx) Get(ctx context.Context, schema *entity.Schema, key Key) (entity.Record, error) {
	return tx.get(ctx, schema, key, tx.now)
}

// Put stores a complete record. With old, the entity as it was, it replaces
// that; without, it makes a new one. The record is given an id and times where
// it has none.
func (tx *Tx) Put(ctx context.Context, schema *entity.Schema, record, old entity.Record) error {
	stamp(schema, record, old, tx.now)
	if old == nil {
		taken, err := tx.exists(ctx, schema.Name, record.ID())
		if err != nil {
			return err
		}
		if taken {
			return entity.Taken(record.ID())
		}
	}
	unique := uniques(schema, record)
	if err := tx.checkUnique(ctx, schema, record, unique); err != nil {
		return err
	}
	if err := tx.checkReferences(ctx, schema, record); err != nil {
		return err
	}
	if err := tx.writeBody(ctx, schema, record, old); err != nil {
		return err
	}
	return tx.writeSides(ctx, schema, record, unique, old != nil)
}

// stamp gives a record that is about to be stored its id and times.
func stamp(schema *entity.Schema, record, old entity.Record, now time.Time) {
	if old != nil {
		record["id"], record["created_at"] = old["id"], old["created_at"]
	}
	if record.ID() == "" {
		record["id"] = uuid.NewString()
	}
	for _, name := range []string{"created_at", "updated_at"} {
		field := schema.Field(name)
		if field == nil || name == "created_at" && record[name] != nil {
			continue
		}
		record[name] = float64(now.Unix())
		if field.Kind == entity.Number {
			record[name] = float64(now.UnixMilli()) / 1000
		}
	}
}

func (tx *Tx) exists(ctx context.Context, kind, id string) (found bool, err error) {
	err = tx.each(ctx, func(*sql.Rows) error { found = true; return nil },
		`SELECT 1 FROM entities WHERE kind = ? AND id = ?`, kind, id)
	return found, err
}

func (tx *Tx) checkUnique(ctx context.Context, schema *entity.Schema, record entity.Record, all []unique) error {
	for _, unique := range all {
		id, err := tx.find(ctx, schema, unique)
		if err != nil {
			return err
		}
		if id != "" && id != record.ID() {
			return notUnique(unique.fields, record)
		}
	}
	return nil
}

func (tx *Tx) checkReferences(ctx context.Context, schema *entity.Schema, record entity.Record) error {
	for _, field := range schema.Foreign() {
		id := record.Reference(field.Name)
		if id == "" {
			continue
		}
		found, err := tx.exists(ctx, field.Reference, id)
		if err != nil {
			return err
		}
		if !found {
			return entity.Dangling(*field, id)
		}
	}
	return nil
}

func (tx *Tx) writeBody(ctx context.Context, schema *entity.Schema, record, old entity.Record) error {
	body, err := json.Marshal(record)
	if err != nil {
		return fmt.Errorf("encode the record: %w", err)
	}
	expires, err := tx.expiry(ctx, schema, record, old)
	if err != nil {
		return err
	}
	if expires.Valid {
		record["ttl"] = remaining(expires.Int64, tx.now)
	}
	err = tx.exec(ctx, `INSERT INTO entities (kind, id, expires, body) VALUES (?, ?, ?, ?)
		ON CONFLICT (kind, id) DO UPDATE SET expires = excluded.expires, body = excluded.body`,
		schema.Name, record.ID(), expires, string(body))
	if err != nil {
		return err
	}
	return tx.touch(ctx, schema.Name, record.ID())
}

// expiry is when a record expires, in Unix seconds. A ttl that is still what the
// entity was read with was not given anew: what remains is told in whole seconds,
// and in the last of them as 0, which as a ttl would mean never.
func (tx *Tx) expiry(ctx context.Context, schema *entity.Schema, record, old entity.Record) (expires sql.NullInt64, err error) {
	if schema.Field("ttl") == nil {
		return expires, nil
	}
	if old != nil && old["ttl"] != nil && record["ttl"] != nil && record.Number("ttl") == old.Number("ttl") {
		err := tx.each(ctx, func(row *sql.Rows) error { return row.Scan(&expires) },
			`SELECT expires FROM entities WHERE kind = ? AND id = ?`, schema.Name, record.ID())
		return expires, err
	}
	if ttl := record.Number("ttl"); ttl > 0 {
		expires = sql.NullInt64{Int64: tx.now.Unix() + int64(math.Ceil(ttl)), Valid: true}
	}
	return expires, nil
}

// writeSides writes what stands beside the body: unique values, references and
// tags.
func (tx *Tx) writeSides(ctx context.Context, schema *entity.Schema, record entity.Record, all []unique, replace bool) error {
	kind, id := schema.Name, record.ID()
	if replace {
		for _, table := range []string{"uniques", "links", "tags"} {
			if err := tx.exec(ctx, `DELETE FROM `+table+` WHERE kind = ? AND id = ?`, kind, id); err != nil {
				return err
			}
		}
	}
	for _, unique := range all {
		if err := tx.exec(ctx, `INSERT INTO uniques (kind, fields, value, id) VALUES (?, ?, ?, ?)`, kind, unique.name(), unique.value, id); err != nil {
			return err
		}
	}
	for _, field := range schema.Foreign() {
		target := record.Reference(field.Name)
		if target == "" {
			continue
		}
		if err := tx.exec(ctx, `INSERT INTO links (kind, id, field, target_kind, target) VALUES (?, ?, ?, ?, ?)`,
			kind, id, field.Name, field.Reference, target); err != nil {
			return err
		}
	}
	for i, tag := range record.Texts("tags") {
		if err := tx.exec(ctx, `INSERT INTO tags (kind, id, position, tag) VALUES (?, ?, ?, ?)`, kind, id, i, held(tag)); err != nil {
			return err
		}
	}
	return nil
}

// Delete removes an entity, and those that refer to it and cannot be without
// it. Entities that others refer to otherwise are refused.
func (tx *Tx) Delete(ctx context.Context, schema *entity.Schema, id string) error {
	type link struct{ kind, id, field string }
	var links []link
	err := tx.each(ctx, func(row *sql.Rows) error {
		var l link
		defer func() { links = append(links, l) }()
		return row.Scan(&l.kind, &l.id, &l.field)
	}, `SELECT kind, id, field FROM links WHERE target_kind = ? AND target = ? ORDER BY kind, id`, schema.Name, id)
	if err != nil {
		return err
	}
	for _, l := range links {
		other := entity.Lookup(l.kind)
		if other == nil || other.Field(l.field) == nil {
			return fmt.Errorf("%s %s refers to %s %s by a field that this gateway does not know", l.kind, l.id, schema.Name, id)
		}
		if !other.Field(l.field).Cascade {
			return entity.Referenced(schema.Name, l.kind)
		}
		if err := tx.Delete(ctx, other, l.id); err != nil {
			return err
		}
	}
	if err := tx.exec(ctx, `DELETE FROM entities WHERE kind = ? AND id = ?`, schema.Name, id); err != nil {
		return err
	}
	return tx.touch(ctx, schema.Name, id)
}

// expire removes what has outlived its ttl.
func (tx *Tx) expire(ctx context.Context) error {
	err := tx.exec(ctx, `INSERT INTO touched (kind, id, revision) SELECT kind, id, CAST(? AS BIGINT) FROM entities WHERE expires <= ?
		ON CONFLICT (kind, id) DO UPDATE SET revision = excluded.revision`, tx.revision, tx.now.Unix())
	if err != nil {
		return err
	}
	return tx.exec(ctx, `DELETE FROM entities WHERE expires <= ?`, tx.now.Unix())
}

// Referring returns the entities that refer by a field to an id, in the order
// of their ids.
func (tx *Tx) Referring(ctx context.Context, schema *entity.Schema, field, id string) ([]entity.Record, error) {
	return tx.records(ctx, tx.now, `SELECT body, expires FROM entities WHERE kind = ? AND id IN
		(SELECT l.id FROM links l WHERE l.target_kind = ? AND l.target = ? AND l.kind = ? AND l.field = ?) ORDER BY id`,
		schema.Name, schema.Field(field).Reference, id, schema.Name, field)
}

// Mentioning returns the entities in whose records an id stands, in whatever
// field.
func (tx *Tx) Mentioning(ctx context.Context, schema *entity.Schema, id string) ([]entity.Record, error) {
	return tx.records(ctx, tx.now, `SELECT body, expires FROM entities WHERE kind = ? AND body LIKE ? ORDER BY id`, schema.Name, "%"+id+"%")
}
