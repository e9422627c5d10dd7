// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package traffic

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"time"

	"blackout/harness/history"
)

// Watch looks at a data plane until ctx ends: at its readiness, at what the
// probed route answers, and at its configuration hash. It records the first sights
// of each of the node's lives and changes, and how often it looked.
type Watch struct {
	Node     string
	Status   Endpoint             // of the Status API
	Route    Target               // only its first path is looked at
	Interval func() time.Duration // from one look to the next; asked after each
	Life     func() int           // which of the node's lives this is: each has first sights of its own
	Timeout  time.Duration
}

// Run watches until ctx ends.
func (w Watch) Run(ctx context.Context, rec *history.Writer) {
	route, status := w.client(w.Route.Endpoint), w.client(w.Status)
	defer route.CloseIdleConnections()
	defer status.CloseIdleConnections()
	seen := nothing(0, w.Life())
	next := time.NewTimer(0)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			rec.Event(history.Event{Kind: history.WatchEnd, Node: w.Node, Looks: seen.looks})
			return
		case <-next.C:
			next.Reset(w.Interval())
			if life := w.Life(); life != seen.life {
				seen = nothing(seen.looks, life)
			}
			w.look(ctx, rec, route, status, &seen)
		}
	}
}

// sight is what was last seen of a node in a life; −1 is nothing yet.
type sight struct {
	life       int
	readiness  int
	message    string
	status     int
	generation uint32
	live       bool // the probed route has answered well since readiness last became 200
	hash       string
	looks      int
}

// nothing is what has been seen of a life before the first look at it.
func nothing(looks, life int) sight {
	return sight{looks: looks, life: life, readiness: -1, status: -1}
}

// hashEvery is how many looks pass between two at the configuration hash, which
// needs no resolution in time.
const hashEvery = 10

// client asks one endpoint.
func (w Watch) client(to Endpoint) *http.Client {
	return &http.Client{Timeout: w.Timeout, Transport: &http.Transport{DialContext: to.dialer(w.Timeout), DisableCompression: true}}
}

func (w Watch) look(ctx context.Context, rec *history.Writer, route, status *http.Client, seen *sight) {
	at := rec.Now()
	ready, message := w.readiness(ctx, status)
	if ctx.Err() != nil {
		return
	}
	if ready != seen.readiness || message != seen.message {
		rec.Event(history.Event{At: at, Until: rec.Now(), Kind: history.ReadyChange, Node: w.Node, Code: ready, Text: message})
		seen.live = seen.live && ready == http.StatusOK
		seen.readiness, seen.message = ready, message
	}
	w.lookAtRoute(ctx, rec, route, seen)
	if seen.looks++; seen.looks%hashEvery != 0 {
		return
	}
	if hash := w.hash(ctx, status); hash != "" && hash != seen.hash {
		rec.Event(history.Event{Kind: history.ConfigHash, Node: w.Node, Text: hash})
		seen.hash = hash
	}
}

// lookAtRoute asks for the probed route. The request leaves after the answer to
// the one for readiness came in, so a node that said it was ready must serve it.
func (w Watch) lookAtRoute(ctx context.Context, rec *history.Writer, client *http.Client, seen *sight) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+w.Route.Address+w.Route.Paths[0], nil)
	if err != nil {
		rec.Event(history.Event{Kind: history.HarnessError, Node: w.Node, Error: err.Error()})
		return
	}
	at := rec.Now()
	a := Ask(client, req)
	if ctx.Err() != nil {
		return
	}
	if seen.readiness == http.StatusOK && !seen.live {
		rec.Event(history.Event{At: at, Until: rec.Now(), Kind: history.ReadyCheck, Node: w.Node, Code: int(a.Status), OK: a.Class == history.Good})
		seen.live = a.Class == history.Good
	}
	if int(a.Status) != seen.status || a.Generation != seen.generation {
		rec.Event(history.Event{At: at, Until: rec.Now(), Kind: history.ServeChange, Node: w.Node, Code: int(a.Status), Generation: int(a.Generation)})
		seen.status, seen.generation = int(a.Status), a.Generation
	}
}

func (w Watch) readiness(ctx context.Context, client *http.Client) (code int, message string) {
	var body struct {
		Message string `json:"message"`
	}
	code = w.get(ctx, client, "/status/ready", &body)
	return code, body.Message
}

func (w Watch) hash(ctx context.Context, client *http.Client) string {
	var body struct {
		Hash string `json:"configuration_hash"`
	}
	w.get(ctx, client, "/status", &body)
	return body.Hash
}

// get reads a JSON answer of the Status API into v and returns its status, or 0
// if none came. A body that is not JSON leaves v empty: gateways differ here.
func (w Watch) get(ctx context.Context, client *http.Client, path string, v any) int {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+w.Status.Address+path, nil)
	if err != nil {
		return 0
	}
	res, err := client.Do(req)
	if err != nil {
		return 0
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxBody))
	if err == nil {
		_ = json.Unmarshal(body, v)
	}
	return res.StatusCode
}
