// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package traffic

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"sync"
	"testing"
	"time"

	"blackout/harness/history"
)

// node is a data plane as a watch sees it.
type node struct {
	mu         sync.Mutex
	ready      int
	message    string
	route      int
	generation int
	hash       string
	looks      int // at the route: the end of a look
	life       int
}

// present is the node's present life.
func (n *node) present() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.life
}

func (n *node) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch r.URL.Path {
	case "/status/ready":
		w.WriteHeader(n.ready)
		_ = json.NewEncoder(w).Encode(map[string]string{"message": n.message})
	case "/status":
		_ = json.NewEncoder(w).Encode(map[string]string{"configuration_hash": n.hash})
	default:
		n.looks++
		w.WriteHeader(n.route)
		fmt.Fprintf(w, `{"path":"/gen/%d"}`, n.generation)
	}
}

// set changes the node between two looks and waits until it was looked at.
func (n *node) set(t *testing.T, looks int, change func(*node)) {
	t.Helper()
	n.mu.Lock()
	change(n)
	from := n.looks
	n.mu.Unlock()
	await(t, "looks", func() bool {
		n.mu.Lock()
		defer n.mu.Unlock()
		return n.looks >= from+looks
	})
}

// watched lets a watch look at a node while f changes it, and returns the events
// of a kind in short.
func watched(t *testing.T, n *node, f func()) map[history.Kind][]string {
	t.Helper()
	server := httptest.NewServer(n)
	defer server.Close()
	rec := newRecording(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan struct{})
	w := Watch{Node: "dp-1", Status: Endpoint{Address: server.Listener.Addr().String()}, Route: target(server), Interval: everyMillisecond, Life: n.present, Timeout: 5 * time.Second}
	go func() { defer close(ended); w.Run(ctx, rec.Writer) }()
	f()
	stop()
	<-ended
	out := make(map[history.Kind][]string)
	for _, e := range rec.load(t).Events {
		if e.Node != "dp-1" {
			t.Errorf("event %+v is of another node", e)
		}
		if e.Kind == history.WatchEnd && e.Looks == 0 {
			t.Error("the watch does not say how often it looked")
		}
		out[e.Kind] = append(out[e.Kind], fmt.Sprintf("%d %d %v %s", e.Code, e.Generation, e.OK, e.Text))
	}
	if len(out[history.WatchEnd]) != 1 {
		t.Errorf("%d ends of the watch", len(out[history.WatchEnd]))
	}
	return out
}

func TestWatchRecordsChangesOnly(t *testing.T) {
	t.Parallel()
	n := &node{ready: 503, message: "no configuration", route: 404}
	got := watched(t, n, func() {
		n.set(t, 30, func(*node) {})
		n.set(t, 30, func(n *node) { n.message = "control plane unreachable" })
		n.set(t, 30, func(n *node) { n.ready, n.message, n.route, n.generation, n.hash = 200, "ready", 200, 2, "aa" })
		n.set(t, 30, func(n *node) { n.generation, n.hash = 3, "bb" })
		n.set(t, 30, func(n *node) { n.ready, n.message = 503, "gone" })
	})
	for kind, want := range map[history.Kind][]string{
		history.ReadyChange: {"503 0 false no configuration", "503 0 false control plane unreachable", "200 0 false ready", "503 0 false gone"},
		history.ServeChange: {"404 0 false ", "200 2 false ", "200 3 false "},
		history.ConfigHash:  {"0 0 false aa", "0 0 false bb"},
	} {
		if !reflect.DeepEqual(got[kind], want) {
			t.Errorf("%s: %q, want %q", kind, got[kind], want)
		}
	}
	if n := len(got[history.ReadyCheck]); n != 1 {
		t.Errorf("%d checks of readiness, want the one after it became 200", n)
	}
}

// TestEachLifeIsSeen, also where none of the looks fell between two of them.
func TestEachLifeIsSeen(t *testing.T) {
	t.Parallel()
	n := &node{ready: 200, route: 200, generation: 2, hash: "aa"}
	got := watched(t, n, func() {
		n.set(t, 30, func(*node) {})
		n.set(t, 30, func(n *node) { n.life++ })
	})
	for _, kind := range []history.Kind{history.ReadyChange, history.ReadyCheck, history.ServeChange, history.ConfigHash} {
		if len(got[kind]) != 2 {
			t.Errorf("%s: %q, want one in each life", kind, got[kind])
		}
	}
}

// TestReadyBeforeLive: every look between "ready" and the first good answer says
// that the node was ready too early, and no look after it.
func TestReadyBeforeLive(t *testing.T) {
	t.Parallel()
	n := &node{ready: 503, message: "no configuration", route: 404}
	got := watched(t, n, func() {
		n.set(t, 5, func(*node) {})
		n.set(t, 5, func(n *node) { n.ready = 200 })
		n.set(t, 5, func(n *node) { n.route, n.generation = 200, 2 })
		n.set(t, 5, func(n *node) { n.route = 502 }) // ready and live before: the requests' matter
	})[history.ReadyCheck]
	if len(got) < 4 {
		t.Fatalf("checks %q, want one for each look until the route answered", got)
	}
	for i, c := range got {
		want := "404 0 false "
		if i == len(got)-1 {
			want = "200 0 true "
		}
		if c != want {
			t.Errorf("check %d of %d: %q, want %q", i+1, len(got), c, want)
		}
	}
}

func TestReadinessThatReturnsIsCheckedAgain(t *testing.T) {
	t.Parallel()
	n := &node{ready: 200, route: 200, generation: 2}
	got := watched(t, n, func() {
		n.set(t, 3, func(*node) {})
		n.set(t, 3, func(n *node) { n.ready = 503 })
		n.set(t, 3, func(n *node) { n.ready = 200 })
	})[history.ReadyCheck]
	if want := []string{"200 0 true ", "200 0 true "}; !reflect.DeepEqual(got, want) {
		t.Errorf("checks %q, want %q", got, want)
	}
}

func TestWatchOfNobody(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	to := target(server)
	server.Close()
	rec := newRecording(t)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		Watch{Node: "dp-1", Status: to.Endpoint, Route: to, Interval: everyMillisecond, Life: firstLife, Timeout: time.Second}.Run(ctx, rec.Writer)
	}()
	await(t, "two events", func() bool { return rec.Counts().Events >= 2 })
	stop()
	<-ended
	for _, e := range rec.load(t).Events[:2] {
		if (e.Kind != history.ReadyChange && e.Kind != history.ServeChange) || e.Code != 0 {
			t.Errorf("event %+v of a node that does not answer", e)
		}
	}
}

func everyMillisecond() time.Duration { return time.Millisecond }

func firstLife() int { return 1 }
