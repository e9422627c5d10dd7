// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package hybrid

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"strings"
	"testing"
	"time"

	"blackout/internal/gateway/clustertest"
)

// pkiIdentity is a node's, with a certificate of one authority and trust in
// another, which may be the same.
func pkiIdentity(t testing.TB, issuer, trusted *clustertest.Authority, leaf clustertest.Leaf) Identity {
	t.Helper()
	certificate, key := issuer.Issue(t, leaf)
	identity, err := NewPKIIdentity(PKI{Certificate: certificate, Key: key, Authorities: trusted.PEM(), ServerName: "cp.example"})
	if err != nil {
		t.Fatal(err)
	}
	return identity
}

// handshake connects two TLS ends over loopback, and carries a byte each way, so
// that both have made up their minds and tickets have arrived.
func handshake(t testing.TB, server, client *tls.Config) (atServer, atClient error, resumed bool) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	done := make(chan error, 1)
	go func() {
		conn, err := listener.Accept()
		if err == nil {
			end := tls.Server(conn, server)
			defer func() { _ = end.Close() }()
			if err = end.Handshake(); err == nil {
				_, err = end.Write([]byte{1})
			}
			if err == nil {
				_, err = end.Read(make([]byte, 1))
			}
		}
		done <- err
	}()
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	end := tls.Client(conn, client)
	defer func() { _ = end.Close() }()
	if atClient = end.Handshake(); atClient == nil {
		_, atClient = end.Read(make([]byte, 1))
	}
	if atClient == nil {
		_, atClient = end.Write([]byte{1})
	}
	resumed = end.ConnectionState().DidResume
	if atClient != nil {
		_ = end.Close()
	}
	return <-done, atClient, resumed
}

func TestPKIIdentity(t *testing.T) {
	t.Parallel()
	root, stranger := clustertest.NewAuthority(t), clustertest.NewAuthority(t)
	cp := clustertest.Leaf{Names: []string{"cp.example"}, Usage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	dp := clustertest.Leaf{Usage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	one := root.Authority(t)
	two := one.Authority(t)
	five := two.Authority(t).Authority(t).Authority(t)
	expired := func(leaf clustertest.Leaf) clustertest.Leaf { leaf.End = time.Now().Add(-time.Minute); return leaf }
	for name, c := range map[string]struct {
		server, client   Identity
		refusedBy, words string
	}{
		"good":                         {pkiIdentity(t, root, root, cp), pkiIdentity(t, root, root, dp), "", ""},
		"any usage":                    {pkiIdentity(t, root, root, clustertest.Leaf{Names: cp.Names}), pkiIdentity(t, root, root, clustertest.Leaf{}), "", ""},
		"one authority between":        {pkiIdentity(t, one, root, cp), pkiIdentity(t, one, root, dp), "", ""},
		"two before a control plane":   {pkiIdentity(t, two, root, cp), pkiIdentity(t, root, root, dp), "client", "more than 1 authorities"},
		"two before a data plane":      {pkiIdentity(t, root, root, cp), pkiIdentity(t, two, root, dp), "", ""},
		"five before a data plane":     {pkiIdentity(t, root, root, cp), pkiIdentity(t, five, root, dp), "server", "more than 4 authorities"},
		"a strange data plane":         {pkiIdentity(t, root, root, cp), pkiIdentity(t, stranger, root, dp), "server", "unknown authority"},
		"a strange control plane":      {pkiIdentity(t, stranger, root, cp), pkiIdentity(t, root, root, dp), "client", "unknown authority"},
		"a control plane by its name":  {pkiIdentity(t, root, root, clustertest.Leaf{Names: []string{"other.example"}}), pkiIdentity(t, root, root, dp), "client", "not cp.example"},
		"a server's as a data plane":   {pkiIdentity(t, root, root, cp), pkiIdentity(t, root, root, cp), "server", "incompatible key usage"},
		"a client's as control plane":  {pkiIdentity(t, root, root, clustertest.Leaf{Names: cp.Names, Usage: dp.Usage}), pkiIdentity(t, root, root, dp), "client", "incompatible key usage"},
		"an expired data plane":        {pkiIdentity(t, root, root, cp), pkiIdentity(t, root, root, expired(dp)), "server", "expired"},
		"an expired control plane":     {pkiIdentity(t, root, root, expired(cp)), pkiIdentity(t, root, root, dp), "client", "expired"},
		"shared, as a data plane does": {pkiIdentity(t, root, root, cp), newIdentity(t), "client", "not the cluster's"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			atServer, atClient, _ := handshake(t, c.server.ServerTLS(), c.client.clientTLS())
			refusals := map[string]error{"server": atServer, "client": atClient}
			if c.refusedBy == "" && (atServer != nil || atClient != nil) {
				t.Errorf("refused: %v; %v", atServer, atClient)
			}
			if c.refusedBy != "" && (refusals[c.refusedBy] == nil || !strings.Contains(refusals[c.refusedBy].Error(), c.words)) {
				t.Errorf("the %s says %v, want %q", c.refusedBy, refusals[c.refusedBy], c.words)
			}
		})
	}
	withoutOne := pkiIdentity(t, root, root, dp).clientTLS()
	withoutOne.Certificates = nil
	if atServer, _, _ := handshake(t, pkiIdentity(t, root, root, cp).ServerTLS(), withoutOne); atServer == nil {
		t.Error("a data plane without a certificate is taken")
	}
}

// A resumed connection shows no certificate anew: whether its peer is still one
// of the cluster has to be asked all the same.
func TestResumedConnectionsAreVerified(t *testing.T) {
	t.Parallel()
	root, other := clustertest.NewAuthority(t), clustertest.NewAuthority(t)
	leaf := clustertest.Leaf{Names: []string{"cp.example"}}
	ticket := [32]byte{1}
	for name, c := range map[string]struct{ server, serverLater, client, clientLater Identity }{
		"pki, by the control plane": {pkiIdentity(t, root, root, leaf), pkiIdentity(t, root, other, leaf), pkiIdentity(t, root, root, leaf), pkiIdentity(t, root, root, leaf)},
		"pki, by the data plane":    {pkiIdentity(t, root, root, leaf), pkiIdentity(t, root, root, leaf), pkiIdentity(t, root, root, leaf), pkiIdentity(t, root, other, leaf)},
		"shared, by the data plane": func() (c struct{ server, serverLater, client, clientLater Identity }) {
			old := newIdentity(t)
			c.server, c.serverLater, c.client, c.clientLater = old, old, old, newIdentity(t)
			return c
		}(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sessions := tls.NewLRUClientSessionCache(4)
			meet := func(server, client Identity) (error, error, bool) {
				atServer, atClient := server.ServerTLS(), client.clientTLS()
				atServer.SetSessionTicketKeys([][32]byte{ticket})
				atClient.ClientSessionCache = sessions
				return handshake(t, atServer, atClient)
			}
			if atServer, atClient, _ := meet(c.server, c.client); atServer != nil || atClient != nil {
				t.Fatalf("the first connection: %v; %v", atServer, atClient)
			}
			if atServer, atClient, resumed := meet(c.server, c.client); atServer != nil || atClient != nil || !resumed {
				t.Fatalf("the second connection: %v; %v; resumed %v", atServer, atClient, resumed)
			}
			if atServer, atClient, _ := meet(c.serverLater, c.clientLater); atServer == nil || atClient == nil {
				t.Errorf("a peer that is no longer trusted comes in by resumption: %v; %v", atServer, atClient)
			}
		})
	}
}

func TestSharedIdentityExpires(t *testing.T) {
	t.Parallel()
	identity, err := NewIdentity(clustertest.CertificateUntil(t, time.Now().Add(-time.Minute)))
	if err != nil {
		t.Fatal(err)
	}
	_, atClient, _ := handshake(t, identity.ServerTLS(), identity.clientTLS())
	if atClient == nil || !strings.Contains(atClient.Error(), "renew cluster_cert") {
		t.Errorf("got %v", atClient)
	}
}

func TestPKINeedsAnAuthority(t *testing.T) {
	t.Parallel()
	certificate, key := clustertest.Certificate(t)
	if _, err := NewPKIIdentity(PKI{Certificate: certificate, Key: key, Authorities: []byte("x")}); err == nil || !strings.Contains(err.Error(), "cluster_ca_cert") {
		t.Errorf("got %v", err)
	}
}
