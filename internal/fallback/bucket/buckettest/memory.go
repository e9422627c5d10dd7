// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package buckettest has a bucket in memory for tests, and the tests that every
// bucket passes.
package buckettest

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"blackout/internal/fallback/bucket"
)

// Call is one request to a [Memory].
type Call struct {
	Kind string // "get", "head", "put" or "list"
	Key  string
	If   bucket.Condition
	Body []byte // of a put

	Transient bool // of a put
}

// Memory is a bucket in memory with conditional writes. The zero value is empty.
type Memory struct {
	// Before, if set, is called before a request takes effect. Its error is the
	// request's answer, and the request has no effect.
	Before func(ctx context.Context, call Call) error

	// After, if set, is called after a request took effect. Its error is the
	// request's answer, as if the real one had been lost.
	After func(ctx context.Context, call Call) error

	mu      sync.Mutex
	objects map[string]bucket.Object
	writes  int
	calls   []Call
}

var _ bucket.Bucket = (*Memory)(nil)

// Calls are the requests so far, as "kind key".
func (m *Memory) Calls() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []string
	for _, c := range m.calls {
		out = append(out, c.Kind+" "+c.Key)
	}
	return out
}

// do makes a request: its effect is between Before and After.
func (m *Memory) do(ctx context.Context, call Call, effect func() error) error {
	m.mu.Lock()
	m.calls = append(m.calls, call)
	m.mu.Unlock()
	if m.Before != nil {
		if err := m.Before(ctx, call); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s %s: %w", call.Kind, call.Key, err)
	}
	m.mu.Lock()
	err := effect()
	m.mu.Unlock()
	if err != nil {
		return fmt.Errorf("%s %s: %w", call.Kind, call.Key, err)
	}
	if m.After != nil {
		return m.After(ctx, call)
	}
	return nil
}

// Get implements [bucket.Bucket].
func (m *Memory) Get(ctx context.Context, key string, limit int64) (object bucket.Object, err error) {
	err = m.do(ctx, Call{Kind: "get", Key: key}, func() error {
		found, ok := m.objects[key]
		switch {
		case !ok:
			return bucket.ErrNotFound
		case found.Size > limit:
			return bucket.ErrTooLarge
		}
		object = found
		object.Body = bytes.Clone(found.Body)
		return nil
	})
	return object, err
}

// Head implements [bucket.Bucket].
func (m *Memory) Head(ctx context.Context, key string) (info bucket.Info, err error) {
	err = m.do(ctx, Call{Kind: "head", Key: key}, func() error {
		found, ok := m.objects[key]
		if !ok {
			return bucket.ErrNotFound
		}
		info = found.Info
		return nil
	})
	return info, err
}

// Put implements [bucket.Bucket].
func (m *Memory) Put(ctx context.Context, key string, body bucket.Body, options bucket.PutOptions) (version string, err error) {
	err = m.do(ctx, Call{Kind: "put", Key: key, If: options.If, Body: body.Bytes(), Transient: options.Transient}, func() error {
		found, ok := m.objects[key]
		if options.If.Absent() && ok {
			return bucket.ErrConflict
		}
		if want, must := options.If.Version(); must {
			if !ok {
				return bucket.ErrNotFound
			}
			if want != found.Version {
				return bucket.ErrConflict
			}
		}
		m.writes++
		version = fmt.Sprintf("v%d", m.writes)
		if m.objects == nil {
			m.objects = map[string]bucket.Object{}
		}
		m.objects[key] = bucket.Object{Body: body.Bytes(), Info: bucket.Info{
			Key: key, Size: body.Size(), Version: version, Modified: time.Now(), Metadata: maps.Clone(options.Metadata)}}
		return nil
	})
	return version, err
}

// List implements [bucket.Bucket].
func (m *Memory) List(ctx context.Context, prefix string, limit int) (first []bucket.Info, more bool, err error) {
	err = m.do(ctx, Call{Kind: "list", Key: prefix}, func() error {
		for _, key := range slices.Sorted(maps.Keys(m.objects)) {
			if !strings.HasPrefix(key, prefix) {
				continue
			}
			if more = len(first) == limit; more {
				break
			}
			info := m.objects[key].Info
			info.Metadata = nil
			first = append(first, info)
		}
		return nil
	})
	return first, more, err
}

// Delete removes objects, as a lifecycle rule does; it is no request.
func (m *Memory) Delete(keys ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, key := range keys {
		delete(m.objects, key)
	}
}

// Close implements [bucket.Bucket].
func (m *Memory) Close() {}
