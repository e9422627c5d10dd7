// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"blackout/internal/fallback"
	"blackout/internal/fallback/bucket"
	"blackout/internal/fallback/bucket/buckettest"
	"blackout/internal/operator"
)

var update = flag.Bool("update", false, "rewrite the golden files in testdata")

const version = "3.9.1"

const key = "eu/3.9.1/config.json"

// storage is a storage in memory.
func storage(memory *buckettest.Memory) *operator.Storage {
	return &operator.Storage{Bucket: memory, Location: fallback.Location{Scheme: "s3", Bucket: "backup", Prefix: "eu"}}
}

// put writes an object as nobody in particular.
func put(t *testing.T, memory *buckettest.Memory, key, body string, metadata map[string]string) {
	t.Helper()
	if _, err := memory.Put(context.Background(), key, bucket.BodyOf([]byte(body)), bucket.PutOptions{Metadata: metadata}); err != nil {
		t.Fatal(err)
	}
}

// body is what the bucket holds.
func body(t *testing.T, memory *buckettest.Memory, key string) string {
	t.Helper()
	object, err := memory.Get(context.Background(), key, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	return string(object.Body)
}

type texter interface{ Text(w io.Writer) error }

// golden compares both forms of a result with the files of that name.
func golden(t *testing.T, name string, result texter) {
	t.Helper()
	var human, machine bytes.Buffer
	if err := result.Text(&human); err != nil {
		t.Fatal(err)
	}
	encoder := json.NewEncoder(&machine)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(result); err != nil {
		t.Fatal(err)
	}
	for suffix, got := range map[string]string{".txt": human.String(), ".json": machine.String()} {
		path := filepath.Join("testdata", name+suffix)
		if *update {
			if err := os.WriteFile(path, []byte(got), 0o644); err != nil { // #nosec G306 -- a file of the repository
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s: got\n%s\nwant\n%s", path, got, want)
		}
		for _, secret := range secrets {
			if strings.Contains(got, secret) {
				t.Errorf("%s tells the secret %q", path, secret)
			}
		}
	}
}

// secrets stand in the configurations of these tests.
var secrets = []string{"alice-secret-key", "alice-password", "other-secret-key", "redis-secret"}

// declared is a declarative file with a bit of everything.
const declared = `
_format_version: "3.0"
services:
- name: orders
  url: http://orders.internal:8080/api
  routes:
  - name: list
    paths: [/orders]
  plugins:
  - {name: key-auth, config: {key_names: [x-key]}}
- name: off
  url: http://off.internal
  enabled: false
  routes:
  - {name: dark, paths: [/dark]}
upstreams:
- name: orders.internal
  targets:
  - {target: "10.0.0.1:80", weight: 10}
consumers:
- username: alice
  keyauth_credentials:
  - key: alice-secret-key
  basicauth_credentials:
  - {username: alice, password: alice-password}
plugins:
- {name: rate-limiting, config: {minute: 5, redis: {password: redis-secret}}}
`

// file is a file with a content.
func file(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kong.yaml")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// configuration is what a declarative file becomes, under a name that does not change.
func configuration(t *testing.T, content string) *operator.Configuration {
	t.Helper()
	read, err := operator.ReadFile(file(t, content))
	if err != nil {
		t.Fatal(err)
	}
	read.From = "kong.yaml"
	return read
}

// seeded is a storage that holds a declarative file's configuration.
func seeded(t *testing.T, content string) (*operator.Storage, *buckettest.Memory) {
	t.Helper()
	memory := &buckettest.Memory{}
	s := storage(memory)
	r, err := s.Replace(context.Background(), configuration(t, content), operator.ReplaceOptions{Version: version, By: "test"})
	if err != nil || r.Outcome != operator.Written {
		t.Fatalf("%+v, %v", r, err)
	}
	return s, memory
}

// lease is a lease object.
const lease = `{"id":"6b1c7a0e-0000-4000-8000-000000000001","life":"l","name":"backup-1","term":7,"beat":42}`

// later makes it 4 minutes later for the storage's user.
func later(s *operator.Storage) {
	s.Now = func() time.Time { return time.Now().Add(4 * time.Minute) }
}
