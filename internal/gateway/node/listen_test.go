// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package node_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"testing"

	"blackout/internal/gateway/clustertest"
	"blackout/internal/gateway/conf"
)

// TestListenersSpeakWhatTheyAreAskedTo: with and without TLS, with and without
// HTTP/2, and with the right certificate.
func TestListenersSpeakWhatTheyAreAskedTo(t *testing.T) {
	t.Parallel()
	certificate, key := clustertest.Certificate(t)
	block, _ := pem.Decode(certificate)
	given, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		listener conf.Listener
		pairs    []conf.KeyPair
		h2       bool // what the client can speak
		want     string
		shown    string // common name of the certificate
	}{
		"plain":              {listener: conf.Listener{}, want: "HTTP/1.1"},
		"plain, no h2 there": {listener: conf.Listener{}, h2: true, want: ""},
		"plain h2":           {listener: conf.Listener{HTTP2: true}, h2: true, want: "HTTP/2.0"},
		"plain h2, h1 asked": {listener: conf.Listener{HTTP2: true}, want: "HTTP/1.1"},
		"TLS":                {listener: conf.Listener{TLS: true}, h2: true, want: "HTTP/1.1", shown: "localhost"},
		"TLS h2":             {listener: conf.Listener{TLS: true, HTTP2: true}, h2: true, want: "HTTP/2.0", shown: "localhost"},
		"TLS h2, h1 asked":   {listener: conf.Listener{TLS: true, HTTP2: true}, want: "HTTP/1.1", shown: "localhost"},
		"own certificate": {listener: conf.Listener{TLS: true, HTTP2: true}, h2: true, want: "HTTP/2.0", shown: given.Subject.CommonName,
			pairs: []conf.KeyPair{{Certificate: certificate, Key: key}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dp := newCluster(t).start(conf.DataPlane, t.TempDir(), func(config *conf.Config) {
				c.listener.Address = "127.0.0.1:0"
				config.StatusListen, config.ProxyListen = []conf.Listener{c.listener}, []conf.Listener{c.listener}
				config.StatusTLS, config.ProxyTLS = c.pairs, c.pairs
			})
			for _, listener := range []string{"status", "proxy"} {
				proto, shown := speak(t, dp.Address(listener), c.listener.TLS, c.h2)
				if proto != c.want || shown != c.shown {
					t.Errorf("%s: got %q with the certificate of %q, want %q, %q", listener, proto, shown, c.want, c.shown)
				}
			}
		})
	}
}

// speak asks once and says in which protocol the answer came, "" for none, and
// whose certificate it was.
func speak(t *testing.T, address string, overTLS, h2 bool) (proto, shown string) {
	t.Helper()
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // #nosec G402 -- looks at the certificate itself
		Protocols:       new(http.Protocols),
	}
	defer transport.CloseIdleConnections()
	transport.Protocols.SetHTTP1(!h2 || overTLS)
	transport.Protocols.SetHTTP2(h2)
	transport.Protocols.SetUnencryptedHTTP2(h2 && !overTLS)
	scheme := "http://"
	if overTLS {
		scheme = "https://"
	}
	response, err := (&http.Client{Transport: transport}).Get(scheme + address + "/status")
	if err != nil {
		return "", ""
	}
	_ = response.Body.Close()
	if response.TLS != nil {
		shown = response.TLS.PeerCertificates[0].Subject.CommonName
	}
	return response.Proto, shown
}
