// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package bucket says what the fallback needs of an object store: one [Bucket],
// whose objects are read and written whole. Packages below it implement it on
// S3-compatible stores, on Google Cloud Storage and on a mounted directory; all
// of them pass the tests of package buckettest.
//
// Every call sends one request, or as many pages as the limit of [Bucket.List] takes,
// and repeats none: what to do about a failure is for the caller to say, who alone
// knows whether a request whose answer was lost may be sent again. The one exception has
// no effect: a store may be asked whether it wants a large body, and where something on
// the way refuses to be asked, the request follows without that.
package bucket

import (
	"context"
	"errors"
	"time"
)

// The ways in which a request fails. Buckets wrap them; ask with errors.Is.
//
// ErrNotFound, ErrConflict, ErrDenied and ErrRefused are the store's own answers: the
// request had no effect. After any other error of a [Bucket.Put] the object may have been
// written, or may yet be.
var (
	ErrNotFound     = errors.New("no such object or bucket")
	ErrConflict     = errors.New("the object is not what the request was conditional on")
	ErrDenied       = errors.New("the store denies access")
	ErrRefused      = errors.New("the store refuses the request")
	ErrTooLarge     = errors.New("object is too large")
	ErrIncomplete   = errors.New("object arrived incomplete")
	ErrNotEncrypted = errors.New("the store did not encrypt the object as asked")
	ErrUnavailable  = errors.New("the store is unavailable")
)

// Bucket is one bucket of an object store. It is safe for concurrent use. Errors
// name the operation, the object's URL and the store's code, and hold no secret.
type Bucket interface {
	// Get reads an object whole. A body of more than limit bytes is ErrTooLarge,
	// one shorter than announced ErrIncomplete.
	Get(ctx context.Context, key string, limit int64) (Object, error)

	// Head tells of an object without reading it.
	Head(ctx context.Context, key string) (Info, error)

	// Put replaces an object atomically: a reader finds the one before or this
	// one, whole. It returns the new object's version.
	Put(ctx context.Context, key string, body Body, options PutOptions) (version string, err error)

	// List tells of the first limit objects whose keys begin with prefix, in the keys'
	// order, without their metadata and encryption, and whether there are more.
	List(ctx context.Context, prefix string, limit int) (first []Info, more bool, err error)

	// Close releases connections. The bucket cannot be used after it.
	Close()
}

// Info is what a store tells of an object.
type Info struct {
	Key        string
	Size       int64             // bytes; negative if the store did not say
	Version    string            // changes with every write of other bytes: S3's ETag without quotes, GCS's generation
	Modified   time.Time         // by the store's clock
	Encryption string            // "AES256" or "aws:kms"; empty where the store told of none
	Metadata   map[string]string // user metadata, by names in lower case
}

// Object is an object as it was read.
type Object struct {
	Info
	Body []byte
}

// PutOptions go with a [Bucket.Put].
type PutOptions struct {
	If       Condition
	Metadata map[string]string // names of lower-case letters, digits and hyphens; printable ASCII values

	// Transient marks an object that is of use for a short time and replaced often, as
	// a lease is: what an operator asked of the snapshot's keeping is not for it.
	Transient bool
}

// Condition is what must hold for a write to take effect. The zero value asks for
// nothing. A write whose condition does not hold fails with [ErrConflict]; where
// the object that it names is not there at all, with that or [ErrNotFound].
type Condition struct {
	kind    int
	version string
}

const (
	unconditional = iota
	ifAbsent
	ifVersion
)

// IfAbsent holds while there is no such object.
func IfAbsent() Condition { return Condition{kind: ifAbsent} }

// IfVersion holds while the object has the version that a read, a listing or a
// write told of. An empty version, which no object has, never holds.
func IfVersion(version string) Condition { return Condition{kind: ifVersion, version: version} }

// Absent says whether there must be no object.
func (c Condition) Absent() bool { return c.kind == ifAbsent }

// Version is the version that the object must have, if it must have one.
func (c Condition) Version() (string, bool) { return c.version, c.kind == ifVersion }
