// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// DataPlane is what the control plane knows of a data plane: the row of Kong's
// clustering_data_planes.
type DataPlane struct {
	ID           string            `json:"id"`
	Hostname     string            `json:"hostname"`
	IP           string            `json:"ip"`
	Version      string            `json:"version"`
	ConfigHash   string            `json:"config_hash"`
	SyncStatus   string            `json:"sync_status"`
	Labels       map[string]string `json:"labels"`
	CertDetails  CertDetails       `json:"cert_details"`
	Capabilities []string          `json:"rpc_capabilities"`
	LastSeen     int64             `json:"last_seen"`  // Unix seconds
	UpdatedAt    int64             `json:"updated_at"` // Unix seconds
	TTL          int64             `json:"ttl"`        // seconds until the row is forgotten; set on reading
}

// CertDetails is what is told of a data plane's certificate.
type CertDetails struct {
	ExpiryTimestamp int64 `json:"expiry_timestamp"` // Unix seconds
}

// SaveDataPlanes stores the rows of data planes, seen now, for as long as keep
// (Kong 3.9 cluster_data_plane_purge_delay), and forgets those that are overdue. It
// is one transaction: many rows cost little more than one.
func (s *Store) SaveDataPlanes(ctx context.Context, rows []DataPlane, keep time.Duration) error {
	// In one order everywhere: two control planes that save the same ones would
	// else wait for each other.
	rows = slices.SortedFunc(slices.Values(rows), func(a, b DataPlane) int { return strings.Compare(a.ID, b.ID) })
	now := s.options.Now()
	bodies := make([]string, len(rows))
	for i, row := range rows {
		row.LastSeen, row.UpdatedAt, row.TTL = now.Unix(), now.Unix(), 0
		body, err := json.Marshal(row)
		if err != nil {
			return fmt.Errorf("encode data plane: %w", err)
		}
		bodies[i] = string(body)
	}
	ctx, cancel := s.bound(ctx)
	defer cancel()
	return s.transact(ctx, nil, func(tx *sql.Tx) error {
		on := querier{tx, s.dialect}
		if err := on.exec(ctx, `DELETE FROM data_planes WHERE expires <= ?`, now.Unix()); err != nil {
			return err
		}
		for i, row := range rows {
			if err := on.exec(ctx, `INSERT INTO data_planes (id, expires, body) VALUES (?, ?, ?)
				ON CONFLICT (id) DO UPDATE SET expires = excluded.expires, body = excluded.body`,
				row.ID, now.Add(keep).Unix(), bodies[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

// DataPlanes returns a page of the data planes seen, in the order of ids, and
// whether more follows.
func (s *Store) DataPlanes(ctx context.Context, query Query) (page []DataPlane, more bool, err error) {
	ctx, cancel := s.bound(ctx)
	defer cancel()
	now := s.options.Now().Unix()
	err = querier{s.read, s.dialect}.each(ctx, func(result *sql.Rows) error {
		var body []byte
		var expires int64
		if err := result.Scan(&body, &expires); err != nil {
			return err
		}
		var row DataPlane
		if err := json.Unmarshal(body, &row); err != nil {
			return fmt.Errorf("decode a stored data plane: %w", err)
		}
		row.TTL = expires - now
		page = append(page, row)
		return nil
	}, `SELECT body, expires FROM data_planes WHERE id > ? AND expires > ? ORDER BY id LIMIT ?`, query.After, now, query.Size+1)
	if err == nil && len(page) > query.Size {
		return page[:query.Size], true, nil
	}
	return page, false, failure("read", err)
}
