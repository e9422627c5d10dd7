// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package traffic

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"blackout/harness/history"
)

// TestControlSeesStallsOfTheUpstream lets an upstream stall, refuse and answer well.
func TestControlSeesStallsOfTheUpstream(t *testing.T) {
	t.Parallel()
	rec := newRecording(t)
	const stall = 3 * controlSlow
	var mu sync.Mutex
	asked := 0
	finished := make(chan struct{})
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		asked++
		switch asked {
		case 2:
			<-time.After(stall)
		case 4:
			w.WriteHeader(http.StatusBadGateway)
			return
		case 6:
			close(finished)
		}
		fmt.Fprintf(w, `{"path":%q}`, r.URL.Path)
	}))
	defer upstream.Close()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		Control{Upstream: "upstream", Endpoint: Endpoint{Address: upstream.Listener.Addr().String()}}.Run(ctx, rec.Writer)
	}()
	<-finished
	stop()
	<-ended
	var slow, bad int
	counted := 0.0
	for _, e := range rec.load(t).Events {
		switch {
		case e.Kind == history.Metric && e.Text == history.ControlRequests:
			counted = e.Value
		case e.Kind != history.UpstreamSlow:
		case e.Error != "":
			bad++
			if e.Code != http.StatusBadGateway {
				t.Errorf("a bad answer is recorded with code %d", e.Code)
			}
		case e.Until.Sub(e.At) >= stall:
			slow++
		}
	}
	if slow != 1 || bad != 1 || counted < 5 {
		t.Errorf("%d stalls, %d bad answers and %.0f requests recorded, want 1, 1 and 5", slow, bad, counted)
	}
}
