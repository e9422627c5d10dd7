// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package s3front

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// ErrGone is returned, wrapped, when nobody listens at a front's control address.
var ErrGone = errors.New("the store front is gone")

// Client drives a front through its control resources.
type Client struct {
	address string
	http    *http.Client
}

// clientTimeout bounds one call, beside what it asks the front to wait.
const clientTimeout = 10 * time.Second

// NewClient drives the front whose control address is address, "host:port".
func NewClient(address string) *Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil              // the front is the run's own
	transport.DisableKeepAlives = true // a front that was killed is found gone, not half-way through a call
	return &Client{address: address, http: &http.Client{Timeout: clientTimeout + maxWait, Transport: transport}}
}

// Address is the front's control address.
func (c *Client) Address() string { return c.address }

// PutRule puts a rule in force.
func (c *Client) PutRule(ctx context.Context, id string, rule Rule) error {
	return c.call(ctx, "put rule "+id, http.MethodPut, "/rules/"+url.PathEscape(id), rule, nil)
}

// DeleteRule takes a rule out of force. One that is not in force is fine.
func (c *Client) DeleteRule(ctx context.Context, id string) error {
	return c.call(ctx, "delete rule "+id, http.MethodDelete, "/rules/"+url.PathEscape(id), nil, nil)
}

// Usage is how many requests have met a rule.
func (c *Client) Usage(ctx context.Context, id string) (Usage, error) {
	var u Usage
	err := c.call(ctx, "ask for usage of rule "+id, http.MethodGet, "/rules/"+url.PathEscape(id), nil, &u)
	return u, err
}

// Open opens an endpoint.
func (c *Client) Open(ctx context.Context, name string, at Endpoint) error {
	return c.call(ctx, "open endpoint "+name, http.MethodPut, "/tls/"+url.PathEscape(name), at, nil)
}

// ShowCertificate lets an endpoint show another certificate than its first.
func (c *Client) ShowCertificate(ctx context.Context, name string, other Certificate) error {
	return c.call(ctx, "change certificate of "+name, http.MethodPut, "/tls/"+url.PathEscape(name)+"/certificate", other, nil)
}

// RestoreCertificate lets an endpoint show its first certificate again.
func (c *Client) RestoreCertificate(ctx context.Context, name string) error {
	return c.call(ctx, "restore certificate of "+name, http.MethodDelete, "/tls/"+url.PathEscape(name)+"/certificate", nil, nil)
}

// Events are the requests that ended after the one with number after. The call
// waits for the next if there is none yet, at most 10 s.
func (c *Client) Events(ctx context.Context, after int, wait time.Duration) (Page, error) {
	var p Page
	err := c.call(ctx, "read the store front's record", http.MethodGet, fmt.Sprintf("/events?after=%d&wait=%s", after, wait), nil, &p)
	return p, err
}

// call sends one request. What is sent may be a secret, and is in no error.
func (c *Client) call(ctx context.Context, doing, method, path string, send, receive any) error {
	var body io.Reader = http.NoBody
	if send != nil {
		data, err := json.Marshal(send)
		if err != nil {
			return fmt.Errorf("%s: %w", doing, err)
		}
		body = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://"+c.address+path, body)
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	res, err := c.http.Do(req)
	if dial, ok := errors.AsType[*net.OpError](err); ok && dial.Op == "dial" && ctx.Err() == nil {
		return fmt.Errorf("%s: %w: %w", doing, ErrGone, err)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	defer res.Body.Close()
	if res.StatusCode >= http.StatusMultipleChoices {
		why, _ := io.ReadAll(io.LimitReader(res.Body, 1<<10)) // the status says the most of it
		return fmt.Errorf("%s: status %d: %s", doing, res.StatusCode, strings.TrimSpace(string(why)))
	}
	if receive == nil {
		return nil
	}
	if err := json.NewDecoder(res.Body).Decode(receive); err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return nil
}
