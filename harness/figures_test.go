// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"blackout/harness/history"
)

// told is what a node with such metrics, or such a status, tells when it is asked
// twice.
func told(t *testing.T, status int, metrics string) []history.Event {
	t.Helper()
	c, events := recorded(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/metrics" {
			t.Errorf("asked for %s", r.URL)
		}
		w.WriteHeader(status)
		fmt.Fprint(w, metrics)
	}))
	defer server.Close()
	node := stub{name: "dp-1", address: strings.TrimPrefix(server.URL, "http://")}
	c.has.addNode(node)
	untold := make(map[string]bool)
	for range 2 {
		c.recordFigures(t.Context(), server.Client(), node, untold)
	}
	server.Close()
	c.recordFigures(t.Context(), server.Client(), node, untold) // nobody answers any more
	return slices.DeleteFunc(events(), func(e history.Event) bool { return e.Kind != history.Metric })
}

// TestFigures: the figures of all workers are added up, and what is not told is said
// once and not taken for zero.
func TestFigures(t *testing.T) {
	t.Parallel()
	const whole = `# TYPE kong_nginx_timers gauge
kong_nginx_timers{state="running"} 31
kong_nginx_timers{state="pending"} 5
# TYPE kong_memory_workers_lua_vms_bytes gauge
kong_memory_workers_lua_vms_bytes{node_id="n",pid="1",kong_subsystem="http"} 1000
kong_memory_workers_lua_vms_bytes{node_id="n",pid="2",kong_subsystem="http"} 500
`
	const timers = "# TYPE kong_nginx_timers gauge\nkong_nginx_timers{state=\"running\"} 31\n"
	for name, c := range map[string]struct {
		status  int
		metrics string
		want    []string
	}{
		"all":             {http.StatusOK, whole, []string{"running_timers 31", "live_bytes 1500", "running_timers 31", "live_bytes 1500"}},
		"a part":          {http.StatusOK, timers, []string{"running_timers 31", "live_bytes: kong_memory_workers_lua_vms_bytes: /metrics does not have it", "running_timers 31"}},
		"another gateway": {http.StatusNotFound, "", []string{"running_timers: kong_nginx_timers: /metrics answers status 404", "live_bytes: kong_memory_workers_lua_vms_bytes: /metrics answers status 404"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, e := range told(t, c.status, c.metrics) {
				if e.Node != "dp-1" {
					t.Errorf("of node %q", e.Node)
				}
				if e.Error != "" {
					got = append(got, e.Text+": "+e.Error)
					continue
				}
				got = append(got, fmt.Sprintf("%s %g", e.Text, e.Value))
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("recorded %q, want %q", got, c.want)
			}
		})
	}
}

func TestFiguresThatCannotBeRead(t *testing.T) {
	t.Parallel()
	got := told(t, http.StatusOK, "kong_nginx_timers{state=\n")
	if len(got) != 2 || !strings.Contains(got[0].Error, "read /metrics") {
		t.Errorf("recorded %+v", got)
	}
}
