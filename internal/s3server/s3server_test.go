// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package s3server

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/minio/minio-go/v7/pkg/encrypt"
)

const (
	rootUser     = "root-user"
	rootPassword = "root-password"
	otherSecret  = "other-secret"
)

// serve starts a server over dir with the bucket "backup" and returns its URL.
func serve(t *testing.T, dir string) string {
	t.Helper()
	server, err := New(Options{Dir: dir, RootUser: rootUser, RootPassword: rootPassword, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewServer(server)
	t.Cleanup(front.Close)
	return front.URL
}

func client(t *testing.T, endpoint, user, secret string) *minio.Client {
	t.Helper()
	c, err := minio.New(strings.TrimPrefix(endpoint, "http://"), &minio.Options{
		Creds: credentials.NewStaticV4(user, secret, ""), Region: "us-east-1", BucketLookup: minio.BucketLookupPath, MaxRetries: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func makeBucket(t *testing.T, root *minio.Client) {
	t.Helper()
	if err := root.MakeBucket(t.Context(), "backup", minio.MakeBucketOptions{}); err != nil {
		t.Fatal(err)
	}
}

func put(ctx context.Context, c *minio.Client, key, body string, options minio.PutObjectOptions) error {
	_, err := c.PutObject(ctx, "backup", key, strings.NewReader(body), int64(len(body)), options)
	return err
}

func get(ctx context.Context, c *minio.Client, key string) (string, error) {
	object, err := c.GetObject(ctx, "backup", key, minio.GetObjectOptions{})
	if err != nil {
		return "", err
	}
	defer object.Close()
	data, err := io.ReadAll(object)
	return string(data), err
}

// code is S3's code of an error, "" for none.
func code(err error) string {
	if err == nil {
		return ""
	}
	return minio.ToErrorResponse(err).Code
}

// signed makes a request as another signer than minio-go would.
func signed(t *testing.T, method, address, user, secret string, body []byte) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, address, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(body)
	digest := hex.EncodeToString(sum[:])
	r.Header.Set("X-Amz-Content-Sha256", digest)
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	creds := aws.Credentials{AccessKeyID: user, SecretAccessKey: secret}
	if err := signer.SignHTTP(t.Context(), creds, r, digest, "s3", "us-east-1", time.Now()); err != nil {
		t.Fatal(err)
	}
	return r
}

// send returns the status and the code of the answer's error document.
func send(t *testing.T, r *http.Request) (int, string) {
	t.Helper()
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(body), "<Code>")
	found, _, _ := strings.Cut(rest, "</Code>")
	return response.StatusCode, found
}

func TestObjectsRoundTripAndSurviveRestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	root := client(t, serve(t, dir), rootUser, rootPassword)
	makeBucket(t, root)
	large := strings.Repeat("0123456789abcdef", 20_000) // several signed chunks
	options := minio.PutObjectOptions{ContentType: "application/json", UserMetadata: map[string]string{"Blackout-Hash": "h1"}}
	if err := put(t.Context(), root, "p/1.0/config.json", large, options); err != nil {
		t.Fatal(err)
	}

	if err := os.WriteFile(filepath.Join(dir, "buckets", "backup", uploadPrefix+"1"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	again := client(t, serve(t, dir), rootUser, rootPassword)
	if body, err := get(t.Context(), again, "p/1.0/config.json"); err != nil || body != large {
		t.Fatalf("got %d bytes, %v", len(body), err)
	}
	info, err := again.StatObject(t.Context(), "backup", "p/1.0/config.json", minio.StatObjectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if info.UserMetadata["Blackout-Hash"] != "h1" || info.ContentType != "application/json" || info.Size != int64(len(large)) || info.ETag == "" {
		t.Errorf("stat: %+v", info)
	}
	if info.Metadata.Get("Content-Encoding") != "" {
		t.Errorf("the encoding on the wire was kept: %q", info.Metadata.Get("Content-Encoding"))
	}
	var keys []string
	for object := range again.ListObjects(t.Context(), "backup", minio.ListObjectsOptions{Prefix: "p/", Recursive: true}) {
		keys = append(keys, object.Key)
	}
	if len(keys) != 1 || keys[0] != "p/1.0/config.json" {
		t.Errorf("list: %v", keys)
	}
}

func TestTamperedRequestsAreRefused(t *testing.T) {
	t.Parallel()
	endpoint := serve(t, t.TempDir())
	makeBucket(t, client(t, endpoint, rootUser, rootPassword))
	body := []byte(`{"services":[]}`)
	replaceBody := func(r *http.Request, with string) {
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(with)), int64(len(with))
	}
	tests := []struct {
		name   string
		tamper func(*http.Request)
		status int
		code   string
	}{
		{"nothing", func(*http.Request) {}, 200, ""},
		{"key", func(r *http.Request) { r.URL.Path = "/backup/other" }, 403, "SignatureDoesNotMatch"},
		{"query", func(r *http.Request) { r.URL.RawQuery = "x-id=GetObject" }, 403, "SignatureDoesNotMatch"},
		{"method", func(r *http.Request) { r.Method = "DELETE" }, 403, "SignatureDoesNotMatch"},
		{"host", func(r *http.Request) { r.Host = "elsewhere" }, 403, "SignatureDoesNotMatch"},
		{"body", func(r *http.Request) { replaceBody(r, `{"services":{}}`) }, 400, "XAmzContentSHA256Mismatch"},
		{"body and digest", func(r *http.Request) {
			replaceBody(r, "x")
			sum := sha256.Sum256([]byte("x"))
			r.Header.Set("X-Amz-Content-Sha256", hex.EncodeToString(sum[:]))
		}, 403, "SignatureDoesNotMatch"},
		{"unsigned payload", func(r *http.Request) { r.Header.Set("X-Amz-Content-Sha256", unsignedPayload) }, 403, "SignatureDoesNotMatch"},
		{"added metadata", func(r *http.Request) { r.Header.Set("X-Amz-Meta-Blackout-Hash", "x") }, 403, "AccessDenied"},
		{"date", func(r *http.Request) {
			r.Header.Set("X-Amz-Date", time.Now().Add(time.Minute).UTC().Format(timeFormat))
		}, 403, "SignatureDoesNotMatch"},
		{"old", func(r *http.Request) {
			old := time.Now().Add(-time.Hour).UTC()
			r.Header.Set("X-Amz-Date", old.Format(timeFormat))
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), time.Now().UTC().Format("20060102"), old.Format("20060102"), 1))
		}, 403, "RequestTimeTooSkewed"},
		{"no signature", func(r *http.Request) { r.Header.Del("Authorization") }, 403, "AccessDenied"},
		{"unknown key", func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), rootUser, "nobody", 1))
		}, 403, "InvalidAccessKeyId"},
		{"malformed", func(r *http.Request) { r.Header.Set("Authorization", algorithm+" Credential=x") }, 400, "AuthorizationHeaderMalformed"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := signed(t, "PUT", endpoint+"/backup/key", rootUser, rootPassword, body)
			test.tamper(r)
			if status, found := send(t, r); status != test.status || found != test.code {
				t.Errorf("%d %s, want %d %s", status, found, test.status, test.code)
			}
		})
	}
}

func TestTamperedChunkIsRefused(t *testing.T) {
	t.Parallel()
	endpoint := serve(t, t.TempDir())
	root := client(t, endpoint, rootUser, rootPassword)
	makeBucket(t, root)
	// The body is damaged behind the signer, as on a bad link.
	transport := roundTripper(func(r *http.Request) (*http.Response, error) {
		if r.Body != nil {
			data, err := io.ReadAll(r.Body)
			if err != nil {
				return nil, err
			}
			r.Body = io.NopCloser(bytes.NewReader(bytes.Replace(data, []byte("good"), []byte("evil"), 1)))
		}
		return http.DefaultTransport.RoundTrip(r)
	})
	bad, err := minio.New(strings.TrimPrefix(endpoint, "http://"), &minio.Options{
		Creds: credentials.NewStaticV4(rootUser, rootPassword, ""), Region: "us-east-1", MaxRetries: 1, Transport: transport,
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := code(put(t.Context(), bad, "k", "a good body", minio.PutObjectOptions{})); got != "SignatureDoesNotMatch" {
		t.Errorf("put: %q", got)
	}
	if _, err := get(t.Context(), root, "k"); code(err) != "NoSuchKey" {
		t.Errorf("something was stored: %v", err)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestEncryptionByOtherKeysIsNotPretended: the server has no keys but its own.
func TestEncryptionByOtherKeysIsNotPretended(t *testing.T) {
	t.Parallel()
	endpoint := serve(t, t.TempDir())
	makeBucket(t, client(t, endpoint, rootUser, rootPassword))
	r := signed(t, "PUT", endpoint+"/backup/key", rootUser, rootPassword, nil)
	r.Header.Set("X-Amz-Server-Side-Encryption", "aws:kms")
	sum := sha256.Sum256(nil)
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	creds := aws.Credentials{AccessKeyID: rootUser, SecretAccessKey: rootPassword}
	if err := signer.SignHTTP(t.Context(), creds, r, hex.EncodeToString(sum[:]), "s3", "us-east-1", time.Now()); err != nil {
		t.Fatal(err)
	}
	if status, found := send(t, r); status != 501 || found != "NotImplemented" {
		t.Errorf("%d %s", status, found)
	}
}

// TestEncryption: an object whose upload asks for it lies on the disk encrypted, says so
// and reads as it was written, also in part and after a start anew; one beside it does
// not.
func TestEncryption(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	root := client(t, serve(t, dir), rootUser, rootPassword)
	makeBucket(t, root)
	const text = "a text that nobody may find on the disk"
	for key, options := range map[string]minio.PutObjectOptions{"plain": {}, "sealed": {ServerSideEncryption: encrypt.NewSSE()}} {
		if err := put(t.Context(), root, key, text, options); err != nil {
			t.Fatal(err)
		}
	}
	root = client(t, serve(t, dir), rootUser, rootPassword)
	for key, want := range map[string]string{"plain": "", "sealed": "AES256"} {
		if body, err := get(t.Context(), root, key); err != nil || body != text {
			t.Errorf("%s reads %q, %v", key, body, err)
		}
		info, err := root.StatObject(t.Context(), "backup", key, minio.StatObjectOptions{})
		if err != nil || info.Metadata.Get("X-Amz-Server-Side-Encryption") != want || info.Size != int64(len(text)) {
			t.Errorf("%s has the encryption %q and %d bytes, %v", key, info.Metadata.Get("X-Amz-Server-Side-Encryption"), info.Size, err)
		}
	}
	part := minio.GetObjectOptions{}
	if err := part.SetRange(2, 5); err != nil {
		t.Fatal(err)
	}
	object, err := root.GetObject(t.Context(), "backup", "sealed", part)
	if err != nil {
		t.Fatal(err)
	}
	if read, err := io.ReadAll(object); err != nil || string(read) != text[2:6] {
		t.Errorf("a part reads %q, %v", read, err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "buckets", "backup", "*"+objectSuffix))
	if err != nil || len(files) != 2 {
		t.Fatalf("files %v, %v", files, err)
	}
	clear := 0
	for _, file := range files {
		stored, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(stored, []byte(text)) {
			clear++
		}
	}
	if clear != 1 {
		t.Errorf("%d of two objects lie on the disk in clear", clear)
	}
}

// TestSettingsAreNotPretended: a question after a setting is no listing, and setting one
// creates and overwrites nothing.
func TestSettingsAreNotPretended(t *testing.T) {
	t.Parallel()
	endpoint := serve(t, t.TempDir())
	root := client(t, endpoint, rootUser, rootPassword)
	makeBucket(t, root)
	if err := put(t.Context(), root, "key", "kept", minio.PutObjectOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, what := range []string{"GET /backup/?lifecycle=", "PUT /backup/?lifecycle=", "GET /backup/?encryption=", "PUT /new/?encryption=", "PUT /backup/key?tagging="} {
		method, path, _ := strings.Cut(what, " ")
		if status, found := send(t, signed(t, method, endpoint+path, rootUser, rootPassword, nil)); status != 501 || found != "NotImplemented" {
			t.Errorf("%s: %d %s", what, status, found)
		}
	}
	if body, err := get(t.Context(), root, "key"); err != nil || body != "kept" {
		t.Errorf("the object is %q, %v", body, err)
	}
	if there, err := root.BucketExists(t.Context(), "new"); err != nil || there {
		t.Errorf("a bucket was made: %t, %v", there, err)
	}
}

func TestHealthNeedsNoSignature(t *testing.T) {
	t.Parallel()
	r, err := http.NewRequestWithContext(t.Context(), "GET", serve(t, t.TempDir())+"/.health", nil)
	if err != nil {
		t.Fatal(err)
	}
	if status, _ := send(t, r); status != 200 {
		t.Errorf("status %d", status)
	}
}

// TestRefusesOnceTheRequestIsThere sends a body in two parts on a connection that is to
// end: between them there must be no answer yet, or the second might meet its end.
func TestRefusesOnceTheRequestIsThere(t *testing.T) {
	t.Parallel()
	address := strings.TrimPrefix(serve(t, t.TempDir()), "http://")
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	half := strings.Repeat("x", 20_000)
	if _, err := fmt.Fprintf(conn, "PUT /bucket/key HTTP/1.1\r\nHost: %s\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", address, 2*len(half), half); err != nil {
		t.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(200 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if n, err := conn.Read(make([]byte, 1)); n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("half a request is answered already (%d bytes, %v)", n, err)
	}
	if _, err := io.WriteString(conn, half); err != nil {
		t.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusForbidden {
		t.Errorf("status %d, want 403", res.StatusCode)
	}
}
