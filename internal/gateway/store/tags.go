// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"database/sql"

	"blackout/internal/gateway/entity"
)

// Tagged is one tag of one entity.
type Tagged struct {
	Tag        string `json:"tag"`
	EntityName string `json:"entity_name"`
	EntityID   string `json:"entity_id"`

	Position int `json:"-"` // among the entity's tags
}

// TagQuery selects a page of the tags, in the order of entities' ids.
type TagQuery struct {
	Tag   string // if set, only this one
	After Tagged // the last one of the page before: id, name and position count
	Size  int
}

// Tags returns a page of the tags in use and whether more follows.
func (s *Store) Tags(ctx context.Context, query TagQuery) (page []Tagged, more bool, err error) {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	after := query.After
	statement := `SELECT t.id, t.kind, t.position, e.body FROM tags t JOIN entities e ON e.kind = t.kind AND e.id = t.id
		WHERE (t.id > ? OR t.id = ? AND (t.kind > ? OR t.kind = ? AND t.position > ?))`
	if after.EntityID == "" {
		after.Position = -1
	}
	arguments := []any{after.EntityID, after.EntityID, after.EntityName, after.EntityName, after.Position}
	if query.Tag != "" {
		statement += ` AND t.tag = ?`
		arguments = append(arguments, held(query.Tag))
	}
	statement += ` ORDER BY t.id, t.kind, t.position LIMIT ?`
	err = querier{s.read, s.dialect}.each(ctx, func(row *sql.Rows) error {
		var tagged Tagged
		var body []byte
		if err := row.Scan(&tagged.EntityID, &tagged.EntityName, &tagged.Position, &body); err != nil {
			return err
		}
		record, err := decode(body)
		if err != nil {
			return err
		}
		tagged.Tag = tagAt(record, tagged.Position)
		page = append(page, tagged)
		return nil
	}, statement, append(arguments, query.Size+1)...)
	if err == nil && len(page) > query.Size {
		return page[:query.Size], true, nil
	}
	return page, false, failure("read", err)
}

// tagAt returns a tag as it was written; the table may hold a digest of it.
func tagAt(record entity.Record, position int) string {
	if tags := record.Texts("tags"); position < len(tags) {
		return tags[position]
	}
	return ""
}
