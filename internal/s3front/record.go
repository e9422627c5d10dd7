// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package s3front

import (
	"encoding/json"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// maxWait is the longest that a reader of the record may wait for news.
const maxWait = 10 * time.Second

// Event is a request that ended. Times are nanoseconds on the front's own
// monotonic clock since its start.
type Event struct {
	N         int    `json:"n"`     // 1 for the first that ended
	Start     int64  `json:"start"` // nanoseconds since the front's start
	End       int64  `json:"end"`
	AccessKey string `json:"access_key"`
	Method    string `json:"method"`
	Path      string `json:"path"`
	Status    int    `json:"status"` // 0: the client got no answer
	Bytes     int64  `json:"bytes"`  // of the answer's body, sent to the client
	Complete  bool   `json:"complete"`
	Rule      string `json:"rule,omitempty"`  // that made or changed the answer
	Probe     string `json:"probe,omitempty"` // account whose rules the request asked to meet
}

// Page is an answer of GET /events. Started minus the number of the last event
// is how many requests are under way. Now lets the reader map the front's clock
// onto its own.
type Page struct {
	Now     int64   `json:"now"`
	Started int     `json:"started"`
	Events  []Event `json:"events"`
}

// record is the list of events. It grows for as long as the front is there.
type record struct {
	zero time.Time

	mu      sync.Mutex
	started int
	events  []Event
	changed chan struct{} // closed, and replaced, when an event is added
}

func newRecord() *record {
	return &record{zero: time.Now(), changed: make(chan struct{})}
}

func (r *record) now() int64 { return time.Since(r.zero).Nanoseconds() }

// begin counts a request that came and stamps its start.
func (r *record) begin(e Event) Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.started++
	e.Start = r.now()
	return e
}

// end adds a request that ended.
func (r *record) end(e Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e.N, e.End = len(r.events)+1, r.now()
	r.events = append(r.events, e)
	close(r.changed)
	r.changed = make(chan struct{})
}

// after is the record from the event after n on, and a channel that is closed
// when there is more.
func (r *record) after(n int) (Page, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	// Events are only ever appended, so the reader may keep the slice.
	return Page{Now: r.now(), Started: r.started, Events: r.events[min(n, len(r.events)):len(r.events):len(r.events)]}, r.changed
}

func (r *record) serveEvents(w http.ResponseWriter, request *http.Request) {
	after, wait, err := eventsQuery(request)
	if err != nil {
		http.Error(w, "give after=<number of the last event seen> and wait=<duration, at most 10s>: "+err.Error(), http.StatusBadRequest)
		return
	}
	answer, changed := r.after(after)
	if len(answer.Events) == 0 && wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-changed:
		case <-timer.C:
		case <-request.Context().Done():
		}
		answer, _ = r.after(after)
	}
	if answer.Events == nil {
		answer.Events = []Event{}
	}
	w.Header().Set("Content-Type", "application/json")
	// The reader may be gone; it will ask again from where it was.
	_ = json.NewEncoder(w).Encode(answer)
}

func eventsQuery(request *http.Request) (after int, wait time.Duration, err error) {
	if text := request.FormValue("after"); text != "" {
		number, err := strconv.ParseUint(text, 10, 31)
		if err != nil {
			return 0, 0, err
		}
		after = int(number)
	}
	if text := request.FormValue("wait"); text != "" {
		wait, err = time.ParseDuration(text)
	}
	return after, min(wait, maxWait), err
}
