// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"blackout/fixtures"
	"blackout/harness/history"
	"blackout/harness/topology"
)

// calls are those that a control plane's Admin API was sent, in order.
type calls struct {
	mu  sync.Mutex
	all []string
}

func (c *calls) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = append(c.all, r.Method+" "+r.URL.Path)
	w.WriteHeader(http.StatusOK)
}

// numbered80 is a place whose ports have a number.
type numbered80 struct{ place }

func (numbered80) Peer(string) string { return "upstream:80" }

// take are the calls since the last time.
func (c *calls) take() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer func() { c.all = nil }()
	return c.all
}

// TestConfigureBeside: plugin and padding come before the generation that has them, and
// what the next has not goes after it, so that no two are mixed up at a data plane that
// can be given only one.
func TestConfigureBeside(t *testing.T) {
	t.Parallel()
	sent := &calls{}
	server := httptest.NewServer(sent)
	defer server.Close()
	c, events := recorded(t)
	c.topology = topology.Topology{}.With(topology.Node{Name: "cp", Role: topology.ControlPlane,
		Parameters: map[string]string{"cluster_max_payload": "200000"}})
	c.has.addNode(stub{name: "cp", address: strings.TrimPrefix(server.URL, "http://")})
	c.has.addSite(numbered80{place{name: topology.Upstream}})
	const plugin = "response-transformer"
	id := fixtures.Harmless[plugin].ID
	var want []string // of all generations
	for _, step := range []struct {
		a     Configure
		calls []string // beside the generation's, "…"
		needs []string
	}{
		{Configure{Generation: 1}, []string{"PUT /services/probed", "POST /services/probed/routes", "…"}, nil},
		{Configure{Generation: 2, Plugin: plugin}, []string{"PUT /services/probed/plugins/" + id, "…"}, []string{"2: plugin " + plugin}},
		{Configure{Generation: 3, Plugin: plugin, Padding: fixtures.PieceSize}, []string{"PUT /services/probed/plugins/" + id, "PUT /services/padding-0000", "…"}, []string{"3: plugin " + plugin}},
		{Configure{Generation: 4, Padding: 3 * fixtures.PieceSize}, []string{"PUT /services/padding-0001", "PUT /services/padding-0002", "…", "DELETE /services/probed/plugins/" + id}, nil},
		{Configure{Generation: 5, Padding: 4 * fixtures.PieceSize}, []string{"PUT /services/padding-0003", "…"}, []string{"5: payload"}},
		{Configure{Generation: 6}, []string{"…", "DELETE /services/padding-0000", "DELETE /services/padding-0001", "DELETE /services/padding-0002", "DELETE /services/padding-0003"}, nil},
	} {
		if err := step.a.Do(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		got := sent.take()
		generation := slices.Index(step.calls, "…")
		step.calls[generation] = "PUT /services/probed"
		if generation < len(got) {
			slices.Sort(got[:generation]) // pieces come in no order
			slices.Sort(step.calls[:generation])
		}
		if !slices.Equal(got, step.calls) {
			t.Errorf("generation %d: %q, want %q", step.a.Generation, got, step.calls)
		}
		want = append(want, step.needs...)
	}
	var needs []string
	for _, e := range events() {
		if e.Kind == history.ChangeNeeds {
			needs = append(needs, fmt.Sprintf("%d: %s", e.Generation, e.Text))
		}
	}
	if !slices.Equal(needs, want) {
		t.Errorf("needs %q, want %q", needs, want)
	}
}

func TestConfigureIsChecked(t *testing.T) {
	t.Parallel()
	for says, a := range map[string]Configure{
		`plugin "key-auth"`:                     {Generation: 1, Plugin: "key-auth"},
		"-1 routes, 0 disabled services, 0 byt": {Generation: 1, Routes: -1},
		"-5 bytes of padding":                   {Generation: 1, Padding: -5},
	} {
		if err := a.check(); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%+v: error %v, want one with %q", a, err, says)
		}
	}
	if err := (Configure{Generation: 1, Plugin: "response-transformer", Padding: 1}).check(); err != nil {
		t.Error(err)
	}
}
