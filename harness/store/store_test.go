// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"blackout/internal/miniotest"
	"blackout/internal/s3server"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/minio/minio-go/v7/pkg/encrypt"
)

const (
	user     = miniotest.User
	password = miniotest.Password
)

func TestEmbedded(t *testing.T) {
	t.Parallel()
	server, err := s3server.New(s3server.Options{Dir: t.TempDir(), RootUser: user, RootPassword: password, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewServer(server)
	t.Cleanup(front.Close)
	endpoint := strings.TrimPrefix(front.URL, "http://")
	s, err := NewEmbedded(endpoint, user, password)
	if err != nil {
		t.Fatal(err)
	}
	testStore(t, s, endpoint)
}

func TestMinIO(t *testing.T) {
	t.Parallel()
	endpoint := miniotest.Start(t, "MINIO_KMS_SECRET_KEY=test:"+base64.StdEncoding.EncodeToString(make([]byte, 32)))
	s, err := NewMinIO(endpoint, user, password)
	if err != nil {
		t.Fatal(err)
	}
	waitReady(t, s)
	testStore(t, s, endpoint)
	t.Run("encryption", func(t *testing.T) { testEncryption(t, s.(*minIO).objects) })
}

// testEncryption: what is in force on an object is read with it.
func testEncryption(t *testing.T, o *objects) {
	if err := o.CreateBucket(t.Context(), "encrypted"); err != nil {
		t.Fatal(err)
	}
	for key, asked := range map[string]minio.PutObjectOptions{"": {}, "AES256": {ServerSideEncryption: encrypt.NewSSE()}} {
		if _, err := o.core.PutObject(t.Context(), "encrypted", "k"+key, strings.NewReader("1"), 1, "", "", asked); err != nil {
			t.Fatal(err)
		}
		if object, err := o.ReadObject(t.Context(), "encrypted", "k"+key); err != nil || object.Encryption != key {
			t.Errorf("asked for %q, read %q, %v", key, object.Encryption, err)
		}
	}
}

func waitReady(t *testing.T, s Store) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		err := s.Ready(ctx)
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal(err)
		}
	}
}

// as is a store seen with an account's rights.
func as(t *testing.T, endpoint string, account Account) *objects {
	t.Helper()
	o, err := newObjects(endpoint, account.AccessKey, account.SecretKey, "/")
	if err != nil {
		t.Fatal(err)
	}
	o.core, err = minio.NewCore(endpoint, &minio.Options{
		Creds:  credentials.NewStaticV4(account.AccessKey, account.SecretKey, account.SessionToken),
		Region: Region, BucketLookup: minio.BucketLookupPath, MaxRetries: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func testStore(t *testing.T, s Store, endpoint string) {
	t.Run("objects", func(t *testing.T) { testObjects(t, s) })
	t.Run("accounts", func(t *testing.T) { testAccounts(t, s, endpoint) })
	t.Run("versions", func(t *testing.T) { testVersions(t, s) })
	t.Run("reader", func(t *testing.T) { testReader(t, s, endpoint) })
}

func testObjects(t *testing.T, s Store) {
	ctx := t.Context()
	if err := s.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time it is there
		if err := s.CreateBucket(ctx, "objects"); err != nil {
			t.Fatal(err)
		}
	}
	body := strings.Repeat("x", 200_000)
	for _, key := range []string{"p/b", "p/a", "q/c"} {
		if err := s.PutObject(ctx, "objects", key, []byte(body+key)); err != nil {
			t.Fatal(err)
		}
	}
	object, err := s.ReadObject(ctx, "objects", "p/a")
	if err != nil || string(object.Body) != body+"p/a" || object.ETag == "" || object.Modified.IsZero() {
		t.Errorf("read %d bytes, etag %q, modified %v, %v", len(object.Body), object.ETag, object.Modified, err)
	}
	if keys, err := s.ListKeys(ctx, "objects", "p/"); err != nil || !slices.Equal(keys, []string{"p/a", "p/b"}) {
		t.Errorf("keys %v, %v", keys, err)
	}
	for range 2 { // the second time it is not there
		if err := s.DeleteObject(ctx, "objects", "p/a"); err != nil {
			t.Error(err)
		}
	}
	for _, bucket := range []string{"objects", "nowhere"} {
		if _, err := s.ReadObject(ctx, bucket, "p/a"); !errors.Is(err, ErrNotFound) {
			t.Errorf("read in %s: %v", bucket, err)
		}
	}
}

func testAccounts(t *testing.T, s Store, endpoint string) {
	ctx := t.Context()
	if err := s.CreateBucket(ctx, "backup"); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"p/config.json", "elsewhere"} {
		if err := s.PutObject(ctx, "backup", key, []byte("{}")); err != nil {
			t.Fatal(err)
		}
	}
	seen := map[string]bool{}
	for _, rights := range []Rights{Read, Write} {
		account, err := s.NewAccount(ctx, "dp-1", "backup", "p", rights)
		if err != nil {
			t.Fatal(err)
		}
		if seen[account.AccessKey] || account.Node != "dp-1" {
			t.Errorf("account %q of %q is not its own", account.AccessKey, account.Node)
		}
		seen[account.AccessKey] = true
		checkRights(t, as(t, endpoint, account), rights)
	}
}

func checkRights(t *testing.T, o *objects, rights Rights) {
	t.Helper()
	ctx := t.Context()
	list := func(prefix string) error { _, err := o.ListKeys(ctx, "backup", prefix); return err }
	read := func(key string) error { _, err := o.ReadObject(ctx, "backup", key); return err }
	results := map[string]error{
		"read":         read("p/config.json"),
		"read outside": read("elsewhere"),
		"read missing": read("p/none"),
		"list":         list("p/"),
		"list outside": list(""),
		"put":          o.PutObject(ctx, "backup", "p/new", []byte("1")),
		"put outside":  o.PutObject(ctx, "backup", "new", []byte("1")),
		"delete":       o.DeleteObject(ctx, "backup", "p/config.json"),
		"make bucket":  o.core.MakeBucket(ctx, "other", minio.MakeBucketOptions{}),
	}
	want := map[string]string{
		"read": "", "list": "", "read missing": "NoSuchKey", "read outside": "AccessDenied", "list outside": "AccessDenied",
		"put": "AccessDenied", "put outside": "AccessDenied", "delete": "AccessDenied", "make bucket": "AccessDenied",
	}
	if rights == Write {
		want["put"] = ""
	}
	for name, err := range results {
		var answer minio.ErrorResponse
		if err != nil && !errors.As(err, &answer) {
			answer.Code = fmt.Sprint(err)
		}
		if answer.Code != want[name] {
			t.Errorf("%s account: %s: %q, want %q", rights, name, answer.Code, want[name])
		}
	}
}

func TestEnvironment(t *testing.T) {
	t.Parallel()
	got := Account{AccessKey: "a", SecretKey: "s", SessionToken: "t"}.Environment()
	want := map[string]string{"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "s", "AWS_SESSION_TOKEN": "t", "AWS_REGION": Region}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%v", got)
	}
	if _, there := (Account{}).Environment()["AWS_SESSION_TOKEN"]; there {
		t.Error("an empty token is handed on")
	}
}
