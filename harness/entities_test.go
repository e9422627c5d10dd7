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
	"blackout/harness/topology"
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
	for node, secure := range map[string]*httptest.Server{"dp-1": named, "dp-2": other, "dp-3": nil} {
		c.topology = c.topology.With(topology.Node{Name: node, Role: topology.DataPlane, ProxyTLS: secure != nil})
		for name, server := range map[string]*httptest.Server{portProxy: plain, portProxyTLS: secure} {
			if server != nil {
				_, life := c.has.address(port{node, name})
				c.has.setAddress(port{node, name}, life, server.Listener.Addr().String())
			}
		}
	}
	if err := (Compare{Nodes: []string{"dp-3", "dp-2", "dp-1"}}).Do(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	plain.Close()
	named.Close()
	if err := (Compare{Nodes: []string{"dp-1"}}).Do(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	all := events()
	answers, strange, plainly := make(map[string]history.Event), 0, 0
	for _, e := range all {
		name, text, _ := strings.Cut(e.Text, ": ")
		switch {
		case e.Node == "dp-1" && e.Code != 0:
			e.Text = text
			answers[name] = e
		case e.Node == "dp-2" && e.Code == 0 && e.Text == "certificate: a certificate that is not the configuration's":
			strange++
		case e.Node == "dp-3" && e.Code != 0 && name != "certificate":
			plainly++
		}
	}
	if len(answers) != len(fixtures.Probes) || strange != 1 || plainly != len(fixtures.Probes)-1 {
		t.Errorf("%d answers to %d probes, %d certificates for another name, %d answers without TLS", len(answers), len(fixtures.Probes), strange, plainly)
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
