// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"errors"
	"sync"
	"time"

	"blackout/internal/fallback/bucket"
)

// storeMeter is an object store that counts its requests.
type storeMeter struct {
	bucket.Bucket

	mu      sync.Mutex
	counts  map[[2]string]int // by kind and result
	written time.Time         // of the copy that was read or written last
}

var (
	_ bucket.Bucket = (*storeMeter)(nil)
	_ measured      = (*storeMeter)(nil)
)

// Get implements [bucket.Bucket].
func (s *storeMeter) Get(ctx context.Context, key string, limit int64) (bucket.Object, error) {
	object, err := s.Bucket.Get(ctx, key, limit)
	s.count("get", object.Modified, err)
	return object, err
}

// Put implements [bucket.Bucket].
func (s *storeMeter) Put(ctx context.Context, key string, body []byte, options bucket.PutOptions) (string, error) {
	version, err := s.Bucket.Put(ctx, key, body, options)
	s.count("put", time.Now(), err)
	return version, err
}

// Head implements [bucket.Bucket].
func (s *storeMeter) Head(ctx context.Context, key string) (bucket.Info, error) {
	info, err := s.Bucket.Head(ctx, key)
	s.count("head", time.Time{}, err)
	return info, err
}

// List implements [bucket.Bucket].
func (s *storeMeter) List(ctx context.Context, prefix string) ([]bucket.Info, error) {
	all, err := s.Bucket.List(ctx, prefix)
	s.count("list", time.Time{}, err)
	return all, err
}

func (s *storeMeter) count(kind string, written time.Time, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.counts == nil {
		s.counts = map[[2]string]int{}
	}
	s.counts[[2]string{kind, resultOf(err)}]++
	if err == nil && !written.IsZero() {
		s.written = written
	}
}

// resultOf names how a request ended.
func resultOf(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, bucket.ErrNotFound):
		return "absent"
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
