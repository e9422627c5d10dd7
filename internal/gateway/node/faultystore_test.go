// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package node_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"blackout/internal/fallback/bucket"
	"blackout/internal/fallback/bucket/s3"
	"blackout/internal/s3server"
)

const (
	rootSecret   = "root-password"
	readerSecret = "reader-password"
)

// faultyStore is an S3 server behind a fault's script, and counts what reaches it.
type faultyStore struct {
	getenv func(string) string // the environment of a node that may read it

	accepted atomic.Int32 // connections
	mu       sync.Mutex
	seen     []string // "METHOD path" of the requests
}

// newFaultyStore starts a store that holds the fault's object, or else the good
// one.
func newFaultyStore(t *testing.T, f *storeFault, good []byte) *faultyStore {
	t.Helper()
	dir := t.TempDir()
	account := f.account
	if account == nil {
		account = &s3server.Account{Bucket: "bucket", Prefix: "prefix", Rights: s3server.Read}
	}
	if account.Bucket != "" {
		given := *account
		given.Secret = readerSecret
		accounts, err := json.Marshal(map[string]s3server.Account{"reader": given})
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "accounts.json"), accounts, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	objects, err := s3server.New(s3server.Options{Dir: dir, RootUser: "root", RootPassword: rootSecret, Log: slog.New(slog.DiscardHandler),
		Now: func() time.Time { return time.Now().Add(f.ahead) }})
	if err != nil {
		t.Fatal(err)
	}
	fill(t, dir, f, good)
	var served http.Handler = objects
	if f.script != nil {
		served = f.script(objects)
	}
	s := &faultyStore{}
	secret := f.secret
	if secret == "" {
		secret = readerSecret
	}
	environment := map[string]string{"AWS_ACCESS_KEY_ID": "reader", "AWS_SECRET_ACCESS_KEY": secret, "AWS_CONFIG_STORAGE_ENDPOINT": s.serve(t, served, f.listen)}
	s.getenv = func(name string) string { return environment[name] }
	return s
}

// fill makes the bucket and puts the object into it, through a server of its own
// whose clock is right.
func fill(t *testing.T, dir string, f *storeFault, good []byte) {
	t.Helper()
	objects, err := s3server.New(s3server.Options{Dir: dir, RootUser: "root", RootPassword: rootSecret, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(objects)
	defer server.Close()
	core, err := minio.NewCore(server.Listener.Addr().String(), &minio.Options{Creds: credentials.NewStaticV4("root", rootSecret, ""),
		Transport: &http.Transport{DisableKeepAlives: true}, Region: "us-east-1"})
	if err != nil {
		t.Fatal(err)
	}
	if err := core.MakeBucket(t.Context(), "bucket", minio.MakeBucketOptions{}); err != nil {
		t.Fatal(err)
	}
	key, body := f.key, f.object
	switch key {
	case "-":
		return
	case "":
		key = storedKey
	}
	if body == nil {
		body = good
	}
	environment := map[string]string{"AWS_ACCESS_KEY_ID": "root", "AWS_SECRET_ACCESS_KEY": rootSecret, "AWS_CONFIG_STORAGE_ENDPOINT": server.URL}
	opened, err := s3.Open(s3.Options{Bucket: "bucket", Getenv: func(name string) string { return environment[name] }})
	if err != nil {
		t.Fatal(err)
	}
	defer opened.Close()
	if _, err := opened.Put(t.Context(), key, bucket.BodyOf(body), bucket.PutOptions{Metadata: f.metadata}); err != nil {
		t.Fatal(err)
	}
}

// serve counts what comes, and returns the endpoint.
func (s *faultyStore) serve(t *testing.T, store http.Handler, how listening) string {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.seen = append(s.seen, r.Method+" "+r.URL.Path)
		s.mu.Unlock()
		store.ServeHTTP(w, r)
	}))
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			s.accepted.Add(1)
		}
	}
	if how == untrusted {
		server.StartTLS()
	} else {
		server.Start()
	}
	if how == nowhere {
		server.Close()
	} else {
		t.Cleanup(server.Close)
	}
	return server.URL
}

func (s *faultyStore) requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.seen)
}

func (s *faultyStore) connections() int { return int(s.accepted.Load()) }

// The scripts.

func resetting(http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		_ = conn.(*net.TCPConn).SetLinger(0) // then Close sends RST
		_ = conn.Close()
	})
}

func hanging(http.Handler) http.Handler {
	return http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	})
}

// half answers with the first half of what the store would, and then does what
// end says.
func half(end func(w http.ResponseWriter, r *http.Request, rest []byte)) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			answer := httptest.NewRecorder()
			next.ServeHTTP(answer, r)
			for name, values := range answer.Header() {
				w.Header()[name] = values
			}
			body := answer.Body.Bytes()
			w.Header().Set("Content-Length", fmt.Sprint(len(body)))
			w.WriteHeader(answer.Code)
			_, _ = w.Write(body[:len(body)/2])
			_ = http.NewResponseController(w).Flush()
			end(w, r, body[len(body)/2:])
		})
	}
}

func cutting(next http.Handler) http.Handler {
	return half(func(http.ResponseWriter, *http.Request, []byte) { panic(http.ErrAbortHandler) })(next)
}

func stalling(next http.Handler) http.Handler {
	return half(func(_ http.ResponseWriter, r *http.Request, _ []byte) { <-r.Context().Done() })(next)
}

// trickling takes a time over the second half of the body.
func trickling(over time.Duration) func(http.Handler) http.Handler {
	return half(func(w http.ResponseWriter, r *http.Request, rest []byte) {
		pace := time.NewTicker(over / time.Duration(len(rest)))
		defer pace.Stop()
		for i := range rest {
			select {
			case <-pace.C:
			case <-r.Context().Done():
				return
			}
			_, _ = w.Write(rest[i : i+1])
			_ = http.NewResponseController(w).Flush()
		}
	})
}

// answering answers everything with an error of S3.
func answering(status int, code, region string) func(http.Handler) http.Handler {
	return func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/xml")
			if region != "" {
				w.Header().Set("X-Amz-Bucket-Region", region)
				region := "<Region>" + region + "</Region>"
				w.WriteHeader(status)
				fmt.Fprintf(w, "<Error><Code>%s</Code><Message>Not here.</Message>%s</Error>", code, region)
				return
			}
			w.WriteHeader(status)
			fmt.Fprintf(w, "<Error><Code>%s</Code><Message>Not now.</Message></Error>", code)
		})
	}
}

// dialled counts the connections to where a control plane should be. Each is
// closed at once.
type dialled struct {
	listener net.Listener
	times    atomic.Int32
	ended    chan struct{}
}

// deadControlPlane stands at the cluster's address until it ends.
func deadControlPlane(t *testing.T, c *cluster) *dialled {
	t.Helper()
	listener, err := net.Listen("tcp", c.address)
	if err != nil {
		t.Fatal(err)
	}
	d := &dialled{listener: listener, ended: make(chan struct{})}
	go func() {
		defer close(d.ended)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			d.times.Add(1)
			_ = conn.Close()
		}
	}()
	t.Cleanup(d.end)
	return d
}

func (d *dialled) count() int { return int(d.times.Load()) }

func (d *dialled) end() {
	_ = d.listener.Close() // may be closed already
	<-d.ended
}

// logBook keeps what nodes log, as JSON.
type logBook struct {
	mu   sync.Mutex
	text bytes.Buffer
}

var _ io.Writer = (*logBook)(nil)

func (b *logBook) handler() slog.Handler { return slog.NewJSONHandler(b, nil) }

// Write implements io.Writer.
func (b *logBook) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

// String is all that was logged.
func (b *logBook) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// lines are those with a message.
func (b *logBook) lines(message string) []map[string]any {
	var found []map[string]any
	for text := range strings.Lines(b.String()) {
		var line map[string]any
		if json.Unmarshal([]byte(text), &line) == nil && line["msg"] == message {
			found = append(found, line)
		}
	}
	return found
}
