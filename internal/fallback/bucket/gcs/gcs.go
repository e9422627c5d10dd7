// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package gcs is a [bucket.Bucket] on Google Cloud Storage, by its public HTTP
// APIs alone: the vendor's own client would be most of the node's binary.
//
//	opened, err := gcs.Open(gcs.Options{Bucket: "backup", Getenv: os.Getenv})
//
// Each call sends one request to the store (List one per page), and before the
// first, or when the access token has run out, one to who gives out tokens. An
// object's version is its generation, which no two writes share. Objects are
// written, described and listed through the JSON API: its multipart upload carries
// body, metadata, checksums and precondition in one request. They are read through
// the XML API, because the JSON API's answer with an object's body lacks the
// metadata, and a second request for it might tell of another generation.
//
// The store encrypts every object; Info.Encryption is "gcp:kms" where it told of a
// customer's key, and empty otherwise. It lets one object be replaced about once a
// second, and answers more with 429, which is [bucket.ErrUnavailable].
package gcs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"blackout/internal/fallback/bucket"
)

// maxAnswer is the largest answer that is not an object's body, in bytes. A page
// of a listing has at most 1000 objects with names of at most 1024 bytes.
const maxAnswer = 16 << 20

// Bucket is one bucket of Google Cloud Storage.
type Bucket struct {
	name      string
	endpoint  string // without a slash at its end
	client    *http.Client
	transport *http.Transport
	tokens    *tokens // nil: requests carry none
}

var _ bucket.Bucket = (*Bucket)(nil)

// Get implements [bucket.Bucket].
func (b *Bucket) Get(ctx context.Context, key string, limit int64) (bucket.Object, error) {
	object, err := b.get(ctx, key, limit)
	if err != nil {
		return bucket.Object{}, b.failure("get", key, err)
	}
	return object, nil
}

func (b *Bucket) get(ctx context.Context, key string, limit int64) (bucket.Object, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, b.endpoint+"/"+url.PathEscape(b.name)+"/"+escapeParts(key), http.NoBody)
	if err != nil {
		return bucket.Object{}, err
	}
	// Without it the store would expand an object that is stored as gzip, and its
	// checksums, which are those of what is stored, would be of no use.
	request.Header.Set("Accept-Encoding", "gzip")
	response, err := b.send(request)
	if err != nil {
		return bucket.Object{}, err
	}
	defer response.Body.Close() // it was read to its end or is given up
	if response.Header.Get("Content-Range") != "" {
		return bucket.Object{}, fmt.Errorf("%w: the store answered with a range that was not asked for", bucket.ErrIncomplete)
	}
	info, err := describeHeader(key, response)
	if err != nil {
		return bucket.Object{}, err
	}
	data, err := bucket.ReadWhole(response.Body, info.Size, limit)
	if err != nil {
		return bucket.Object{}, err
	}
	if err := checkSums(data, response.Header.Values("X-Goog-Hash")); err != nil {
		return bucket.Object{}, err
	}
	info.Size = int64(len(data))
	return bucket.Object{Info: info, Body: data}, nil
}

// escapeParts escapes a key for a path and leaves its slashes, as the XML API
// wants them.
func escapeParts(key string) string {
	parts := strings.Split(key, "/")
	for i, part := range parts {
		parts[i] = url.PathEscape(part)
	}
	return strings.Join(parts, "/")
}

// describeHeader is what the headers of an object's body tell of it.
func describeHeader(key string, response *http.Response) (bucket.Info, error) {
	header := response.Header
	info := bucket.Info{Key: key, Size: response.ContentLength, Version: header.Get("X-Goog-Generation"), Metadata: map[string]string{}}
	if generation, err := strconv.ParseInt(info.Version, 10, 64); err != nil || generation <= 0 {
		return bucket.Info{}, fmt.Errorf("%w: its answer has no generation", bucket.ErrUnavailable)
	}
	stored, sent := header.Get("X-Goog-Stored-Content-Encoding"), header.Get("Content-Encoding")
	if stored != "" && plainly(stored) != plainly(sent) {
		return bucket.Info{}, fmt.Errorf("%w: its encoding changed on the way from %q to %q", bucket.ErrIncomplete, stored, sent)
	}
	if size, err := strconv.ParseInt(header.Get("X-Goog-Stored-Content-Length"), 10, 64); err == nil && info.Size < 0 {
		info.Size = size
	}
	if modified, err := http.ParseTime(header.Get("Last-Modified")); err == nil {
		info.Modified = modified
	}
	if header.Get("X-Goog-Encryption-Kms-Key-Name") != "" {
		info.Encryption = encryptionKMS
	}
	for name := range header {
		if rest, ok := strings.CutPrefix(strings.ToLower(name), "x-goog-meta-"); ok {
			info.Metadata[rest] = header.Get(name)
		}
	}
	return info, nil
}

// plainly is a content encoding with both names of none made one.
func plainly(encoding string) string {
	if encoding == "identity" {
		return ""
	}
	return encoding
}

const encryptionKMS = "gcp:kms"

// resource is the JSON API's description of an object.
type resource struct {
	Name       string            `json:"name"`
	Size       string            `json:"size"`
	Generation string            `json:"generation"`
	Updated    time.Time         `json:"updated"`
	KMSKeyName string            `json:"kmsKeyName"`
	Metadata   map[string]string `json:"metadata"`
}

// describe tells the time to the second, as the XML API's headers do.
func (r resource) describe() (bucket.Info, error) {
	size, err := strconv.ParseInt(r.Size, 10, 64)
	if err != nil || r.Generation == "" {
		return bucket.Info{}, fmt.Errorf("%w: its answer does not describe an object", bucket.ErrUnavailable)
	}
	info := bucket.Info{Key: r.Name, Size: size, Version: r.Generation, Modified: r.Updated.Truncate(time.Second)}
	if r.KMSKeyName != "" {
		info.Encryption = encryptionKMS
	}
	return info, nil
}

// Head implements [bucket.Bucket].
func (b *Bucket) Head(ctx context.Context, key string) (bucket.Info, error) {
	var answer resource
	if err := b.ask(ctx, b.objects()+"/"+url.PathEscape(key)+"?fields=name,size,generation,updated,kmsKeyName,metadata", &answer); err != nil {
		return bucket.Info{}, b.failure("head", key, err)
	}
	info, err := answer.describe()
	if err != nil {
		return bucket.Info{}, b.failure("head", key, err)
	}
	info.Metadata = make(map[string]string, len(answer.Metadata))
	for name, value := range answer.Metadata {
		info.Metadata[strings.ToLower(name)] = value
	}
	return info, nil
}

// List implements [bucket.Bucket].
func (b *Bucket) List(ctx context.Context, prefix string, limit int) (first []bucket.Info, more bool, err error) {
	for token, seen := "", map[string]bool{}; ; {
		seen[token] = true
		page, next, err := b.page(ctx, prefix, token)
		if err != nil {
			return nil, false, b.failure("list", prefix, err)
		}
		first = append(first, page...)
		if next == "" || len(first) > limit {
			break
		}
		if seen[next] {
			return nil, false, b.failure("list", prefix, fmt.Errorf("%w: its listing does not end", bucket.ErrUnavailable))
		}
		token = next
	}
	slices.SortFunc(first, func(a, b bucket.Info) int { return strings.Compare(a.Key, b.Key) })
	return first[:min(len(first), limit)], len(first) > limit, nil
}

func (b *Bucket) page(ctx context.Context, prefix, token string) (all []bucket.Info, next string, err error) {
	query := url.Values{"prefix": {prefix}, "fields": {"nextPageToken,items(name,size,generation,updated)"}}
	if token != "" {
		query.Set("pageToken", token)
	}
	var answer struct {
		Items []resource `json:"items"`
		Next  string     `json:"nextPageToken"`
	}
	if err := b.ask(ctx, b.objects()+"?"+query.Encode(), &answer); err != nil {
		return nil, "", err
	}
	for _, item := range answer.Items {
		info, err := item.describe()
		if err != nil {
			return nil, "", err
		}
		all = append(all, info)
	}
	return all, answer.Next, nil
}

// objects is the JSON API's URL of all objects.
func (b *Bucket) objects() string {
	return b.endpoint + "/storage/v1/b/" + url.PathEscape(b.name) + "/o"
}

// ask sends a GET to the JSON API and decodes its answer.
func (b *Bucket) ask(ctx context.Context, address string, into any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return err
	}
	return b.exchange(request, into)
}

func (b *Bucket) exchange(request *http.Request, into any) error {
	response, err := b.send(request)
	if err != nil {
		return err
	}
	defer response.Body.Close() // it was read to its end or is given up
	data, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("%w: its answer broke off: %w", bucket.ErrUnavailable, err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("%w: its answer is not what the JSON API gives", bucket.ErrUnavailable)
	}
	return nil
}

// send sends a request with an access token, and returns an answer of success
// whose body the caller closes.
func (b *Bucket) send(request *http.Request) (*http.Response, error) {
	token := ""
	if b.tokens != nil {
		var err error
		if token, err = b.tokens.get(request.Context()); err != nil {
			return nil, err
		}
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := b.client.Do(request)
	if err != nil {
		return nil, unreached(err)
	}
	if response.StatusCode/100 == 2 {
		return response, nil
	}
	defer response.Body.Close() // what it tells is read, as far as it is of use
	if response.StatusCode == http.StatusUnauthorized && b.tokens != nil {
		b.tokens.drop(token)
	}
	return nil, refusal(response)
}

// Close implements [bucket.Bucket].
func (b *Bucket) Close() { b.transport.CloseIdleConnections() }

// failure says what failed on which object.
func (b *Bucket) failure(operation, key string, err error) error {
	return fmt.Errorf("%s gcs://%s/%s: %w", operation, b.name, key, err)
}

// unreached is the error of a request that has no answer. The URL, which the
// HTTP client repeats, is told by the caller.
func unreached(err error) error {
	err = unwrapURL(err)
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return fmt.Errorf("%w: %w", bucket.ErrUnavailable, err)
}
