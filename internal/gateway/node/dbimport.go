// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"blackout/internal/gateway/conf"
	"blackout/internal/gateway/entity"
	"blackout/internal/gateway/store"
)

// How many entities go into one transaction of an import, and how long one may take.
const (
	importBatch   = 500
	importTimeout = time.Minute
)

// ImportDatabase writes a declarative configuration, YAML or JSON, into a control
// plane's database, as `kong config db_import` does: what is there already is replaced
// by its id, and the rest stays. It returns how many entities were written. After an
// error those before it stay too.
func ImportDatabase(ctx context.Context, config *conf.Config, text []byte) (written int, err error) {
	if config.Role == conf.DataPlane || config.Database == conf.NoDatabase {
		return 0, errors.New("import into the database: this node has none: call it with the configuration of a control plane")
	}
	table, err := entity.ParseDeclarative(text)
	if err != nil {
		return 0, inOneLine(err)
	}
	if err := mayUse(table, slices.Concat(config.Plugins, config.OtherPlugins)); err != nil {
		return 0, err
	}
	options, err := databaseOptions(config)
	if err != nil {
		return 0, err
	}
	options.Timeout = importTimeout
	if err := os.MkdirAll(config.Prefix, 0o755); err != nil {
		return 0, fmt.Errorf("prefix %s: %w", config.Prefix, err)
	}
	db, err := store.Open(ctx, options)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	for _, schema := range entity.All() { // what is referred to comes first
		for rows := range slices.Chunk(table.Rows(schema.Name), importBatch) {
			if err := putAll(ctx, db, schema, rows); err != nil {
				return written, fmt.Errorf("import %s: %w", schema.Name, err)
			}
			written += len(rows)
		}
	}
	return written, nil
}

// mayUse refuses a configuration with a plugin that is not enabled, in the words of Kong
// 3.9.
func mayUse(table *entity.Table, enabled []string) error {
	for i, row := range table.Rows(entity.Plugins.Name) {
		if name := row.Name(); !slices.Contains(enabled, name) {
			return fmt.Errorf("plugins.%d.name: "+entity.Plugins.Unknown, i+1, name)
		}
	}
	return nil
}

// putAll writes entities of a kind in one transaction.
func putAll(ctx context.Context, db *store.Store, schema *entity.Schema, rows []entity.Record) error {
	return db.Alter(ctx, func(ctx context.Context, tx *store.Tx) error {
		for _, row := range rows {
			old, err := tx.Get(ctx, schema, store.ID(row.ID()))
			if err != nil {
				return err
			}
			if err := tx.Put(ctx, schema, row, old); err != nil {
				return fmt.Errorf("%s: %w", row.ID(), err)
			}
		}
		return nil
	})
}
