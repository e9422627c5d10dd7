// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"blackout/harness/history"
)

// How often a control plane is asked which data planes it knows, and how much of its
// answer is read, in bytes.
const (
	listingInterval = time.Second
	listingLimit    = 4 << 20
)

// listed is a data plane as a control plane lists it.
type listed struct {
	ID   string `json:"id"`
	Hash string `json:"config_hash"`
	Sync string `json:"sync_status"`
}

// watchListing records, until the cluster is closed, the hash and the sync_status that
// a control plane lists for each data plane, at first sight and at each change. One that
// does not answer lists nothing.
func (c *Cluster) watchListing(name string) {
	c.mu.Lock()
	watched := c.watching[name]
	c.watching[name] = true
	c.mu.Unlock()
	if watched {
		return
	}
	c.background(func(ctx context.Context) {
		client := &http.Client{Timeout: 2 * time.Second}
		defer client.CloseIdleConnections()
		seen := make(map[string]listed)
		every(ctx, listingInterval, func() {
			rows, err := c.listing(ctx, client, name)
			if err != nil {
				return
			}
			for _, row := range rows {
				was := seen[row.ID]
				seen[row.ID] = row
				if was.Hash != row.Hash {
					c.rec.Event(history.Event{Kind: history.ListedHash, Node: name, Text: row.ID + " " + row.Hash})
				}
				if was.Sync != row.Sync {
					c.rec.Event(history.Event{Kind: history.ListedSync, Node: name, Text: row.ID + " " + row.Sync})
				}
			}
		})
	})
}

// listing are the data planes that a control plane knows.
func (c *Cluster) listing(ctx context.Context, client *http.Client, name string) ([]listed, error) {
	address, err := c.endpoint(ctx, name, portAdmin)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/clustering/data-planes?size=1000", nil)
	if err != nil {
		return nil, err
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("list the data planes of %s: status %d", name, res.StatusCode)
	}
	var page struct {
		Data []listed `json:"data"`
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, listingLimit)).Decode(&page); err != nil {
		return nil, fmt.Errorf("list the data planes of %s: %w", name, err)
	}
	return page.Data, nil
}
