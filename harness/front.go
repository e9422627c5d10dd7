// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"blackout/harness/history"
	"blackout/harness/topology"
)

// frontWait is how long one call to the store front waits for the next request.
const frontWait = time.Second

// frontRequest is a finished request as cmd/storefront tells it. Times are
// nanoseconds of the front's monotonic clock.
type frontRequest struct {
	N         int    `json:"n"`
	Start     int64  `json:"start"`
	End       int64  `json:"end"`
	AccessKey string `json:"access_key"`
	Method    string `json:"method"`
	Path      string `json:"path"`
	Status    int    `json:"status"`
	Bytes     int64  `json:"bytes"`
	Complete  bool   `json:"complete"`
}

// followStore records the store's requests with their authors until ctx ends.
func (c *Cluster) followStore(ctx context.Context, address string) {
	client := &http.Client{Timeout: frontWait + 10*time.Second}
	defer client.CloseIdleConnections()
	retry := time.NewTicker(100 * time.Millisecond)
	defer retry.Stop()
	for last := 0; ctx.Err() == nil; {
		next, err := c.readFront(ctx, client, address, last)
		last = next
		if err == nil || ctx.Err() != nil {
			continue
		}
		c.rec.Event(history.Event{Kind: history.HarnessError, Node: topology.StoreFront, Error: err.Error()})
		select {
		case <-ctx.Done():
		case <-retry.C:
		}
	}
}

// readFront records the requests after the last one known and returns the last
// one known now.
func (c *Cluster) readFront(ctx context.Context, client *http.Client, address string, last int) (int, error) {
	var answer struct {
		Now    int64          `json:"now"`
		Events []frontRequest `json:"events"`
	}
	url := fmt.Sprintf("http://%s/events?after=%d&wait=%s", address, last, frontWait)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return last, err
	}
	res, err := client.Do(req)
	if err != nil {
		return last, fmt.Errorf("read the store front's record: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return last, fmt.Errorf("read the store front's record: status %d", res.StatusCode)
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		return last, fmt.Errorf("read the store front's record: %w", err)
	}
	// The call is a long poll: the front's clock is read just before it answers.
	now := c.rec.Now()
	for _, r := range answer.Events {
		c.rec.Event(history.Event{
			At: now - history.Time(answer.Now-r.Start), Until: now - history.Time(answer.Now-r.End),
			Kind: history.StoreRequest, Node: c.author(r.AccessKey),
			Text: r.Method + " " + strings.TrimPrefix(r.Path, "/"), Code: r.Status, Bytes: r.Bytes, OK: r.Complete,
		})
		last = r.N
	}
	return last, nil
}

// author is the node whose credential a request was signed with.
func (c *Cluster) author(accessKey string) string {
	c.authorsMu.Lock()
	defer c.authorsMu.Unlock()
	if node, ok := c.authors[accessKey]; ok {
		return node
	}
	return "unknown"
}
