// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package store is what the harness needs of an object store that a run
// started: buckets, an account of its own for every node, and independent reads
// and writes of objects. Its central type is [Store], with one implementation
// for MinIO and one for the embedded server (cmd/store).
//
//	s, err := store.NewMinIO("127.0.0.1:9000", user, password)
//	err = s.CreateBucket(ctx, "backup")
//	account, err := s.NewAccount(ctx, "dp-1", "backup", "prod", store.Read)
//	for name, value := range account.Environment() { … } // the node's environment
//	object, err := s.ReadObject(ctx, "backup", "prod/3.9.1/config.json")
//
// Since every node signs with its own access key, each request in the store
// front's record has an author.
package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// Region is the region that all requests are signed for.
const Region = "us-east-1"

// ErrNotFound is returned, wrapped, for an object or bucket that is not there.
var ErrNotFound = errors.New("no such object or bucket")

// Rights are what an account may do with the objects under its prefix.
type Rights int

// The rights of an account.
const (
	Read  Rights = iota // GetObject, HeadObject, ListBucket
	Write               // Read and PutObject
)

// String is the right's name.
func (r Rights) String() string {
	if r == Write {
		return "write"
	}
	return "read"
}

// Account is a node's credential.
type Account struct {
	Node         string
	AccessKey    string
	SecretKey    string
	SessionToken string // empty if the store needs none
}

// Environment is the account as a node's process takes it.
func (a Account) Environment() map[string]string {
	environment := map[string]string{
		"AWS_ACCESS_KEY_ID":     a.AccessKey,
		"AWS_SECRET_ACCESS_KEY": a.SecretKey,
		"AWS_REGION":            Region,
	}
	if a.SessionToken != "" {
		environment["AWS_SESSION_TOKEN"] = a.SessionToken
	}
	return environment
}

// Object is an object as the harness read it.
type Object struct {
	Body       []byte
	ETag       string
	Modified   time.Time
	Metadata   map[string]string // the user metadata, canonical header names without x-amz-meta-
	Encryption string            // x-amz-server-side-encryption: "", "AES256" or "aws:kms"
}

// Digest is the SHA-256 of the body, hexadecimal.
func (o Object) Digest() string { return Digest(o.Body) }

// Digest is the SHA-256 of a body, hexadecimal.
func Digest(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// Store is the object store of a run, with the rights of its root account.
type Store interface {
	// Ready returns nil once the store answers.
	Ready(ctx context.Context) error

	// CreateBucket makes a bucket; one that is there already is fine.
	CreateBucket(ctx context.Context, name string) error

	// NewAccount makes a credential for a node, with rights to the objects under
	// a bucket's prefix and no others. The prefix has no slashes at its ends; an
	// empty one is the whole bucket.
	NewAccount(ctx context.Context, node, bucket, prefix string, rights Rights) (Account, error)

	// ReadObject reads an object whole, or returns ErrNotFound. With any other
	// error the object is what came of it.
	ReadObject(ctx context.Context, bucket, key string) (Object, error)

	// PutObject replaces an object, by one without metadata.
	PutObject(ctx context.Context, bucket, key string, body []byte) error

	// DeleteObject removes an object; one that is not there is fine.
	DeleteObject(ctx context.Context, bucket, key string) error

	// List returns the objects whose keys begin with prefix, sorted by key.
	List(ctx context.Context, bucket, prefix string) ([]Entry, error)

	// ListKeys returns their keys alone.
	ListKeys(ctx context.Context, bucket, prefix string) ([]string, error)
}

// Entry is an object in a list. Two entries of one object that are equal are of
// the same state of it.
type Entry struct {
	Key      string
	ETag     string
	Bytes    int64
	Modified time.Time
}

// configName is the last part of a snapshot's key.
const configName = "config.json"

// Versions returns the versions that have a snapshot under a bucket's prefix,
// sorted: the "3.9.1" of "prod/3.9.1/config.json".
func Versions(ctx context.Context, s Store, bucket, prefix string) ([]string, error) {
	keys, err := s.ListKeys(ctx, bucket, under(prefix))
	if err != nil {
		return nil, err
	}
	var versions []string
	for _, key := range keys {
		version, name, _ := strings.Cut(strings.TrimPrefix(key, under(prefix)), "/")
		if name == configName {
			versions = append(versions, version)
		}
	}
	return versions, nil
}

// under is the beginning of the keys under a prefix.
func under(prefix string) string {
	if prefix == "" {
		return ""
	}
	return prefix + "/"
}

// objects are the operations that are the same for every S3 store.
type objects struct {
	core      *minio.Core
	endpoint  string // host:port
	health    string // path that answers 200
	transport *http.Transport
}

func newObjects(endpoint, user, password, health string) (*objects, error) {
	o := &objects{endpoint: endpoint, health: health, transport: http.DefaultTransport.(*http.Transport).Clone()}
	o.transport.Proxy = nil              // the store is the run's own
	o.transport.DisableKeepAlives = true // a store that was killed leaves no dead connection behind
	core, err := minio.NewCore(endpoint, &minio.Options{
		Creds:        credentials.NewStaticV4(user, password, ""),
		Region:       Region,
		BucketLookup: minio.BucketLookupPath,
		MaxRetries:   1, // waiting and repeating is for the caller; 0 would mean ten
		Transport:    o.transport,
	})
	if err != nil {
		return nil, fmt.Errorf("store at %s: %w", endpoint, err)
	}
	o.core = core
	return o, nil
}

func (o *objects) Ready(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+o.endpoint+o.health, http.NoBody)
	if err != nil {
		return fmt.Errorf("ask store for its health: %w", err)
	}
	response, err := o.transport.RoundTrip(request)
	if err != nil {
		return fmt.Errorf("ask store for its health: %w", err)
	}
	if err := response.Body.Close(); err != nil {
		return fmt.Errorf("ask store for its health: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("store at %s is not healthy: status %d", o.endpoint, response.StatusCode)
	}
	return nil
}

func (o *objects) CreateBucket(ctx context.Context, name string) error {
	err := o.core.MakeBucket(ctx, name, minio.MakeBucketOptions{Region: Region})
	switch minio.ToErrorResponse(err).Code {
	case "BucketAlreadyOwnedByYou", "BucketAlreadyExists":
		return nil
	}
	return failure("create bucket "+name, err)
}

func (o *objects) ReadObject(ctx context.Context, bucket, key string) (Object, error) {
	operation := "read " + bucket + "/" + key
	body, info, header, err := o.core.GetObject(ctx, bucket, key, minio.GetObjectOptions{})
	if err != nil {
		return Object{}, failure(operation, err)
	}
	data, err := io.ReadAll(body)
	return Object{
		Body: data, ETag: info.ETag, Modified: info.LastModified, Metadata: info.UserMetadata,
		Encryption: header.Get("X-Amz-Server-Side-Encryption"),
	}, failure(operation, errors.Join(err, body.Close()))
}

func (o *objects) PutObject(ctx context.Context, bucket, key string, body []byte) error {
	_, err := o.core.PutObject(ctx, bucket, key, bytes.NewReader(body), int64(len(body)), "", "",
		minio.PutObjectOptions{ContentType: "application/json"})
	return failure("put "+bucket+"/"+key, err)
}

func (o *objects) DeleteObject(ctx context.Context, bucket, key string) error {
	err := o.core.RemoveObject(ctx, bucket, key, minio.RemoveObjectOptions{})
	return failure("delete "+bucket+"/"+key, err)
}

func (o *objects) List(ctx context.Context, bucket, prefix string) ([]Entry, error) {
	ctx, cancel := context.WithCancel(ctx) // ends the lister's goroutine on an early return
	defer cancel()
	var entries []Entry
	for object := range o.core.Client.ListObjects(ctx, bucket, minio.ListObjectsOptions{Prefix: prefix, Recursive: true}) {
		if object.Err != nil {
			return nil, failure("list "+bucket+"/"+prefix, object.Err)
		}
		entries = append(entries, Entry{Key: object.Key, ETag: object.ETag, Bytes: object.Size, Modified: object.LastModified})
	}
	return entries, nil
}

func (o *objects) ListKeys(ctx context.Context, bucket, prefix string) ([]string, error) {
	entries, err := o.List(ctx, bucket, prefix)
	var keys []string
	for _, e := range entries {
		keys = append(keys, e.Key)
	}
	return keys, err
}

// failure says what failed, and makes a missing object ErrNotFound.
func failure(operation string, err error) error {
	switch {
	case err == nil:
		return nil
	case minio.ToErrorResponse(err).StatusCode == http.StatusNotFound:
		return fmt.Errorf("%s: %w: %w", operation, ErrNotFound, err)
	}
	return fmt.Errorf("%s: %w", operation, err)
}
