// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
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
	reader := frontReader{offset: math.MaxInt64}
	for ctx.Err() == nil {
		err := c.readFront(ctx, client, address, &reader)
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

// frontReader is what is known of the store front's record.
type frontReader struct {
	last   int          // number of the last request read
	offset history.Time // from the front's clock to the run's, too large by the fastest answer's way
}

// readFront records the requests after the last one known.
func (c *Cluster) readFront(ctx context.Context, client *http.Client, address string, reader *frontReader) error {
	var answer struct {
		Now    int64          `json:"now"`
		Events []frontRequest `json:"events"`
	}
	url := fmt.Sprintf("http://%s/events?after=%d&wait=%s", address, reader.last, frontWait)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	res, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("read the store front's record: %w", err)
	}
	defer res.Body.Close()
	received := c.rec.Now()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("read the store front's record: status %d", res.StatusCode)
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		return fmt.Errorf("read the store front's record: %w", err)
	}
	// The front reads its clock just before it answers a long poll, so the
	// answer that was fastest to arrive tells the offset best.
	reader.offset = min(reader.offset, received-history.Time(answer.Now))
	for _, r := range answer.Events {
		c.rec.Event(history.Event{
			At: reader.offset + history.Time(r.Start), Until: reader.offset + history.Time(r.End),
			Kind: history.StoreRequest, Node: c.author(r.AccessKey),
			Text: r.Method + " " + strings.TrimPrefix(r.Path, "/"), Code: r.Status, Bytes: r.Bytes, OK: r.Complete,
		})
		reader.last = r.N
	}
	return nil
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
