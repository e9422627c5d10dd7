// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package fallback

import (
	"context"
	"errors"
	"time"
)

// The ways in which a snapshot cannot be had or kept. Stores, the importer and
// the exporter wrap them; ask with errors.Is.
var (
	ErrNotFound     = errors.New("no such object or bucket")
	ErrDenied       = errors.New("the store denies access")
	ErrTooLarge     = errors.New("object is too large")
	ErrIncomplete   = errors.New("object arrived incomplete")
	ErrCorrupt      = errors.New("object is corrupt")
	ErrInvalid      = errors.New("object is not a configuration")
	ErrNotEncrypted = errors.New("the store did not encrypt the object as asked")
	ErrUnavailable  = errors.New("the store is unavailable")
)

// Store is one bucket of an object store. It must be safe for concurrent use.
type Store interface {
	// Get reads an object whole with one request. A body of more than limit
	// bytes is ErrTooLarge, one shorter than announced ErrIncomplete.
	Get(ctx context.Context, key string, limit int64) (Object, error)

	// Put replaces an object atomically with one request and returns its ETag.
	Put(ctx context.Context, key string, body []byte, meta Metadata) (etag string, err error)

	// Close releases connections. The store cannot be used after it.
	Close()
}

// Object is what a store returned.
type Object struct {
	Body     []byte
	ETag     string
	Modified time.Time
	Metadata Metadata
}

// Metadata is the exporter's bookkeeping about a snapshot. Objects that a real
// Kong node or a person wrote have none: every field may be zero.
type Metadata struct {
	Hash     string    // the configuration's hash, as the control plane computed it
	Time     time.Time // when the exporter sent it
	Exporter string    // who sent it
	SHA256   string    // lower-case hex digest of the object's body
}
