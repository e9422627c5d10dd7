// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"blackout/harness/history"
	"blackout/harness/topology"
	"blackout/internal/s3front"
)

// front is the store front's record: it answers calls one after the other and then
// keeps the caller waiting.
type front struct {
	mu      sync.Mutex
	answers []string // "" is a failure
	after   []string // what was asked for
	done    chan struct{}
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.after = append(f.after, r.FormValue("after"))
	if len(f.answers) == 0 {
		f.mu.Unlock()
		f.done <- struct{}{}
		<-r.Context().Done()
		return
	}
	answer := f.answers[0]
	f.answers = f.answers[1:]
	f.mu.Unlock()
	if answer == "" {
		w.WriteHeader(http.StatusInternalServerError)
	}
	fmt.Fprint(w, answer)
}

func frontAnswer(t *testing.T, now int64, events ...s3front.Event) string {
	t.Helper()
	b, err := json.Marshal(map[string]any{"now": now, "events": events})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestStoreRequestsHaveAuthorsAndTimes(t *testing.T) {
	t.Parallel()
	const second = int64(time.Second)
	f := &front{done: make(chan struct{}, 1), answers: []string{
		frontAnswer(t, 100*second,
			s3front.Event{N: 1, Start: 100*second - 3000, End: 100*second - 1000, AccessKey: "key-1", Method: "GET", Path: "/blackout/backup/3.9.1/config.json", Status: 200, Bytes: 7, Complete: true},
			s3front.Event{N: 2, Start: 100*second - 2000, End: 100 * second, AccessKey: "stolen", Method: "PUT", Path: "/blackout/x", Status: 403, Rule: "r1"}),
		"",         // a failure, after which nothing is asked for twice
		"nonsense", // another
		frontAnswer(t, 101*second, s3front.Event{N: 3, Start: 101 * second, End: 101 * second, AccessKey: "key-1", Method: "HEAD", Path: "/x", Status: 200}),
	}}
	server := httptest.NewServer(f)
	defer server.Close()
	c, events := recorded(t)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); c.followStore(ctx, server.Listener.Addr().String()) }()
	<-f.done
	stop()
	<-ended
	got := events()
	checkKinds(t, got, history.StoreRequest, history.StoreRequest, history.HarnessError, history.HarnessError, history.StoreRequest)
	if e := got[0]; e.Node != "dp-1" || e.Text != "GET blackout/backup/3.9.1/config.json" || e.Code != 200 || e.Bytes != 7 || !e.OK || e.Until.Sub(e.At) != 2000 {
		t.Errorf("first request %+v", e)
	}
	if e := got[1]; e.Node != "unknown" || e.Code != 403 || e.OK || e.Rule != "r1" || e.At.Sub(got[0].At) != 1000 {
		t.Errorf("a request by an unknown key: %+v", e)
	}
	if e := got[2]; e.Node != topology.StoreFront || e.Error == "" {
		t.Errorf("failure %+v", e)
	}
	if want := "[0 2 2 2 3]"; fmt.Sprint(f.after) != want {
		t.Errorf("asked for what came after %v, want %s", f.after, want)
	}
}

func checkKinds(t *testing.T, events []history.Event, want ...history.Kind) {
	t.Helper()
	if len(events) != len(want) {
		t.Fatalf("events %+v, want %v", events, want)
	}
	for i, e := range events {
		if e.Kind != want[i] {
			t.Fatalf("event %d: %+v, want %s", i, e, want[i])
		}
	}
}
