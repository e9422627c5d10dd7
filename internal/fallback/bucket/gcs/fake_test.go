// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package gcs

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// fakeStore is as much of Google Cloud Storage as the client uses: one bucket,
// "backup", with preconditions and checksums as the store's documentation has them.
type fakeStore struct {
	*httptest.Server
	pageSize int // objects in a page of a listing

	mu         sync.Mutex
	token      string // that requests must carry; empty: none is asked for
	generation int64
	objects    map[string]fakeObject
	requests   []string // "METHOD path"
}

type fakeObject struct {
	body       []byte
	generation int64
	metadata   map[string]string
	updated    time.Time
}

func newFakeStore(t *testing.T) *fakeStore {
	t.Helper()
	store := &fakeStore{pageSize: 1000, generation: 1587012235914577, objects: map[string]fakeObject{}}
	store.Server = httptest.NewServer(store)
	t.Cleanup(store.Close)
	return store
}

func (s *fakeStore) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, r.Method+" "+r.URL.EscapedPath())
	if s.token != "" && r.Header.Get("Authorization") != "Bearer "+s.token {
		answerError(w, http.StatusUnauthorized, "authError")
		return
	}
	const upload, objects = "/upload/storage/v1/b/backup/o", "/storage/v1/b/backup/o"
	escaped := r.URL.EscapedPath()
	switch {
	case r.Method == http.MethodPost && escaped == upload:
		s.insert(w, r)
	case r.Method == http.MethodGet && escaped == objects:
		s.list(w, r)
	case r.Method == http.MethodGet && strings.HasPrefix(escaped, objects+"/"):
		s.describe(w, strings.TrimPrefix(escaped, objects+"/"))
	case r.Method == http.MethodGet && strings.HasPrefix(escaped, "/backup/"):
		s.read(w, strings.TrimPrefix(r.URL.Path, "/backup/"))
	case strings.HasPrefix(escaped, "/storage/") || strings.HasPrefix(escaped, "/upload/"):
		answerError(w, http.StatusNotFound, "notFound")
	default:
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `<?xml version='1.0' encoding='UTF-8'?><Error><Code>NoSuchBucket</Code><Message>no</Message></Error>`)
	}
}

func answerError(w http.ResponseWriter, status int, reason string) {
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"error":{"code":%d,"message":"no","errors":[{"domain":"global","reason":%q,"message":"no"}]}}`, status, reason)
}

func (s *fakeStore) insert(w http.ResponseWriter, r *http.Request) {
	var description struct {
		Name, MD5Hash, CRC32C string
		Metadata              map[string]string
	}
	body, err := parts(r, &description)
	if err != nil {
		answerError(w, http.StatusBadRequest, "invalid")
		return
	}
	if md, crc := sums(body); md != description.MD5Hash || crc != description.CRC32C {
		answerError(w, http.StatusBadRequest, "invalid")
		return
	}
	if want := r.URL.Query().Get("ifGenerationMatch"); want != "" && want != strconv.FormatInt(s.objects[description.Name].generation, 10) {
		answerError(w, http.StatusPreconditionFailed, "conditionNotMet")
		return
	}
	s.generation++
	s.objects[description.Name] = fakeObject{body: body, generation: s.generation, metadata: description.Metadata, updated: time.Now().UTC()}
	fmt.Fprintf(w, `{"generation":"%d"}`, s.generation)
}

// parts reads a multipart upload: exactly two parts, the first of them JSON.
func parts(r *http.Request, description any) ([]byte, error) {
	kind, parameters, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/related" || r.URL.Query().Get("uploadType") != "multipart" {
		return nil, fmt.Errorf("no multipart upload: %s, %w", kind, err)
	}
	reader := multipart.NewReader(r.Body, parameters["boundary"])
	first, err := reader.NextPart()
	if err != nil {
		return nil, err
	}
	if err := json.NewDecoder(first).Decode(description); err != nil {
		return nil, err
	}
	second, err := reader.NextPart()
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(second)
	if err != nil {
		return nil, err
	}
	if _, err := reader.NextPart(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("something follows the two parts: %w", err)
	}
	return body, nil
}

func (s *fakeStore) describe(w http.ResponseWriter, escaped string) {
	name, err := url.PathUnescape(escaped)
	object, ok := s.objects[name]
	if err != nil || !ok {
		answerError(w, http.StatusNotFound, "notFound")
		return
	}
	answerJSON(w, object.resource(name))
}

func (o fakeObject) resource(name string) map[string]any {
	return map[string]any{"name": name, "size": strconv.Itoa(len(o.body)), "generation": strconv.FormatInt(o.generation, 10),
		"updated": o.updated.Format(time.RFC3339Nano), "metadata": o.metadata}
}

func answerJSON(w http.ResponseWriter, value any) {
	if err := json.NewEncoder(w).Encode(value); err != nil {
		panic(http.ErrAbortHandler)
	}
}

func (s *fakeStore) list(w http.ResponseWriter, r *http.Request) {
	prefix, after := r.URL.Query().Get("prefix"), r.URL.Query().Get("pageToken")
	items, next := []any{}, ""
	for _, name := range slices.Sorted(maps.Keys(s.objects)) {
		if !strings.HasPrefix(name, prefix) || name <= after {
			continue
		}
		if len(items) == s.pageSize {
			next = lastName(items)
			break
		}
		items = append(items, s.objects[name].resource(name))
	}
	answerJSON(w, map[string]any{"items": items, "nextPageToken": next})
}

func lastName(items []any) string {
	return items[len(items)-1].(map[string]any)["name"].(string)
}

// read answers as the XML API does.
func (s *fakeStore) read(w http.ResponseWriter, name string) {
	object, ok := s.objects[name]
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `<?xml version='1.0' encoding='UTF-8'?><Error><Code>NoSuchKey</Code><Message>no</Message></Error>`)
		return
	}
	md, crc := sums(object.body)
	header := w.Header()
	header.Set("X-Goog-Generation", strconv.FormatInt(object.generation, 10))
	header.Add("X-Goog-Hash", "crc32c="+crc)
	header.Add("X-Goog-Hash", "md5="+md)
	header.Set("X-Goog-Stored-Content-Encoding", "identity")
	header.Set("Last-Modified", object.updated.Format(http.TimeFormat))
	header.Set("Content-Length", strconv.Itoa(len(object.body)))
	for key, value := range object.metadata {
		header.Set("X-Goog-Meta-"+key, value)
	}
	// The client may have gone.
	_, _ = w.Write(object.body)
}

// require has requests refused that do not carry a token.
func (s *fakeStore) require(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.token = token
}

// seen are the requests so far, and forgets them.
func (s *fakeStore) seen() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := s.requests
	s.requests = nil
	return seen
}

// openAt opens the bucket of an emulator, with further environment variables in
// pairs of name and value.
func openAt(t *testing.T, endpoint string, more ...string) *Bucket {
	t.Helper()
	opened, err := open(Options{Bucket: "backup", Getenv: environment(append(more, "STORAGE_EMULATOR_HOST", endpoint)...)}, noProduct)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(opened.Close)
	return opened
}

// noProduct is the product file of a machine that is not Google's.
const noProduct = "/nonexistent/product_name"

func environment(pairs ...string) func(string) string {
	return func(name string) string {
		for i := 0; i+1 < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}
		return ""
	}
}
