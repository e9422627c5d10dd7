// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"blackout/fixtures"
	"blackout/harness/history"
)

// TestCompareRecordsAnswers: of each probe, what the configuration determines and
// nothing else.
func TestCompareRecordsAnswers(t *testing.T) {
	t.Parallel()
	served := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		served++
		w.Header().Set("X-Entity", "kept")
		w.Header().Set("X-Other", fmt.Sprint(served))
		w.WriteHeader(http.StatusTeapot)
		fmt.Fprintf(w, `{"host":%q,"request_id":"%d"}`, r.Host, served)
	}))
	defer server.Close()
	c, events := recorded(t)
	c.has.addNode(stub{name: "dp-1", address: server.Listener.Addr().String()})
	if err := (Compare{Nodes: []string{"dp-1"}}).Do(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	server.Close()
	if err := (Compare{Nodes: []string{"dp-1"}}).Do(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	all := events()
	answers := make(map[string]history.Event)
	for _, e := range all {
		if name, text, ok := strings.Cut(e.Text, ": "); ok && e.Kind == history.ProbeAnswer && e.Code != 0 {
			e.Text = text
			answers[name] = e
		}
	}
	if len(answers) != len(fixtures.Probes) {
		t.Errorf("%d answers to %d probes", len(answers), len(fixtures.Probes))
	}
	if got := answers["host"]; got.Code != http.StatusTeapot || got.Text != `418, X-Entity: kept, {"host":"entities.example"}` {
		t.Errorf("recorded %+v", got)
	}
	if last := all[len(all)-1]; last.Code != 0 || !strings.HasSuffix(last.Text, ": refused") {
		t.Errorf("of a node that is gone: %+v", last)
	}
}
