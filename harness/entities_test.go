// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"crypto/tls"
	"fmt"
	"io"
	"log"
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
	answer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		served++
		w.Header().Set("X-Entity", "kept")
		w.Header().Set("X-Other", fmt.Sprint(served))
		w.WriteHeader(http.StatusTeapot)
		fmt.Fprintf(w, `{"host":%q,"request_id":"%d"}`, r.Host, served)
	})
	c, events := recorded(t)
	authority, err := fixtures.NewAuthority("an authority")
	if err != nil {
		t.Fatal(err)
	}
	c.authority = authority
	plain := httptest.NewServer(answer)
	defer plain.Close()
	named, other := overTLS(t, authority, fixtures.NamedHost, answer), overTLS(t, authority, "other.example", answer)
	for node, secure := range map[string]*httptest.Server{"dp-1": named, "dp-2": other} {
		for name, server := range map[string]*httptest.Server{portProxy: plain, portProxyTLS: secure} {
			_, life := c.has.address(port{node, name})
			c.has.setAddress(port{node, name}, life, server.Listener.Addr().String())
		}
	}
	if err := (Compare{Nodes: []string{"dp-2", "dp-1"}}).Do(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	plain.Close()
	named.Close()
	if err := (Compare{Nodes: []string{"dp-1"}}).Do(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	all := events()
	answers := make(map[string]history.Event)
	for _, e := range all {
		if name, text, ok := strings.Cut(e.Text, ": "); ok && e.Kind == history.ProbeAnswer && e.Node == "dp-1" && e.Code != 0 {
			e.Text = text
			answers[name] = e
		}
		if e.Node == "dp-2" && strings.HasPrefix(e.Text, "certificate: ") && e.Text != "certificate: a certificate that is not the configuration's" {
			t.Errorf("of a node that shows a certificate for another name: %+v", e)
		}
	}
	if len(answers) != len(fixtures.Probes) {
		t.Errorf("%d answers to %d probes", len(answers), len(fixtures.Probes))
	}
	if got := answers["certificate"]; got.Code != http.StatusTeapot {
		t.Errorf("over TLS: recorded %+v", got)
	}
	if got := answers["host"]; got.Code != http.StatusTeapot || got.Text != `418, X-Entity: kept, {"host":"entities.example"}` {
		t.Errorf("recorded %+v", got)
	}
	if last := all[len(all)-1]; last.Code != 0 || !strings.HasSuffix(last.Text, ": refused") {
		t.Errorf("of a node that is gone: %+v", last)
	}
}

// overTLS is a server that shows an authority's certificate for a host.
func overTLS(t *testing.T, a *fixtures.Authority, host string, h http.Handler) *httptest.Server {
	t.Helper()
	id, err := a.Server(host)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(id.Certificate, id.Key)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(h)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // clients that do not take the certificate
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}
