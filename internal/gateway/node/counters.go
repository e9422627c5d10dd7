// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"net"
	"net/http"
	"sync"
	"sync/atomic"
)

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
