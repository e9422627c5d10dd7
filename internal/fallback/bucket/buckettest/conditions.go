// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package buckettest

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"blackout/internal/fallback/bucket"
)

// rivals write at once in each of the rounds of a race.
const rivals, rounds = 8, 12

func (c *conformance) createsOnce() {
	key := c.prefix + "k"
	version := c.put(key, []byte("first"), bucket.PutOptions{If: bucket.IfAbsent()})
	if _, err := c.Put(c.Context(), key, bucket.BodyOf([]byte("second")), bucket.PutOptions{If: bucket.IfAbsent()}); !errors.Is(err, bucket.ErrConflict) {
		c.Errorf("the second creation: %v", err)
	}
	if object := c.get(key); string(object.Body) != "first" || object.Version != version {
		c.Errorf("the object is %q of version %q, want the first of version %q", object.Body, object.Version, version)
	}
}

func (c *conformance) comparesVersions() {
	key := c.prefix + "k"
	stale := c.put(key, []byte("0"), bucket.PutOptions{})
	// Whoever tells of a version tells of one that holds.
	tellers := []func() string{
		func() string { return c.head(key).Version },
		func() string { return c.get(key).Version },
		func() string {
			if all := c.list(key); len(all) == 1 {
				return all[0].Version
			}
			return "none: it is not listed"
		},
	}
	written := stale
	for i, told := range tellers {
		if version := told(); version != written {
			c.Errorf("told of version %q, the write's was %q", version, written)
		}
		written = c.put(key, []byte(strconv.Itoa(i+1)), bucket.PutOptions{If: bucket.IfVersion(told())})
	}
	for _, version := range []string{stale, ""} {
		if _, err := c.Put(c.Context(), key, bucket.BodyOf([]byte("lost")), bucket.PutOptions{If: bucket.IfVersion(version)}); !errors.Is(err, bucket.ErrConflict) {
			c.Errorf("a write on version %q: %v", version, err)
		}
	}
	if object := c.get(key); string(object.Body) != "3" || object.Version != written {
		c.Errorf("the object is %q of version %q, want %q of version %q", object.Body, object.Version, "3", written)
	}
}

func (c *conformance) needsTheObjectThatItCompares() {
	version := c.put(c.prefix+"other", []byte("x"), bucket.PutOptions{})
	for _, version := range []string{version, ""} {
		_, err := c.Put(c.Context(), c.prefix+"none", bucket.BodyOf([]byte("x")), bucket.PutOptions{If: bucket.IfVersion(version)})
		if !errors.Is(err, bucket.ErrConflict) && !errors.Is(err, bucket.ErrNotFound) {
			c.Errorf("a write on version %q of an object that is not there: %v", version, err)
		}
	}
	if _, err := c.Head(c.Context(), c.prefix+"none"); !errors.Is(err, bucket.ErrNotFound) {
		c.Errorf("the object is there: %v", err)
	}
}

func (c *conformance) oneWinnerCreates() {
	for round := range rounds {
		key := fmt.Sprintf("%s%d", c.prefix, round)
		c.race(key, bucket.IfAbsent())
	}
}

func (c *conformance) oneWinnerReplaces() {
	key := c.prefix + "k"
	version := c.put(key, []byte("start"), bucket.PutOptions{})
	for range rounds {
		version = c.race(key, bucket.IfVersion(version))
	}
}

// race lets rivals write on one condition, of whom exactly one may win, and
// returns the version that is then there.
func (c *conformance) race(key string, condition bucket.Condition) string {
	var mu sync.Mutex
	won := map[string]string{} // versions by bodies
	c.together(rivals, func(rival int) {
		body := fmt.Sprintf("%s by %d on %+v", key, rival, condition)
		version, err := c.Put(c.Context(), key, bucket.BodyOf([]byte(body)), bucket.PutOptions{If: condition, Metadata: map[string]string{"rival": strconv.Itoa(rival)}})
		switch {
		case err == nil:
			mu.Lock()
			won[body] = version
			mu.Unlock()
		case !errors.Is(err, bucket.ErrConflict):
			c.Errorf("rival %d: %v", rival, err)
		}
	})
	object := c.get(key)
	if len(won) != 1 || won[string(object.Body)] != object.Version {
		c.Errorf("%d of %d rivals won; the object is %q of version %q, the winners are %q", len(won), rivals, object.Body, object.Version, won)
	}
	return object.Version
}

// neverTorn has readers of an object that is replaced: each must find one of its
// states, whole, with that state's metadata.
func (c *conformance) neverTorn() {
	const readers, writes = 3, 60
	key := c.prefix + "k"
	write := func(i int) {
		fill := byte('a' + i%26)
		c.put(key, bytes.Repeat([]byte{fill}, 1+(i*7919)%(256<<10)), bucket.PutOptions{Metadata: map[string]string{
			"fill": string(fill), "length": strconv.Itoa(1 + (i*7919)%(256<<10))}})
	}
	write(0)
	written := make(chan struct{})
	var reading atomic.Int64 // readers that have read while the object was written
	c.together(1+readers, func(who int) {
		if who == 0 {
			defer close(written)
			for i := 1; i <= writes || reading.Load() < readers; i++ {
				write(i)
			}
			return
		}
		for reads := 0; ; reads++ {
			object := c.get(key)
			if reads == 0 {
				reading.Add(1)
			}
			if got, fill := len(object.Body), object.Metadata["fill"]; object.Metadata["length"] != strconv.Itoa(got) ||
				bytes.Count(object.Body, []byte(fill)) != got {
				c.Errorf("read %d bytes of %q with metadata %q", got, object.Body[:min(got, 1)], object.Metadata)
				return
			}
			select {
			case <-written:
				return
			default:
			}
		}
	})
}

// TestEveryWrite checks a bucket, without an object at key, whose objects get another
// version with every write, the same bytes included: Bucket promises it of other bytes
// alone. No object must ever have one of the versions never.
func TestEveryWrite(t *testing.T, b bucket.Bucket, key string, never ...string) {
	t.Helper()
	put := func(condition bucket.Condition) (string, error) {
		return b.Put(t.Context(), key, bucket.BodyOf([]byte("the same bytes")), bucket.PutOptions{If: condition})
	}
	for _, version := range append(never, "") {
		if _, err := put(bucket.IfVersion(version)); !errors.Is(err, bucket.ErrConflict) && !errors.Is(err, bucket.ErrNotFound) {
			t.Errorf("without an object, if its version is %q: %v", version, err)
		}
	}
	first, err := put(bucket.IfAbsent())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := put(bucket.IfAbsent()); !errors.Is(err, bucket.ErrConflict) {
		t.Errorf("absent, but it is there: %v", err)
	}
	second, err := put(bucket.IfVersion(first))
	if err != nil || second == first {
		t.Errorf("the version that it has, of the same bytes: %q after %q, %v", second, first, err)
	}
	if _, err := put(bucket.IfVersion(first)); !errors.Is(err, bucket.ErrConflict) {
		t.Errorf("the version before: %v", err)
	}
	if _, err := put(bucket.Condition{}); err != nil {
		t.Errorf("unconditional: %v", err)
	}
}
