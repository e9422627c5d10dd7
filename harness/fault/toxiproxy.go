// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package fault

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
	"strconv"
	"strings"
	"time"

	"blackout/internal/deaf"
	"blackout/internal/meter"
	"blackout/internal/toxic"
)

// server is cmd/toxiproxy as far as faults need it: Toxiproxy's HTTP API (its
// README, "HTTP API") and what Blackout adds. Toxiproxy's own client takes no
// contexts and does not look at what became of an attribute.
type server struct {
	address string // of the API, "host:port"
	client  *http.Client
}

// The limits of a call of Toxiproxy, and of the dial for it.
const (
	proxyCallLimit = 10 * time.Second
	proxyDialLimit = 3 * time.Second
)

func newServer(address string) server {
	return server{address, &http.Client{Timeout: proxyCallLimit, Transport: &http.Transport{
		DialContext:     (&net.Dialer{Timeout: proxyDialLimit}).DialContext,
		IdleConnTimeout: time.Minute,
	}}}
}

// statusError is an answer that says that a call failed.
type statusError struct {
	status int
	text   string
}

func (e *statusError) Error() string { return fmt.Sprintf("HTTP status %d: %s", e.status, e.text) }

// hasStatus says whether a call failed with this HTTP status.
func hasStatus(err error, status int) bool {
	var e *statusError
	return errors.As(err, &e) && e.status == status
}

// isGone says whether a call failed because no server is there.
func isGone(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// call sends a request with in as JSON, unless it is nil, and reads the answer
// into out, unless that is nil. A change that was begun is waited for, at most
// proxyCallLimit, also when the context ends: it would take effect all the same, maybe
// after the healing.
func (s server) call(ctx context.Context, method, path string, in, out any) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("call Toxiproxy: %w", err)
	}
	if method != http.MethodGet {
		ctx = context.WithoutCancel(ctx)
	}
	var body bytes.Buffer
	if in != nil {
		if err := json.NewEncoder(&body).Encode(in); err != nil {
			return fmt.Errorf("call Toxiproxy: %w", err)
		}
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://"+s.address+path, &body)
	if err != nil {
		return fmt.Errorf("call Toxiproxy: %w", err)
	}
	answer, err := s.client.Do(request)
	if err != nil {
		return fmt.Errorf("call Toxiproxy: %w", err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	switch {
	case err != nil:
	case answer.StatusCode/100 != 2:
		err = &statusError{answer.StatusCode, strings.TrimSpace(string(text))}
	case out != nil:
		d := json.NewDecoder(bytes.NewReader(text))
		d.UseNumber() // a seed does not fit into a float
		err = d.Decode(out)
	}
	if err != nil {
		return fmt.Errorf("call Toxiproxy: %s %s: %w", method, path, err)
	}
	return nil
}

// proxy is one edge as Toxiproxy knows it.
type proxy struct {
	Name     string `json:"name"`
	Listen   string `json:"listen"` // "host:port"
	Upstream string `json:"upstream"`
	Enabled  bool   `json:"enabled"`
}

func proxyPath(name string) string { return "/proxies/" + url.PathEscape(name) }

// create makes a proxy and returns it with the address that it listens on.
func (s server) create(ctx context.Context, p proxy) (proxy, error) {
	var made proxy
	return made, s.call(ctx, http.MethodPost, "/proxies", p, &made)
}

func (s server) find(ctx context.Context, name string) (proxy, error) {
	var p proxy
	return p, s.call(ctx, http.MethodGet, proxyPath(name), nil, &p)
}

// enable opens a proxy's listener, or closes it and every connection through it.
func (s server) enable(ctx context.Context, name string, enabled bool) error {
	var p proxy
	change := map[string]bool{"enabled": enabled}
	if err := s.call(ctx, http.MethodPatch, proxyPath(name), change, &p); err != nil {
		return err
	}
	if p.Enabled != enabled {
		return fmt.Errorf("call Toxiproxy: proxy %s did not become enabled=%v", name, enabled)
	}
	return nil
}

// toxin is a toxic of a proxy. Its toxicity is always 1: Toxiproxy draws from a
// source that no seed reaches.
type toxin struct {
	Name       string         `json:"name"`
	Type       string         `json:"type"`
	Stream     string         `json:"stream"` // Upstream or Downstream
	Toxicity   float64        `json:"toxicity"`
	Attributes map[string]any `json:"attributes"`
}

// toxins are those of a proxy, in each direction in the order in which bytes meet
// them.
func (s server) toxins(ctx context.Context, name string) ([]toxin, error) {
	var all []toxin
	return all, s.call(ctx, http.MethodGet, proxyPath(name)+"/toxics", nil, &all)
}

// add puts a toxic behind the others of its direction, also on live connections.
func (s server) add(ctx context.Context, name string, t toxin) error {
	t.Toxicity = 1
	var got toxin
	if err := s.call(ctx, http.MethodPost, proxyPath(name)+"/toxics", t, &got); err != nil {
		return err
	}
	return t.check(got)
}

// come makes a moment come that a silence waits for.
func (s server) come(ctx context.Context, moment string) error {
	return s.call(ctx, http.MethodPut, toxic.MomentsPath+url.PathEscape(moment), nil, nil)
}

// check compares a toxic with what Toxiproxy made of it: it ignores attributes
// whose names it does not know.
func (t toxin) check(got toxin) error {
	want, err := json.Marshal(t.Attributes)
	if err != nil {
		return fmt.Errorf("compare toxic %s: %w", t.Name, err)
	}
	have, err := json.Marshal(got.Attributes)
	if err != nil {
		return fmt.Errorf("compare toxic %s: %w", t.Name, err)
	}
	if !bytes.Equal(want, have) || got.Toxicity != t.Toxicity || got.Type != t.Type || got.Stream != t.Stream {
		return fmt.Errorf("toxic %s became %s %s of toxicity %v with %s, want %s %s with %s",
			t.Name, got.Stream, got.Type, got.Toxicity, have, t.Stream, t.Type, want)
	}
	return nil
}

// remove takes a toxic away; one that is not there is fine.
func (s server) remove(ctx context.Context, name, toxin string) error {
	err := s.call(ctx, http.MethodDelete, proxyPath(name)+"/toxics/"+url.PathEscape(toxin), nil, nil)
	if hasStatus(err, http.StatusNotFound) {
		return nil
	}
	return err
}

// canDeafen returns nil if the server's system can leave connection attempts
// unanswered.
func (s server) canDeafen(ctx context.Context) error {
	return s.call(ctx, http.MethodGet, deaf.Path, nil, nil)
}

// deafen makes an address that nobody listens on leave attempts unanswered.
func (s server) deafen(ctx context.Context, address string) error {
	return s.call(ctx, http.MethodPut, deaf.Path+"/"+url.PathEscape(address), nil, nil)
}

// undeafen frees an address; one that is not deaf is fine.
func (s server) undeafen(ctx context.Context, address string) error {
	return s.call(ctx, http.MethodDelete, deaf.Path+"/"+url.PathEscape(address), nil, nil)
}

// meters reads all meters, with the connections opened after the given moment of
// their clock.
func (s server) meters(ctx context.Context, after int64) (meter.Snapshot, error) {
	var snapshot meter.Snapshot
	err := s.call(ctx, http.MethodGet, meter.Path+"?after="+strconv.FormatInt(after, 10), nil, &snapshot)
	return snapshot, err
}
