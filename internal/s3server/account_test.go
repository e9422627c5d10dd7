// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package s3server

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/minio/minio-go/v7"
)

func addAccount(t *testing.T, endpoint, key, prefix string, rights Rights) *minio.Client {
	t.Helper()
	body := fmt.Sprintf(`{"secret":%q,"bucket":"backup","prefix":%q,"rights":%q}`, otherSecret, prefix, rights)
	status, found := send(t, signed(t, "PUT", endpoint+AccountsPath+key, rootUser, rootPassword, []byte(body)))
	if status != http.StatusNoContent {
		t.Fatalf("add account: %d %s", status, found)
	}
	return client(t, endpoint, key, otherSecret)
}

func TestRights(t *testing.T) {
	t.Parallel()
	endpoint := serve(t, t.TempDir())
	root := client(t, endpoint, rootUser, rootPassword)
	makeBucket(t, root)
	for _, key := range []string{"p/config.json", "pq/config.json"} {
		if err := put(t.Context(), root, key, "{}", minio.PutObjectOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	list := func(c *minio.Client, prefix string) error {
		for object := range c.ListObjects(t.Context(), "backup", minio.ListObjectsOptions{Prefix: prefix}) {
			if object.Err != nil {
				return object.Err
			}
		}
		return nil
	}
	read := func(c *minio.Client, key string) error { _, err := get(t.Context(), c, key); return err }
	reader, writer := addAccount(t, endpoint, "reader", "p", Read), addAccount(t, endpoint, "writer", "p", Write)
	tests := []struct {
		name string
		do   func(c *minio.Client) error
		read string // the code that the reader gets
		rite string // the code that the writer gets
	}{
		{"get inside", func(c *minio.Client) error { return read(c, "p/config.json") }, "", ""},
		{"get outside", func(c *minio.Client) error { return read(c, "pq/config.json") }, "AccessDenied", "AccessDenied"},
		{"get missing", func(c *minio.Client) error { return read(c, "p/none") }, "NoSuchKey", "NoSuchKey"},
		{"list inside", func(c *minio.Client) error { return list(c, "p/") }, "", ""},
		{"list all", func(c *minio.Client) error { return list(c, "") }, "AccessDenied", "AccessDenied"},
		{"put inside", func(c *minio.Client) error { return put(t.Context(), c, "p/x", "1", minio.PutObjectOptions{}) }, "AccessDenied", ""},
		{"put outside", func(c *minio.Client) error { return put(t.Context(), c, "x", "1", minio.PutObjectOptions{}) }, "AccessDenied", "AccessDenied"},
		{"remove", func(c *minio.Client) error {
			return c.RemoveObject(t.Context(), "backup", "p/config.json", minio.RemoveObjectOptions{})
		}, "AccessDenied", "AccessDenied"},
		{"make bucket", func(c *minio.Client) error {
			return c.MakeBucket(t.Context(), "other", minio.MakeBucketOptions{})
		}, "AccessDenied", "AccessDenied"},
		{"list buckets", func(c *minio.Client) error { _, err := c.ListBuckets(t.Context()); return err }, "AccessDenied", "AccessDenied"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := code(test.do(reader)); got != test.read {
				t.Errorf("reader: %q, want %q", got, test.read)
			}
			if got := code(test.do(writer)); got != test.rite {
				t.Errorf("writer: %q, want %q", got, test.rite)
			}
		})
	}
}

func TestAccountsBelongToRootAndSurviveRestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	endpoint := serve(t, dir)
	root := client(t, endpoint, rootUser, rootPassword)
	makeBucket(t, root)
	addAccount(t, endpoint, "writer", "", Write)
	body := []byte(`{"secret":"12345678","bucket":"backup","rights":"write"}`)
	if status, found := send(t, signed(t, "PUT", endpoint+AccountsPath+"mine", "writer", otherSecret, body)); status != 403 || found != "AccessDenied" {
		t.Errorf("an account made an account: %d %s", status, found)
	}
	if status, _ := send(t, signed(t, "PUT", endpoint+AccountsPath+rootUser, rootUser, rootPassword, body)); status != 400 {
		t.Errorf("the root account was replaced: %d", status)
	}

	endpoint = serve(t, dir)
	if err := put(t.Context(), client(t, endpoint, "writer", otherSecret), "k", "1", minio.PutObjectOptions{}); err != nil {
		t.Errorf("after a restart: %v", err)
	}
	if status, _ := send(t, signed(t, "DELETE", endpoint+AccountsPath+"writer", rootUser, rootPassword, nil)); status != 204 {
		t.Errorf("delete account: %d", status)
	}
	if got := code(put(t.Context(), client(t, endpoint, "writer", otherSecret), "k", "1", minio.PutObjectOptions{})); got != "InvalidAccessKeyId" {
		t.Errorf("after its removal: %q", got)
	}
}

func TestMay(t *testing.T) {
	t.Parallel()
	writer := Account{Bucket: "backup", Prefix: "p", Rights: Write}
	tests := []struct {
		method, target string
		copySource     string
		want           bool
	}{
		{"GET", "/backup/p/k", "", true},
		{"GET", "/backup/p/k?x-id=GetObject", "", true},
		{"GET", "/backup/p/k?tagging", "", false},
		{"GET", "/backup/p/k?versionId=1", "", false},
		{"GET", "/other/p/k", "", false},
		{"GET", "//backup/p/k", "", false},
		{"GET", "/backup/p", "", false},
		{"PUT", "/backup/p/k", "", true},
		{"PUT", "/backup/p/k", "/other/secret", false},
		{"PUT", "/backup/p/k?uploadId=1&partNumber=1", "", false},
		{"POST", "/backup/p/k?uploads", "", false},
		{"DELETE", "/backup/p/k", "", false},
		{"HEAD", "/backup/", "", true},
		{"GET", "/backup?location", "", true},
		{"GET", "/backup?list-type=2&prefix=p", "", true},
		{"GET", "/backup?list-type=2&prefix=pq", "", false},
		{"GET", "/backup?versions&prefix=p/", "", false},
		{"POST", "/backup?delete", "", false},
		{"PUT", "/backup", "", false},
		{"GET", "/", "", false},
		{"PUT", "/.accounts/me", "", false},
	}
	for _, test := range tests {
		r := httptest.NewRequest(test.method, "http://store"+test.target, nil)
		if test.copySource != "" {
			r.Header.Set("X-Amz-Copy-Source", test.copySource)
		}
		if got := writer.may(r); got != test.want {
			t.Errorf("%s %s: %v", test.method, test.target, got)
		}
		if root := (Account{Rights: Root}); !root.may(r) {
			t.Errorf("%s %s: refused to root", test.method, test.target)
		}
	}
}
