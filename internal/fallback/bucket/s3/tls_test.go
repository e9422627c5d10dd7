// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package s3

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"blackout/fixtures"
	"blackout/internal/fallback/bucket"
)

func newAuthority(t *testing.T) *fixtures.Authority {
	t.Helper()
	authority, err := fixtures.NewAuthority("store authority")
	if err != nil {
		t.Fatal(err)
	}
	return authority
}

// serveTLS is a store with a certificate for a host, which has every object.
func serveTLS(t *testing.T, authority *fixtures.Authority, host string) string {
	t.Helper()
	identity, err := authority.Server(host)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(identity.Certificate, identity.Key)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Last-Modified", "Sun, 01 Nov 2026 10:00:00 GMT")
	}))
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.URL
}

func TestCABundle(t *testing.T) {
	t.Parallel()
	ours, other := newAuthority(t), newAuthority(t)
	both := string(other.Certificate) + string(ours.Certificate)
	tests := []struct {
		name, bundle, host, want string
	}{
		{"trusted", string(ours.Certificate), "127.0.0.1", ""},
		{"one of two", both, "127.0.0.1", ""},
		{"another CA", string(other.Certificate), "127.0.0.1", "name its file by AWS_CA_BUNDLE"},
		{"another host", string(ours.Certificate), "store.example", "use a name of the certificate in AWS_CONFIG_STORAGE_ENDPOINT"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			endpoint := serveTLS(t, ours, test.host)
			opened := openBucket(t, Options{Getenv: environment(endpoint, "AWS_CA_BUNDLE", writeFile(t, test.bundle))})
			_, err := opened.Get(t.Context(), testKey, 1)
			if test.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if _, ok := errors.AsType[*tls.CertificateVerificationError](err); !ok || !errors.Is(err, bucket.ErrUnavailable) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
	}
	if _, err := Open(Options{Bucket: "backup", Getenv: environment("https://store", "AWS_CA_BUNDLE", writeFile(t, "no PEM"))}); err == nil || !strings.Contains(err.Error(), "AWS_CA_BUNDLE: ") {
		t.Errorf("a bundle without certificates: %v", err)
	}
}

// endpointVariable tells the test below that it runs in the process that it starts.
const endpointVariable = "BLACKOUT_TEST_S3_ENDPOINT"

// TestTrustByGosVariables runs in a process of its own: Go reads them once.
func TestTrustByGosVariables(t *testing.T) {
	if endpoint := os.Getenv(endpointVariable); endpoint != "" {
		opened := openBucket(t, Options{Getenv: environment(endpoint)})
		if _, err := opened.Get(t.Context(), testKey, 1); err != nil {
			t.Error(err)
		}
		return
	}
	t.Parallel()
	authority := newAuthority(t)
	endpoint := serveTLS(t, authority, "127.0.0.1")
	file := writeFile(t, string(authority.Certificate))
	for _, test := range []struct {
		name    string
		trusted bool
		more    []string
	}{
		{"neither", false, nil},
		{"file", true, []string{"SSL_CERT_FILE=" + file}},
		{"directory", true, []string{"SSL_CERT_DIR=" + filepath.Dir(file)}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			command := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestTrustByGosVariables$", "-test.count=1")
			command.Env = append(append(os.Environ(), endpointVariable+"="+endpoint), test.more...)
			if output, err := command.CombinedOutput(); (err == nil) != test.trusted {
				t.Errorf("%v: %s", err, output)
			}
		})
	}
}
