// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"blackout/fixtures"
	"blackout/harness/history"
)

// snapshotGeneration reads the object as an independent reader and finds the
// generation in it: the path of the probed service of a bare config_table.
func (c *Cluster) snapshotGeneration(ctx context.Context) (int, error) {
	object, err := c.store.ReadObject(ctx, bucket, snapshotKey())
	if err != nil {
		return 0, err
	}
	table, service, err := probedIn(object.Body)
	if err != nil || table == nil {
		return 0, err
	}
	path, _ := service["path"].(string)
	return strconv.Atoi(strings.TrimPrefix(path, "/gen/"))
}

// probedIn decodes a config_table and finds the probed service in it. The
// service is part of the table: changing one changes the other.
func probedIn(body []byte) (table, service map[string]any, err error) {
	decoder := json.NewDecoder(strings.NewReader(string(body)))
	decoder.UseNumber() // what is planted must differ in nothing but the generation
	if err := decoder.Decode(&table); err != nil {
		return nil, nil, fmt.Errorf("snapshot is not JSON: %w", err)
	}
	services, _ := table["services"].([]any)
	for _, s := range services {
		if m, ok := s.(map[string]any); ok && m["name"] == fixtures.ProbedService {
			return table, m, nil
		}
	}
	return nil, nil, errors.New("snapshot has no service named " + fixtures.ProbedService)
}

// plant replaces the object by a copy in another generation, without metadata:
// a node that reads the store again, and should not, would take it.
func (c *Cluster) plant(ctx context.Context, generation int) error {
	object, err := c.store.ReadObject(ctx, bucket, snapshotKey())
	if err != nil {
		return fmt.Errorf("%w: %w", ErrEnvironment, err)
	}
	table, service, err := probedIn(object.Body)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnsteady, err)
	}
	service["path"] = fixtures.GenerationPath(generation)
	body, err := json.Marshal(table)
	if err != nil {
		return err
	}
	if err := c.store.PutObject(ctx, bucket, snapshotKey(), body); err != nil {
		return fmt.Errorf("%w: %w", ErrEnvironment, err)
	}
	c.rec.Event(history.Event{Kind: history.Planted, Generation: generation, Text: bucket + "/" + snapshotKey()})
	return nil
}
