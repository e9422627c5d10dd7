// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
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
func awaitAnswer(ctx context.Context, node engine.Node, port, path string) error {
	client := &http.Client{
		Timeout:   2 * time.Second,
		Transport: &http.Transport{DialContext: (&net.Dialer{Timeout: time.Second}).DialContext},
	}
	defer client.CloseIdleConnections()
	return await(ctx, bringUpTimeout, node.Name()+" answers "+path, func(ctx context.Context) error {
		if err := running(ctx, node); err != nil {
			return err
		}
		address, err := node.Endpoint(ctx, port)
		if err != nil {
			return err
		}
		return get(ctx, client, "http://"+address+path)
	})
}

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

// running returns an error once a node's process has ended by itself.
func running(ctx context.Context, node engine.Node) error {
	state, err := node.State(ctx)
	if err != nil {
		return err
	}
	if !state.Running {
		return fmt.Errorf("%w: %s, with code %d; its last line: %s", engine.ErrEnded, node.Name(), state.ExitCode, lastLine(ctx, node))
	}
	return nil
}

// lastLine is the last line that a node wrote, which is where a node that cannot
// start says why, without the name that its directory has on this machine.
func (c *Cluster) lastLine(ctx context.Context, node engine.Node) string {
	line := lastLine(ctx, node)
	if site := c.sites[node.Name()]; site != nil {
		line = strings.ReplaceAll(line, site.Dir(), "$DIR")
	}
	return line
}

func lastLine(ctx context.Context, node engine.Node) string {
	log, err := node.Log(ctx)
	if err != nil {
		return err.Error()
	}
	defer log.Close()
	last := "(it wrote nothing)"
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		if text := strings.TrimSpace(lines.Text()); text != "" {
			last = text
		}
	}
	return last
}
