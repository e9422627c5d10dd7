// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package programtest runs a server that is another program beside a test. Its
// central type is [Server].
package programtest

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// patience bounds a server's start.
const patience = 30 * time.Second

// Server says how a server is started.
type Server struct {
	Variable    string                        // environment variable that names the program's binary
	Arguments   func(address string) []string // for a server at host:port
	Environment []string                      // beside the test's own, "NAME=value"
	Health      string                        // path that is answered with 200 once requests are taken
	Roots       *x509.CertPool                // of a server that speaks https; nil: it speaks http
}

// Binary is the path of the program that an environment variable names. Without it
// the test is skipped.
func Binary(t *testing.T, variable string) string {
	t.Helper()
	binary := os.Getenv(variable)
	if binary == "" {
		t.Skipf("NOT TESTED: %s names no program to test against", variable)
	}
	return binary
}

// Start starts the server on loopback and returns its host:port once it takes
// requests. It ends with the test.
func (s Server) Start(t *testing.T) string {
	t.Helper()
	binary := Binary(t, s.Variable)
	address := FreeAddress(t)
	process := exec.CommandContext(t.Context(), binary, s.Arguments(address)...)
	process.Env = append(os.Environ(), s.Environment...)
	var output bytes.Buffer
	process.Stdout, process.Stderr = &output, &output
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		// It is killed with the test's context; its exit status says just that.
		_ = process.Wait()
		close(ended)
	}()
	t.Cleanup(func() { <-ended })
	if !s.ready(t, address, ended) {
		_ = process.Process.Kill()
		<-ended
		t.Fatalf("%s at %s is not up: %s", filepath.Base(binary), address, output.Bytes())
	}
	t.Cleanup(func() {
		if <-ended; process.ProcessState.Exited() { // by itself: nobody killed it
			t.Errorf("%s at %s has ended during the test: %s", filepath.Base(binary), address, output.Bytes())
		}
	})
	return address
}

// ready waits until the server takes requests, or has ended.
func (s Server) ready(t *testing.T, address string, ended <-chan struct{}) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	url := "http://" + address + s.Health
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	if s.Roots != nil {
		url = "https://" + address + s.Health
		client.Transport = &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: s.Roots, MinVersion: tls.VersionTLS12}}
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		response, err := client.Do(request)
		if err == nil && response.Body.Close() == nil && response.StatusCode == http.StatusOK {
			return true
		}
		select {
		case <-tick.C:
		case <-ended:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

// ports counts the ports tried; those of a process begin where its number says.
var ports atomic.Int64

// FreeAddress is an address on loopback, host:port, that nobody listens on. Its port is from
// below those that systems give to clients and to whoever asks for any: another test could
// take one of those before this one's server listens, or while it is down, and would be
// taken for it. harness/engine/local has the ports behind these.
func FreeAddress(t testing.TB) string {
	t.Helper()
	for {
		port := 10_000 + (int64(os.Getpid())*97+ports.Add(1))%10_000
		listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if errors.Is(err, syscall.EADDRINUSE) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := listener.Close(); err != nil {
			t.Fatal(err)
		}
		return listener.Addr().String()
	}
}

// Files are a certificate and its key as files, and who trusts them.
type Files struct {
	Certificate, Key string
	Roots            *x509.CertPool
}

// WriteFiles writes a server's certificate and key, PEM, as dir/name.crt and
// dir/name.key. The authority is PEM too.
func WriteFiles(t *testing.T, dir, name string, certificate, key, authority []byte) Files {
	t.Helper()
	files := Files{Certificate: filepath.Join(dir, name+".crt"), Key: filepath.Join(dir, name+".key"), Roots: x509.NewCertPool()}
	if !files.Roots.AppendCertsFromPEM(authority) {
		t.Fatal("the authority is no certificate in PEM")
	}
	for file, data := range map[string][]byte{files.Certificate: certificate, files.Key: key} {
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return files
}
