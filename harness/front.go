// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"math"
	"strings"
	"time"

	"blackout/harness/history"
	"blackout/harness/topology"
	"blackout/internal/s3front"
)

// frontWait is how long one call to the store front waits for the next request.
const frontWait = time.Second

// followStore records the store's requests with their authors until ctx ends.
func (c *Cluster) followStore(ctx context.Context, address string) {
	retry := time.NewTicker(100 * time.Millisecond)
	defer retry.Stop()
	reader := follower{front: s3front.NewClient(address), offset: math.MaxInt64}
	for ctx.Err() == nil {
		err := c.readFront(ctx, &reader)
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

// follower is what is known of the store front's record.
type follower struct {
	front  *s3front.Client
	last   int          // number of the last request read
	offset history.Time // from the front's clock to the run's, too large by the fastest answer's way
}

// readFront records the requests after the last one known.
func (c *Cluster) readFront(ctx context.Context, reader *follower) error {
	page, err := reader.front.Events(ctx, reader.last, frontWait)
	if err != nil {
		return err
	}
	// The front reads its clock just before it answers a long poll, so the
	// answer that was fastest to arrive tells the offset best.
	reader.offset = min(reader.offset, c.rec.Now()-history.Time(page.Now))
	for _, r := range page.Events {
		c.rec.Event(history.Event{
			At: reader.offset + history.Time(r.Start), Until: reader.offset + history.Time(r.End),
			Kind: history.StoreRequest, Node: c.author(r.AccessKey), Rule: r.Rule,
			Text: r.Method + " " + strings.TrimPrefix(r.Path, "/"), Code: r.Status, Bytes: r.Bytes, OK: r.Complete,
		})
		reader.last = r.N
	}
	return nil
}

// author is the node whose credential a request was signed with.
func (c *Cluster) author(accessKey string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if node, ok := c.authors[accessKey]; ok {
		return node
	}
	return "unknown"
}
