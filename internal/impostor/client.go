// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package impostor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// ErrNoScript is returned, wrapped, by a Client for a name that no open script has.
var ErrNoScript = errors.New("no script has this name")

// callLimit bounds one call of a Client, also on a machine that is busy with others: a
// script may carry megabytes.
const callLimit = 30 * time.Second

// Client drives a [Server] over its control API.
type Client struct {
	address string
	http    *http.Client
}

// NewClient drives the server whose control API is at address, "host:port".
func NewClient(address string) *Client {
	return &Client{address: address, http: &http.Client{Timeout: callLimit}}
}

// Address is that of the control API.
func (c *Client) Address() string { return c.address }

// Open plays a script under a name and returns the address at which it listens,
// as its own machine knows it.
func (c *Client) Open(ctx context.Context, name string, script Script) (address string, err error) {
	var answer opened
	body, err := json.Marshal(script)
	if err != nil {
		return "", fmt.Errorf("open script %s: %w", name, err)
	}
	err = c.call(ctx, http.MethodPut, name, "", body, &answer)
	if err != nil {
		return "", fmt.Errorf("open script %s: %w", name, err)
	}
	return answer.Address, nil
}

// Record is what a script has seen so far, its connections from the one after
// the given number on.
func (c *Client) Record(ctx context.Context, name string, after int) (Record, error) {
	var seen Record
	if err := c.call(ctx, http.MethodGet, name, fmt.Sprintf("?after=%d", after), nil, &seen); err != nil {
		return Record{}, fmt.Errorf("read the record of script %s: %w", name, err)
	}
	return seen, nil
}

// Close ends a script and returns what it had seen.
func (c *Client) Close(ctx context.Context, name string) (Record, error) {
	var seen Record
	if err := c.call(ctx, http.MethodDelete, name, "", nil, &seen); err != nil {
		return Record{}, fmt.Errorf("close script %s: %w", name, err)
	}
	return seen, nil
}

func (c *Client) call(ctx context.Context, method, name, query string, body []byte, into any) error {
	address := "http://" + c.address + "/scripts/" + url.PathEscape(name) + query
	req, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return err
	}
	res, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	switch res.StatusCode {
	case http.StatusOK:
		return json.NewDecoder(res.Body).Decode(into)
	case http.StatusNotFound:
		return ErrNoScript
	default:
		said, _ := io.ReadAll(io.LimitReader(res.Body, 1<<10)) // what could be read of it will do
		return fmt.Errorf("status %d: %s", res.StatusCode, strings.TrimSpace(string(said)))
	}
}
