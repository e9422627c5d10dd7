// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"errors"
	"path"
	"strings"
	"sync"
	"time"

	"blackout/internal/fallback/bucket"
)

// storeMeter counts the requests to the object store, which may go through more
// than one client. What the election asks for is counted by itself.
type storeMeter struct {
	snapshot string // key of the copy

	mu      sync.Mutex
	counts  map[[2]string]int // by kind and result
	written time.Time         // of the copy that was found, read or written last
}

var _ measured = (*storeMeter)(nil)

// over is a client whose requests are counted.
func (s *storeMeter) over(client bucket.Bucket) bucket.Bucket {
	return &meteredBucket{Bucket: client, meter: s}
}

// meteredBucket is a client of the object store.
type meteredBucket struct {
	bucket.Bucket
	meter *storeMeter
}

// Get implements [bucket.Bucket].
func (b *meteredBucket) Get(ctx context.Context, key string, limit int64) (bucket.Object, error) {
	object, err := b.Bucket.Get(ctx, key, limit)
	b.meter.count("get", key, object.Modified, err)
	return object, err
}

// Put implements [bucket.Bucket].
func (b *meteredBucket) Put(ctx context.Context, key string, body bucket.Body, options bucket.PutOptions) (string, error) {
	version, err := b.Bucket.Put(ctx, key, body, options)
	b.meter.count("put", key, time.Now(), err)
	return version, err
}

// Head implements [bucket.Bucket].
func (b *meteredBucket) Head(ctx context.Context, key string) (bucket.Info, error) {
	info, err := b.Bucket.Head(ctx, key)
	b.meter.count("head", key, info.Modified, err)
	return info, err
}

// List implements [bucket.Bucket].
func (b *meteredBucket) List(ctx context.Context, prefix string, limit int) (first []bucket.Info, more bool, err error) {
	first, more, err = b.Bucket.List(ctx, prefix, limit)
	b.meter.count("list", prefix, time.Time{}, err)
	return first, more, err
}

// count counts a request; written is when the object was, if it is the copy.
func (s *storeMeter) count(kind, key string, written time.Time, err error) {
	if strings.HasPrefix(key, path.Join(path.Dir(s.snapshot), "election")+"/") {
		kind = "election_" + kind
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.counts == nil {
		s.counts = map[[2]string]int{}
	}
	s.counts[[2]string{kind, resultOf(err)}]++
	if key != s.snapshot {
		return
	}
	switch stored := err == nil || errors.Is(err, bucket.ErrNotEncrypted); {
	case stored && !written.IsZero():
		s.written = written
	case errors.Is(err, bucket.ErrNotFound):
		s.written = time.Time{} // what is not there has no age
	}
}

// resultOf names how a request ended.
func resultOf(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, bucket.ErrNotFound):
		return "absent"
	case errors.Is(err, bucket.ErrConflict):
		return "conflict"
	case errors.Is(err, bucket.ErrDenied):
		return "denied"
	case errors.Is(err, bucket.ErrUnavailable):
		return "unavailable"
	}
	return "failed"
}

func (s *storeMeter) measure(_ context.Context, tell teller) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, count := range s.counts {
		tell("blackout_store_requests_total", float64(count), key[0], key[1])
	}
	if !s.written.IsZero() {
		tell("blackout_snapshot_age_seconds", time.Since(s.written).Seconds())
	}
}
