// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package operator is what a person does with a fallback storage: look at what is
// in the bucket ([Storage.Inspect]), find out whether a node can boot from it
// ([Storage.Verify]), compare it with a control plane or a file ([Storage.Diff]),
// write a snapshot once ([Storage.Replace]), print who must be allowed what
// ([Policies]) and prepare a bucket ([Storage.Initialise]). Command blackout is its
// command line.
//
// Its central type is [Storage]. Every result can be encoded as JSON, in the shape
// that docs/operating-the-fallback.md describes, and written for people by its
// method Text. No result holds a secret.
//
//	storage, err := operator.Open("s3://backup/eu", os.Getenv)
//	defer storage.Close()
//	found, err := storage.Inspect(ctx, "")
//	err = found.Text(os.Stdout)
package operator

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"blackout/internal/fallback"
	"blackout/internal/fallback/bucket"
)

// The variables of a node's environment that say the same of it as the command's
// flags.
const (
	StorageVariable  = "KONG_CLUSTER_FALLBACK_CONFIG_STORAGE"
	S3ConfigVariable = "KONG_CLUSTER_FALLBACK_EXPORT_S3_CONFIG"
	MaxSizeVariable  = "KONG_BLACKOUT_FALLBACK_MAX_SIZE"
)

// ErrInput is returned, wrapped, for what the caller gave and cannot be used: a
// storage's URL, a version, a file that is no configuration.
var ErrInput = errors.New("cannot be used")

// ErrRefused is returned, wrapped, where a snapshot was not replaced because that
// could have lost something.
var ErrRefused = errors.New("refused")

// ErrEnvironment is returned, wrapped, where something else than the storage is not
// there or does not answer: a control plane. [bucket.ErrUnavailable] and
// [bucket.ErrDenied] are the storage's.
var ErrEnvironment = errors.New("the environment")

// requestTimeout bounds one request to the storage that is not the import of a
// snapshot.
const requestTimeout = 30 * time.Second

// Storage is a fallback storage as an operator sees it. Make it with [Open], or of
// a bucket.
type Storage struct {
	Bucket   bucket.Bucket
	Location fallback.Location
	MaxBytes int64            // of a snapshot that is read, as the nodes' blackout_fallback_max_size; 0: [fallback.DefaultMaxBytes]
	Now      func() time.Time // time.Now
}

// Open opens the storage with a URL such as "s3://bucket/prefix". It sends no
// request. Credentials, and how objects are encrypted, come from the environment as
// a node takes them. What is wrong with either is [ErrInput].
func Open(url string, getenv func(string) string) (*Storage, error) {
	location, err := parseLocation(url)
	if err != nil {
		return nil, err
	}
	parameters := fallback.Parameters{Storage: url, S3Config: getenv(S3ConfigVariable)}
	if err := parameters.Validate(false); err != nil {
		return nil, fmt.Errorf("the storage %w: %w", ErrInput, err)
	}
	opened, err := parameters.Open(getenv)
	if err != nil {
		return nil, fmt.Errorf("the storage %w: %w", ErrInput, err)
	}
	return &Storage{Bucket: opened, Location: location}, nil
}

// parseLocation is where the storage with a URL is.
func parseLocation(url string) (fallback.Location, error) {
	if url == "" {
		return fallback.Location{}, fmt.Errorf("the storage %w: it is empty; give --storage s3://<bucket>/<prefix>, or set %s", ErrInput, StorageVariable)
	}
	location, err := fallback.ParseLocation(url)
	if err != nil {
		return fallback.Location{}, fmt.Errorf("the storage %w: %w", ErrInput, err)
	}
	return location, nil
}

// Close releases connections.
func (s *Storage) Close() { s.Bucket.Close() }

func (s *Storage) now() time.Time {
	if s.Now != nil {
		return s.Now().UTC()
	}
	return time.Now().UTC()
}

// gatewayVersion is how a node writes its version in a key: three numbers of Kong 3.x, four
// of Kong Enterprise, and what blackout_bucket_version may add to them.
var gatewayVersion = regexp.MustCompile(`^[0-9]{1,9}(\.[0-9]{1,9}){2,3}([-+_][0-9A-Za-z.+_-]{1,63})?$`)

// key is where the snapshot of a version is. A version that no node has is [ErrInput]: a
// snapshot under it would never be read.
func (s *Storage) key(version string) (string, error) {
	switch {
	case version == "":
		return "", fmt.Errorf("the version %w: it is empty; give --version, the exact one of the node, such as 3.9.1", ErrInput)
	case !gatewayVersion.MatchString(version):
		return "", fmt.Errorf("the version %w: --version %q; give the exact one of the node, three or four numbers such as 3.9.1 or 3.12.0.0", ErrInput, version)
	}
	return fallback.Key(s.Location.Prefix, version), nil
}

// bound bounds one request.
func bound(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, requestTimeout)
}
