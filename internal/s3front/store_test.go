// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package s3front

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"blackout/internal/s3server"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// secret is every account's.
const secret = "not-a-secret"

// store is a front before an S3 server with the accounts root, dp-1 and dp-2.
type store struct {
	bench
	control *Client
}

func newStore(t *testing.T) store {
	t.Helper()
	dir := t.TempDir()
	account := s3server.Account{Secret: secret, Bucket: "backup", Prefix: "p", Rights: s3server.Write}
	accounts, err := json.Marshal(map[string]s3server.Account{"dp-1": account, "dp-2": account})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "accounts.json"), accounts, 0o600); err != nil {
		t.Fatal(err)
	}
	server, err := s3server.New(s3server.Options{Dir: dir, RootUser: "root", RootPassword: secret, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	b := newBench(t, server)
	s := store{bench: b, control: NewClient(b.events)}
	if err := s.core(t, "root", nil).MakeBucket(t.Context(), "backup", minio.MakeBucketOptions{}); err != nil {
		t.Fatal(err)
	}
	return s
}

// core is an S3 client of an account, which sends the given headers unsigned.
func (s store) core(t *testing.T, account string, extra http.Header) *minio.Core {
	t.Helper()
	return newCore(t, s.front, &minio.Options{
		Creds: credentials.NewStaticV4(account, secret, ""), Transport: adding{extra, &http.Transport{DisableKeepAlives: true}},
	})
}

func newCore(t *testing.T, endpoint string, options *minio.Options) *minio.Core {
	t.Helper()
	options.Region, options.BucketLookup, options.MaxRetries = "us-east-1", minio.BucketLookupPath, 1
	core, err := minio.NewCore(endpoint, options)
	if err != nil {
		t.Fatal(err)
	}
	return core
}

// adding is a transport that adds headers which the signature does not cover.
type adding struct {
	header http.Header
	next   http.RoundTripper
}

func (a adding) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	for name, values := range a.header {
		r.Header[name] = values
	}
	return a.next.RoundTrip(r)
}

func (s store) put(t *testing.T, key, body string) {
	t.Helper()
	_, err := s.core(t, "root", nil).PutObject(t.Context(), "backup", key, strings.NewReader(body), int64(len(body)), "", "",
		minio.PutObjectOptions{UserMetadata: map[string]string{"State": "new"}})
	if err != nil {
		t.Fatal(err)
	}
}

// rule puts a rule about dp-1 in force.
func (s store) rule(t *testing.T, id string, r Rule) {
	t.Helper()
	r.Account = "dp-1"
	if err := s.control.PutRule(t.Context(), id, r); err != nil {
		t.Fatal(err)
	}
}

func (s store) unrule(t *testing.T, id string) {
	t.Helper()
	if err := s.control.DeleteRule(t.Context(), id); err != nil {
		t.Fatal(err)
	}
}

// read is what a client saw of an object.
type read struct {
	status int
	code   string
	length int64 // announced
	etag   string
	state  string // of the user metadata
	body   string
	took   time.Duration
	header http.Header
	err    error
}

// get reads an object as an account does, within 5 s.
func (s store) get(t *testing.T, account, key string) read {
	t.Helper()
	return get(t, s.core(t, account, nil), key)
}

// probe reads an object as root, who asks what dp-1 would meet.
func (s store) probe(t *testing.T, key string) read {
	t.Helper()
	return get(t, s.core(t, "root", http.Header{ProbeHeader: {"dp-1"}}), key)
}

func get(t *testing.T, core *minio.Core, key string) read {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	began := time.Now()
	body, info, header, err := core.GetObject(ctx, "backup", key, minio.GetObjectOptions{})
	if err != nil {
		answer := minio.ToErrorResponse(err)
		return read{status: answer.StatusCode, code: answer.Code, err: err, took: time.Since(began)}
	}
	defer body.Close()
	data, err := io.ReadAll(body)
	return read{
		status: 200, length: info.Size, etag: info.ETag, state: header.Get("X-Amz-Meta-State"), header: header,
		body: string(data), took: time.Since(began), err: err,
	}
}

func (s store) list(t *testing.T, account, prefix string) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	var keys []string
	for object := range s.core(t, account, nil).Client.ListObjects(ctx, "backup", minio.ListObjectsOptions{Prefix: prefix, Recursive: true}) {
		if object.Err != nil {
			t.Fatal(object.Err)
		}
		keys = append(keys, object.Key)
	}
	return keys
}
