// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package meter

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// Path is where [Handler] is served.
const Path = "/meters"

// RingSize is the number of opening times that a meter remembers.
const RingSize = 4096

// Snapshot is the answer of [Handler]. All times are nanoseconds of one
// monotonic clock that started with the process.
type Snapshot struct {
	Now    int64              `json:"now"`
	Meters map[string]Reading `json:"meters"`
}

// Reading is what one meter has counted since the process began.
type Reading struct {
	// Connections is the number of connections ever seen. Where it grew by more
	// between two snapshots than Opened has entries, the ring has overflowed and
	// the difference is the number of connections without a time.
	Connections uint64 `json:"connections"`

	// Bytes is the number of bytes that reached the meter.
	Bytes uint64 `json:"bytes"`

	// Chunks is the number of pieces in which they came. What Toxiproxy reads at
	// once is a piece, and so is what a toxic before the meter makes of it.
	Chunks uint64 `json:"chunks"`

	// Last is the time of the last byte, 0 if there was none.
	Last int64 `json:"last"`

	// Opened holds the times of the connections after the asked-for time,
	// oldest first: at most the last [RingSize]. A connection that was open
	// when the meter was added counts from that moment.
	Opened []int64 `json:"opened"`
}

// Handler answers GET /meters?after=<ns> with a [Snapshot] as JSON. Giving the
// last snapshot's Now as after lists every connection exactly once.
func Handler() http.Handler { return process }

// counter holds one meter's counts. connections and opened belong to the
// registry's lock; bytes move without it, once per chunk.
type counter struct {
	bytes       atomic.Uint64
	chunks      atomic.Uint64
	last        atomic.Int64
	connections uint64
	opened      []int64 // a ring once it has RingSize entries
}

type registry struct {
	clock func() int64 // nanoseconds since the process began

	mu     sync.Mutex
	latest int64 // the last time given out by tick
	meters map[string]*counter
}

func newRegistry(clock func() int64) *registry {
	return &registry{clock: clock, meters: make(map[string]*counter)}
}

// sinceNow returns a clock of nanoseconds from now.
func sinceNow() func() int64 {
	start := time.Now()
	return func() int64 { return time.Since(start).Nanoseconds() }
}

// tick returns the time, later than any it returned before, so that no opening
// shares its time with a snapshot. The caller holds mu.
func (r *registry) tick() int64 {
	r.latest = max(r.clock(), r.latest+1)
	return r.latest
}

// open counts a connection of the meter id.
func (r *registry) open(id string) *counter {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.meters[id]
	if c == nil {
		c = new(counter)
		r.meters[id] = c
	}
	at := r.tick()
	if len(c.opened) < RingSize {
		c.opened = append(c.opened, at)
	} else {
		c.opened[c.connections%RingSize] = at
	}
	c.connections++
	return c
}

// add counts a chunk of n bytes.
func (r *registry) add(c *counter, n int) {
	c.bytes.Add(uint64(n))
	c.chunks.Add(1)
	c.last.Store(r.clock())
}

// snapshot reads all meters, listing the connections opened later than after.
func (r *registry) snapshot(after int64) Snapshot {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := Snapshot{Now: r.tick(), Meters: make(map[string]Reading, len(r.meters))}
	for id, c := range r.meters {
		s.Meters[id] = Reading{
			Connections: c.connections,
			Bytes:       c.bytes.Load(),
			Chunks:      c.chunks.Load(),
			Last:        c.last.Load(),
			Opened:      c.openedAfter(after),
		}
	}
	return s
}

// openedAfter returns the remembered opening times later than after.
func (c *counter) openedAfter(after int64) []int64 {
	times := make([]int64, 0)
	oldest := 0
	if len(c.opened) == RingSize {
		oldest = int(c.connections % RingSize)
	}
	for i := range c.opened {
		if at := c.opened[(oldest+i)%len(c.opened)]; at > after {
			times = append(times, at)
		}
	}
	return times
}

// ServeHTTP implements [http.Handler].
func (r *registry) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if req.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		http.Error(w, "only GET is served here", http.StatusMethodNotAllowed)
		return
	}
	after, err := parseAfter(req.FormValue("after"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	body, err := json.Marshal(r.snapshot(after))
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	// An error here means that the reader has gone; nobody is left to tell.
	_, _ = w.Write(body)
}

// parseAfter reads the query parameter; an absent one asks for everything.
func parseAfter(value string) (int64, error) {
	if value == "" {
		return -1, nil
	}
	after, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("after=%q: give the nanoseconds of an earlier answer's now", value)
	}
	return after, nil
}
