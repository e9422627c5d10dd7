// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package s3front

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// certificate is one of 127.0.0.1 that is its own authority.
func certificate(t *testing.T) Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return Certificate{
		Chain: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		Key:   string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER})),
	}
}

// free is an address that nobody listens on.
func free(t *testing.T) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// TestEndpoint: the store over TLS, with a certificate that can be changed and
// changed back, also for a client that keeps connections and sessions.
func TestEndpoint(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	s.put(t, key, content)
	known := certificate(t)
	at := free(t)
	if err := s.control.Open(t.Context(), "dp-1", Endpoint{Listen: at, Certificate: known}); err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(known.Chain))
	config := &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12, ClientSessionCache: tls.NewLRUClientSessionCache(1)}
	core := newCore(t, at, &minio.Options{
		Creds: credentials.NewStaticV4("dp-1", secret, ""), Secure: true,
		Transport: &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true},
	})
	n := s.ended(t)
	works := func() {
		t.Helper()
		if r := get(t, core, key); r.body != content || r.err != nil {
			t.Errorf("read %.40q, %v", r.body, r.err)
		}
	}
	works()
	if e := s.next(t, n); e.AccessKey != "dp-1" || e.Status != 200 {
		t.Errorf("recorded %+v", e)
	}
	if err := s.control.ShowCertificate(t.Context(), "dp-1", certificate(t)); err != nil {
		t.Fatal(err)
	}
	var unknown x509.UnknownAuthorityError
	if r := get(t, core, key); !errors.As(r.err, &unknown) {
		t.Errorf("with another certificate: %.40q, %v", r.body, r.err)
	}
	if err := s.control.RestoreCertificate(t.Context(), "dp-1"); err != nil {
		t.Fatal(err)
	}
	works()
	s.rule(t, "r1", Rule{Effect: Refuse})
	if r := get(t, core, key); r.err == nil || r.status != 0 {
		t.Errorf("refused over TLS: %+v", r)
	}
	if err := s.control.Open(t.Context(), "dp-1", Endpoint{Listen: "127.0.0.1:0", Certificate: known}); err == nil || !strings.Contains(err.Error(), "is open") {
		t.Errorf("opened twice: %v", err)
	}
	if err := s.control.ShowCertificate(t.Context(), "dp-2", known); err == nil || !strings.Contains(err.Error(), "no endpoint") {
		t.Errorf("an endpoint that was not opened: %v", err)
	}
	if err := s.control.ShowCertificate(t.Context(), "dp-1", Certificate{Chain: known.Chain, Key: "secret"}); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("a key that is none: %v", err)
	}
}

// TestRefusalIsAReset over TLS too.
func TestRefusalIsAReset(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	at := free(t)
	if err := s.control.Open(t.Context(), "dp-1", Endpoint{Listen: at, Certificate: certificate(t)}); err != nil {
		t.Fatal(err)
	}
	s.rule(t, "r1", Rule{Effect: Refuse})
	dialer := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}} // the certificate is not what is tested
	conn, err := dialer.DialContext(t.Context(), "tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("GET /backup/k HTTP/1.1\r\nHost: x\r\nAuthorization: Credential=dp-1/x\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(conn).ReadByte(); err == nil || !strings.Contains(err.Error(), "reset") {
		t.Errorf("error %v, want a reset", err)
	}
}
