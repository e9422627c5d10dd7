// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package impostor

import (
	"slices"
	"sync"
	"time"
)

// Record is what a script has seen since it was opened.
type Record struct {
	Now         int64        `json:"now"` // nanoseconds on the server's own monotonic clock, as all times here
	Attempts    int          `json:"attempts"`
	Handshakes  int          `json:"handshakes"` // TLS, completed
	Upgrades    int          `json:"upgrades"`
	Frames      int          `json:"frames"`      // received, of every kind
	Connections []Connection `json:"connections"` // in the order of the attempts; the latest, if there are too many
}

// Connection is one attempt and what became of it. A time of 0 is that of
// something that did not happen.
type Connection struct {
	N          int    `json:"n"` // 1 for the first
	At         int64  `json:"at"`
	Handshake  int64  `json:"handshake,omitempty"`
	ServerName string `json:"server_name,omitempty"` // that the client asked for
	Node       string `json:"node,omitempty"`        // node_id
	Version    string `json:"version,omitempty"`     // node_version
	Status     int    `json:"status,omitempty"`      // of the answer to the upgrade
	Introduced int64  `json:"introduced,omitempty"`  // its basic_info came
	Pushed     int64  `json:"pushed,omitempty"`      // a configuration was sent
	Frames     int    `json:"frames,omitempty"`      // received
	Hash       string `json:"hash,omitempty"`        // in its last ping
	End        int64  `json:"end,omitempty"`
	Error      string `json:"error,omitempty"` // what ended it
}

// keep is how many connections a record remembers.
const keep = 10_000

// record grows while a script is played.
type record struct {
	zero time.Time

	mu     sync.Mutex
	totals Record
	visits []*visit
}

// visit is a connection under way.
type visit struct {
	record *record
	seen   Connection
}

func (r *record) now() int64 { return time.Since(r.zero).Nanoseconds() }

// begin counts an attempt.
func (r *record) begin() *visit {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.totals.Attempts++
	v := &visit{record: r, seen: Connection{N: r.totals.Attempts, At: r.now()}}
	if len(r.visits) == keep {
		r.visits = slices.Delete(r.visits, 0, 1)
	}
	r.visits = append(r.visits, v)
	return v
}

// after is a copy of the record with the connections after number n.
func (r *record) after(n int) Record {
	r.mu.Lock()
	defer r.mu.Unlock()
	seen := r.totals
	seen.Now, seen.Connections = r.now(), []Connection{}
	for _, v := range r.visits {
		if v.seen.N > n {
			seen.Connections = append(seen.Connections, v.seen)
		}
	}
	return seen
}

// note changes what is known of a visit and of all.
func (v *visit) note(change func(c *Connection, totals *Record, now int64)) {
	v.record.mu.Lock()
	defer v.record.mu.Unlock()
	change(&v.seen, &v.record.totals, v.record.now())
}

func (v *visit) secured(serverName string) {
	v.note(func(c *Connection, totals *Record, now int64) {
		c.Handshake, c.ServerName = now, serverName
		totals.Handshakes++
	})
}

func (v *visit) answered(status int) {
	v.note(func(c *Connection, totals *Record, _ int64) {
		c.Status = status
		if status == statusUpgraded {
			totals.Upgrades++
		}
	})
}

// frame counts a frame that came. Of a ping, hash is the payload.
func (v *visit) frame(hash string) {
	v.note(func(c *Connection, totals *Record, _ int64) {
		c.Frames++
		totals.Frames++
		if hash != "" {
			c.Hash = hash
		}
	})
}

func (v *visit) end(err error) {
	v.note(func(c *Connection, _ *Record, now int64) {
		c.End = now
		if err != nil {
			c.Error = err.Error()
		}
	})
}
