// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"blackout/harness/engine"
	"blackout/harness/history"
)

// awaitInterval is the pause between two looks at a condition.
const awaitInterval = 25 * time.Millisecond

// await looks at a condition until it holds or within has passed. The error says
// what was waited for, how long, and what was seen last; it is the parent's cause
// if that ended. No wait goes on after an error that wraps engine.ErrEnded.
func await(ctx context.Context, within time.Duration, what string, look func(context.Context) error) error {
	parent := ctx
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	tick := time.NewTicker(awaitInterval)
	defer tick.Stop()
	last := context.Cause(ctx)
	for {
		err := look(ctx)
		if err == nil {
			return nil
		}
		if errors.Is(err, engine.ErrEnded) {
			return fmt.Errorf("%s: %w", what, err)
		}
		if ctx.Err() == nil || last == nil {
			last = err
		}
		select {
		case <-ctx.Done():
			if parent.Err() != nil {
				return context.Cause(parent)
			}
			return fmt.Errorf("%s: not within %s: %w", what, within, last)
		case <-tick.C:
		}
	}
}

// expect waits for a condition that a good gateway brings about. When it does not
// come about, that is recorded and the run goes on; only the end of the run's
// own context is an error.
func (c *Cluster) expect(ctx context.Context, within time.Duration, node, what string, look func(context.Context) error) error {
	err := await(ctx, within, what, look)
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	c.rec.Event(history.Event{Kind: history.WaitTimeout, Node: node, Text: err.Error()})
	c.progress("  not seen: %v", err)
	return nil
}

// awaitAnswer waits until a node answers 200 at a path of one of its ports: an
// open port alone says nothing.
func (c *Cluster) awaitAnswer(ctx context.Context, node engine.Node, port, path string) error {
	client := &http.Client{
		Timeout:   2 * time.Second,
		Transport: &http.Transport{DialContext: (&net.Dialer{Timeout: time.Second}).DialContext},
	}
	defer client.CloseIdleConnections()
	address, looks := "", 0
	return await(ctx, bringUpTimeout, node.Name()+" answers "+path, func(ctx context.Context) (err error) {
		// Asking an engine costs more than asking the node.
		if looks++; address == "" || looks%engineEvery == 0 {
			if err := c.running(ctx, node); err != nil {
				return err
			}
			if address, err = node.Endpoint(ctx, port); err != nil {
				return err
			}
		}
		return get(ctx, client, "http://"+address+path)
	})
}

// engineEvery is how many looks at a starting node pass between two questions to
// the engine: whether it still runs, and where.
const engineEvery = 8

func get(ctx context.Context, client *http.Client, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", res.StatusCode)
	}
	return nil
}
