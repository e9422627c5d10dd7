// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"
)

// issuer signs certificates. Its zero value signs itself.
type issuer struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// pair is a certificate with its key, in PEM.
type pair struct{ cert, key string }

func (i *issuer) issue(t *testing.T, name string, authority bool) (pair, *issuer) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: authority, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	parent, signer := i.certificate, i.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text := func(kind string, bytes []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: bytes}))
	}
	return pair{text("CERTIFICATE", der), text("PRIVATE KEY", private)}, &issuer{made, key}
}

func (p pair) tls(t *testing.T) tls.Certificate {
	t.Helper()
	certificate, err := tls.X509KeyPair([]byte(p.cert), []byte(p.key))
	if err != nil {
		t.Fatal(err)
	}
	return certificate
}

func quoted(text string) string { out, _ := json.Marshal(text); return string(out) }

const (
	certificateID = "000000c1-0000-4000-8000-0000000000c1"
	authorityID   = "000000ca-0000-4000-8000-0000000000ca"
)

func TestCertificateByName(t *testing.T) {
	t.Parallel()
	one, _ := (&issuer{}).issue(t, "one", false)
	row := func(n int, name string) string {
		return fmt.Sprintf(`{"id":"000000f%d-0000-4000-8000-0000000000f0","name":%q,"certificate":%q}`, n, name, certificateID)
	}
	p := New(Options{Version: "3.9.1"})
	t.Cleanup(p.Close)
	if p.Certificate("a.example") != nil {
		t.Error("a certificate without a configuration")
	}
	p.Use(build(t, p, `{"_format_version":"3.0","certificates":[{"id":"`+certificateID+`","cert":`+quoted(one.cert)+`,"key":`+quoted(one.key)+`}],`+
		`"snis":[`+row(1, "a.example")+`,`+row(2, "*.b.example")+`,`+row(3, "c.*")+`]}`))
	for name, want := range map[string]bool{
		"a.example": true, "A.Example.": true, "x.b.example": true, "c.net": true,
		"": false, "b.example": false, "x.y.b.example": false, "x.a.example": false, "c.co.uk": false,
	} {
		if have := p.Certificate(name) != nil; have != want {
			t.Errorf("%q: a certificate %t, want %t", name, have, want)
		}
	}
}

// TestUpstreamTLS covers tls_verify, ca_certificates and client_certificate.
func TestUpstreamTLS(t *testing.T) {
	t.Parallel()
	root, authority := (&issuer{}).issue(t, "authority", true)
	server, _ := authority.issue(t, "127.0.0.1.test", false)
	client, _ := authority.issue(t, "client", false)
	pool := x509.NewCertPool()
	pool.AddCert(authority.certificate)
	upstream := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		shown := "nobody"
		if len(r.TLS.PeerCertificates) > 0 {
			shown = r.TLS.PeerCertificates[0].Subject.CommonName
		}
		_, _ = io.WriteString(w, r.TLS.ServerName+" "+shown)
	}))
	upstream.TLS = &tls.Config{Certificates: []tls.Certificate{server.tls(t)}, ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: pool, MinVersion: tls.VersionTLS12}
	upstream.StartTLS()
	t.Cleanup(upstream.Close)
	port := upstream.Listener.Addr().(*net.TCPAddr).Port
	extras := `"certificates":[{"id":"` + certificateID + `","cert":` + quoted(client.cert) + `,"key":` + quoted(client.key) + `}],` +
		`"ca_certificates":[{"id":"` + authorityID + `","cert":` + quoted(root.cert) + `}],`
	for name, c := range map[string]struct {
		host, service string
		status        int
		body          string
	}{
		"not verified":   {"127.0.0.1.test", ``, 200, "127.0.0.1.test nobody"},
		"verified":       {"127.0.0.1.test", `,"tls_verify":true,"ca_certificates":["` + authorityID + `"]`, 200, "127.0.0.1.test nobody"},
		"depth":          {"127.0.0.1.test", `,"tls_verify":true,"tls_verify_depth":1,"ca_certificates":["` + authorityID + `"]`, 200, "127.0.0.1.test nobody"},
		"not trusted":    {"127.0.0.1.test", `,"tls_verify":true`, 502, ""},
		"another's name": {"other.test", `,"tls_verify":true,"ca_certificates":["` + authorityID + `"]`, 502, ""},
		"certificate":    {"127.0.0.1.test", `,"client_certificate":"` + certificateID + `"`, 200, "127.0.0.1.test client"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			service := fmt.Sprintf(`"protocol":"https","host":%q,"port":%d,"retries":0%s`, c.host, port, c.service)
			table := `{"_format_version":"3.0",` + extras + oneRoute(service, `"paths":["/"]`)[len(`{"_format_version":"3.0",`):]
			_, gateway := serveWith(t, table, Options{Resolve: loopback})
			response, body := get(t, gateway.URL)
			if response.StatusCode != c.status || c.body != "" && body != c.body {
				t.Errorf("got %d %s, want %d %s", response.StatusCode, body, c.status, c.body)
			}
		})
	}
}

// TestHTTP2 covers a client that speaks HTTP/2 over TLS.
func TestHTTP2(t *testing.T) {
	t.Parallel()
	service := backend(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.Header.Get("Via"), r.Header.Get("X-Forwarded-Proto"))
	})
	p := New(Options{Version: "3.9.1"})
	p.Use(build(t, p, oneRoute(service, `"paths":["/"],"protocols":["https"]`)))
	server := httptest.NewUnstartedServer(p)
	server.Listener = p.Listener(server.Listener)
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(func() { server.Close(); p.Close() })
	response, err := server.Client().Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if response.ProtoMajor != 2 || string(body) != "2 kong/3.9.1https" || err != nil {
		t.Errorf("got %s %s %v", response.Proto, body, err)
	}
	if want := strconv.Itoa(len(body)); response.Header.Get("Content-Length") != want {
		t.Errorf("headers: %v", response.Header)
	}
}

// TestGRPC covers a gRPC service, which speaks HTTP/2 without TLS, and what is
// said to requests that are no gRPC.
func TestGRPC(t *testing.T) {
	t.Parallel()
	upstream := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/grpc")
		w.Header().Set("Trailer", "Grpc-Status")
		_, _ = io.WriteString(w, r.Proto+" "+r.URL.Path)
		w.Header().Set("Grpc-Status", "0")
	}))
	upstream.Config.Protocols = new(http.Protocols)
	upstream.Config.Protocols.SetUnencryptedHTTP2(true)
	upstream.Start()
	t.Cleanup(upstream.Close)
	service := fmt.Sprintf(`"protocol":"grpc","host":"127.0.0.1","port":%d`, upstream.Listener.Addr().(*net.TCPAddr).Port)
	p := New(Options{Version: "3.9.1"})
	p.Use(build(t, p, oneRoute(service, `"paths":["/"],"protocols":["grpc"],"strip_path":false`)))
	server := httptest.NewUnstartedServer(p)
	server.Listener = p.Listener(server.Listener)
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetHTTP1(true)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	t.Cleanup(func() { server.Close(); p.Close() })

	if response, body := get(t, server.URL); response.StatusCode != http.StatusUnsupportedMediaType {
		t.Errorf("no gRPC: got %d %s, want 415", response.StatusCode, body)
	}
	if response, body := get(t, server.URL, "Content-Type", "application/grpc"); response.StatusCode != http.StatusUpgradeRequired {
		t.Errorf("gRPC over HTTP/1.1: got %d %s, want 426", response.StatusCode, body)
	}
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	t.Cleanup(transport.CloseIdleConnections)
	request, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/pkg.Service/Method", http.NoBody)
	request.Header.Set("Content-Type", "application/grpc+proto")
	response, err := transport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if string(body) != "HTTP/2.0 /pkg.Service/Method" || response.Trailer.Get("Grpc-Status") != "0" || response.Header.Get("Via") != "2 kong/3.9.1" || err != nil {
		t.Errorf("got %q %v, header %v, trailer %v", body, err, response.Header, response.Trailer)
	}
}
