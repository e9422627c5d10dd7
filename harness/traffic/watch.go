// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package traffic

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"time"

	"blackout/harness/history"
)

// Watch looks at a data plane until ctx ends: at its readiness, at what the
// probed route answers, and at its configuration hash. It records first sights
// and changes, and how often it looked.
type Watch struct {
	Node     string
	Status   string // "host:port" of the Status API
	Route    Target // only its first path is looked at
	Interval time.Duration
	Timeout  time.Duration
}

// Run watches until ctx ends.
func (w Watch) Run(ctx context.Context, rec *history.Writer) {
	client := &http.Client{
		Timeout:   w.Timeout,
		Transport: &http.Transport{DialContext: (&net.Dialer{Timeout: w.Timeout}).DialContext, DisableCompression: true},
	}
	defer client.CloseIdleConnections()
	seen := sight{readiness: -1, status: -1}
	tick := time.NewTicker(w.Interval)
	defer tick.Stop()
	for {
		w.look(ctx, rec, client, &seen)
		select {
		case <-ctx.Done():
			rec.Event(history.Event{Kind: history.WatchEnd, Node: w.Node, Looks: seen.looks})
			return
		case <-tick.C:
		}
	}
}

// sight is what was last seen of a node; −1 is nothing yet.
type sight struct {
	readiness  int
	message    string
	status     int
	generation uint32
	live       bool // the probed route has answered well since readiness last became 200
	hash       string
	looks      int
}

// hashEvery is how many looks pass between two at the configuration hash, which
// needs no resolution in time.
const hashEvery = 10

func (w Watch) look(ctx context.Context, rec *history.Writer, client *http.Client, seen *sight) {
	at := rec.Now()
	ready, message := w.readiness(ctx, client)
	if ctx.Err() != nil {
		return
	}
	if ready != seen.readiness || message != seen.message {
		rec.Event(history.Event{At: at, Until: rec.Now(), Kind: history.ReadyChange, Node: w.Node, Code: ready, Text: message})
		seen.live = seen.live && ready == http.StatusOK
		seen.readiness, seen.message = ready, message
	}
	w.lookAtRoute(ctx, rec, client, seen)
	if seen.looks++; seen.looks%hashEvery != 0 {
		return
	}
	if hash := w.hash(ctx, client); hash != "" && hash != seen.hash {
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
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+w.Status+path, nil)
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
