// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// reporter is what the Status API asks of a node.
type reporter interface {
	// ready returns why the node is not ready, or "".
	ready(ctx context.Context) string

	// describe adds what the role has to tell to /status.
	describe(ctx context.Context, status map[string]any)
}

// statusAPI serves the Status API (Kong 3.9): /status and /status/ready.
type statusAPI struct {
	version string
	node    reporter
	traffic *counters // nil on a node without proxy listeners
}

// ServeHTTP answers one request.
func (s *statusAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Server", "kong/"+s.version)
	header.Set("Access-Control-Allow-Origin", "*")
	path := strings.TrimSuffix(r.URL.Path, "/")
	if path != "/status" && path != "/status/ready" {
		answerJSON(w, http.StatusNotFound, map[string]any{"message": "Not found"})
		return
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead:
	case http.MethodOptions:
		header.Set("Allow", "GET, HEAD, OPTIONS")
		w.WriteHeader(http.StatusNoContent)
		return
	default:
		answerJSON(w, http.StatusMethodNotAllowed, map[string]any{"message": "Method not allowed"})
		return
	}
	if path == "/status" {
		status := map[string]any{"server": s.traffic.describe()}
		s.node.describe(r.Context(), status)
		answerJSON(w, http.StatusOK, status)
		return
	}
	if reason := s.node.ready(r.Context()); reason != "" {
		answerJSON(w, http.StatusServiceUnavailable, map[string]any{"message": reason})
		return
	}
	answerJSON(w, http.StatusOK, map[string]any{"message": "ready"})
}

func answerJSON(w http.ResponseWriter, status int, body map[string]any) {
	text, err := json.Marshal(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	_, _ = w.Write(text) // a client that has gone does not need it
}

// exportStatus is what /status tells of the copy in object storage.
func exportStatus(b backup) map[string]any {
	status := map[string]any{"import": b.importer != nil, "export": b.exporter != nil}
	if b.exporter == nil {
		return status
	}
	exported := b.exporter.Status()
	status["exported_hash"], status["pending_hash"] = exported.ExportedHash, exported.PendingHash
	status["failures"], status["last_error"] = exported.Failures, exported.LastError
	if !exported.ExportedAt.IsZero() {
		status["exported_at"] = exported.ExportedAt.UTC().Format(time.RFC3339Nano)
	}
	return status
}

// counters count what the proxy listeners do.
type counters struct {
	next http.Handler

	requests atomic.Int64
	accepted atomic.Int64

	mu     sync.Mutex
	states map[net.Conn]http.ConnState
}

// ServeHTTP counts a request and passes it on.
func (c *counters) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.requests.Add(1)
	c.next.ServeHTTP(w, r)
}

// track follows the states of connections, for [http.Server.ConnState].
func (c *counters) track(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.states == nil {
		c.states = map[net.Conn]http.ConnState{}
	}
	switch state {
	case http.StateClosed, http.StateHijacked:
		delete(c.states, conn)
		return
	case http.StateNew:
		c.accepted.Add(1)
	}
	c.states[conn] = state
}

// describe is the "server" object of /status.
func (c *counters) describe() map[string]int64 {
	if c == nil {
		c = &counters{}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	byState := map[http.ConnState]int64{}
	for _, state := range c.states {
		byState[state]++
	}
	accepted := c.accepted.Load()
	return map[string]int64{
		"connections_accepted": accepted, "connections_handled": accepted, "connections_active": int64(len(c.states)),
		"connections_reading": byState[http.StateNew], "connections_writing": byState[http.StateActive],
		"connections_waiting": byState[http.StateIdle], "total_requests": c.requests.Load(),
	}
}
