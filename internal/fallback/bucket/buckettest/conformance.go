// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package buckettest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"blackout/internal/fallback/bucket"
)

// Test checks that a bucket keeps what package bucket promises. The function opens
// the bucket once for every case, with t's end as its last use; it may be the same
// bucket of the same store each time, since each case has keys of its own, which
// begin with "conformance/" and must not be there yet. Cases may be left out, by name,
// where another call of Test for the same kind of bucket has them.
func Test(t *testing.T, open func(t *testing.T) bucket.Bucket, leaveOut ...string) {
	t.Helper()
	cases := []struct {
		name string
		run  func(c *conformance)
	}{
		{"ReadsWhatWasWritten", (*conformance).readsWhatWasWritten},
		{"ReplacesWhole", (*conformance).replacesWhole},
		{"KeepsBytes", (*conformance).keepsBytes},
		{"KeepsMetadata", (*conformance).keepsMetadata},
		{"KeepsKeys", (*conformance).keepsKeys},
		{"SaysWhatIsNotThere", (*conformance).saysWhatIsNotThere},
		{"Limits", (*conformance).limits},
		{"Lists", (*conformance).lists},
		{"ListsTheFirst", (*conformance).listsTheFirst},
		{"ListsPages", (*conformance).listsPages},
		{"CreatesOnce", (*conformance).createsOnce},
		{"ComparesVersions", (*conformance).comparesVersions},
		{"NeedsTheObjectThatItCompares", (*conformance).needsTheObjectThatItCompares},
		{"OneWinnerCreates", (*conformance).oneWinnerCreates},
		{"OneWinnerReplaces", (*conformance).oneWinnerReplaces},
		{"NeverTorn", (*conformance).neverTorn},
		{"HeedsTheContext", (*conformance).heedsTheContext},
	}
	for _, test := range cases {
		if slices.Contains(leaveOut, test.name) {
			continue
		}
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(&conformance{T: t, Bucket: open(t), prefix: "conformance/" + test.name + "/"})
		})
	}
}

// conformance is one case.
type conformance struct {
	*testing.T
	bucket.Bucket
	prefix string
}

// ample and enough are limits that no object and no listing of the cases reaches.
const (
	ample  = 64 << 20
	enough = 10_000
)

func (c *conformance) readsWhatWasWritten() {
	body, meta := []byte(`{"a":1}`), map[string]string{"blackout-hash": "h1"}
	version := c.put(c.prefix+"k", body, bucket.PutOptions{Metadata: meta})
	object := c.get(c.prefix + "k")
	if !bytes.Equal(object.Body, body) || object.Size != int64(len(body)) || object.Key != c.prefix+"k" {
		c.Errorf("read %q of %d bytes at %q", object.Body, object.Size, object.Key)
	}
	if object.Version == "" || object.Version != version || object.Modified.IsZero() {
		c.Errorf("version %q, the write's was %q; modified %v", object.Version, version, object.Modified)
	}
	info := c.head(c.prefix + "k")
	if info.Key != object.Key || info.Size != object.Size || info.Version != version || !info.Modified.Equal(object.Modified) || !maps.Equal(info.Metadata, object.Metadata) {
		c.Errorf("head tells of %+v, the read of %+v", info, object.Info)
	}
	if object.Metadata["blackout-hash"] != "h1" {
		c.Errorf("metadata %q", object.Metadata)
	}
}

func (c *conformance) replacesWhole() {
	first := c.put(c.prefix+"k", []byte("long and first"), bucket.PutOptions{Metadata: map[string]string{"old": "1", "both": "1"}})
	second := c.put(c.prefix+"k", []byte("second"), bucket.PutOptions{Metadata: map[string]string{"both": "2"}})
	object := c.get(c.prefix + "k")
	if string(object.Body) != "second" || first == second || object.Version != second {
		c.Errorf("read %q, version %q; the writes were %q and %q", object.Body, object.Version, first, second)
	}
	if object.Metadata["both"] != "2" || object.Metadata["old"] != "" {
		c.Errorf("metadata %q", object.Metadata)
	}
}

// keepsBytes goes beyond the sizes at which clients begin to cut an upload.
func (c *conformance) keepsBytes() {
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	for name, body := range map[string][]byte{"empty": {}, "one": {0}, "every": every, "large": bytes.Repeat(every, 20<<12)} {
		c.put(c.prefix+name, body, bucket.PutOptions{})
		if object := c.get(c.prefix + name); !bytes.Equal(object.Body, body) || object.Size != int64(len(body)) {
			c.Errorf("%s: read %d bytes, told of %d, want %d", name, len(object.Body), object.Size, len(body))
		}
	}
}

func (c *conformance) keepsMetadata() {
	meta := map[string]string{
		"time": "2026-11-28T19:07:59.123456789Z", "epoch-7": "7.2", "inner": "a  b", "long": strings.Repeat("x", 1024),
		"marks": "!\"#$%&'()*+,-./:;<=>?@[]^_`{|}~\\",
	}
	c.put(c.prefix+"k", []byte("x"), bucket.PutOptions{Metadata: meta})
	for _, got := range []map[string]string{c.head(c.prefix + "k").Metadata, c.get(c.prefix + "k").Metadata} {
		for name, want := range meta {
			if got[name] != want {
				c.Errorf("%s: %q, want %q", name, got[name], want)
			}
		}
	}
}

// keepsKeys has characters that a storage prefix may have and that URLs, signatures
// and file systems treat in ways of their own.
func (c *conformance) keepsKeys() {
	for _, key := range []string{"a b", "a+b", "a%20b", "a&b=c", "ü/ñ", "~'()!*", ".hidden", "A/a", "a/A"} {
		c.put(c.prefix+key, []byte(key), bucket.PutOptions{})
	}
	for _, key := range []string{"a b", "a+b", "a%20b", "a&b=c", "ü/ñ", "~'()!*", ".hidden", "A/a", "a/A"} {
		if object := c.get(c.prefix + key); string(object.Body) != key {
			c.Errorf("%q holds %q", key, object.Body)
		}
		if got := c.list(c.prefix + key); len(got) != 1 || got[0].Key != c.prefix+key {
			c.Errorf("%q is listed as %+v", key, got)
		}
	}
}

func (c *conformance) saysWhatIsNotThere() {
	if _, err := c.Get(c.Context(), c.prefix+"none", ample); !errors.Is(err, bucket.ErrNotFound) {
		c.Errorf("get: %v", err)
	}
	if _, err := c.Head(c.Context(), c.prefix+"none"); !errors.Is(err, bucket.ErrNotFound) {
		c.Errorf("head: %v", err)
	}
	if got := c.list(c.prefix + "none"); len(got) != 0 {
		c.Errorf("list: %+v", got)
	}
	// A key that begins like another is another, and what is a directory to a file
	// system is no object.
	c.put(c.prefix+"some/thing", []byte("x"), bucket.PutOptions{})
	for _, key := range []string{"some", "some/thin", "some/thing2"} {
		if _, err := c.Get(c.Context(), c.prefix+key, ample); !errors.Is(err, bucket.ErrNotFound) {
			c.Errorf("get %s: %v", key, err)
		}
		if _, err := c.Head(c.Context(), c.prefix+key); !errors.Is(err, bucket.ErrNotFound) {
			c.Errorf("head %s: %v", key, err)
		}
	}
}

func (c *conformance) limits() {
	c.put(c.prefix+"k", []byte("12345"), bucket.PutOptions{})
	if object, err := c.Get(c.Context(), c.prefix+"k", 5); err != nil || string(object.Body) != "12345" {
		c.Errorf("an object of the limit's size: %q, %v", object.Body, err)
	}
	if object, err := c.Get(c.Context(), c.prefix+"k", 4); !errors.Is(err, bucket.ErrTooLarge) || object.Body != nil {
		c.Errorf("an object beyond the limit: %q, %v", object.Body, err)
	}
}

func (c *conformance) lists() {
	for _, key := range []string{"b/2", "a", "b/10", "b/1/deep", "c"} {
		c.put(c.prefix+key, []byte(key), bucket.PutOptions{})
	}
	for prefix, want := range map[string][]string{
		"":   {"a", "b/1/deep", "b/10", "b/2", "c"},
		"b/": {"b/1/deep", "b/10", "b/2"}, "b/1": {"b/1/deep", "b/10"}, "c": {"c"}, "d": nil,
	} {
		var got []string
		for _, info := range c.list(c.prefix + prefix) {
			got = append(got, strings.TrimPrefix(info.Key, c.prefix))
			head := c.head(info.Key)
			if info.Size != head.Size || info.Version != head.Version || info.Modified.IsZero() {
				c.Errorf("%s: listed as %+v, head tells of %+v", info.Key, info, head)
			}
		}
		if !slices.Equal(got, want) {
			c.Errorf("list %q: %q, want %q", prefix, got, want)
		}
	}
}

// listsTheFirst has more objects than are asked for.
func (c *conformance) listsTheFirst() {
	keys := []string{"a", "b/1", "b/2", "c"}
	for _, key := range slices.Backward(keys) {
		c.put(c.prefix+key, []byte(key), bucket.PutOptions{})
	}
	for limit := range len(keys) + 2 {
		c.listFirst(limit, keys)
	}
}

// listFirst compares a listing with the keys, in order, that all objects have.
func (c *conformance) listFirst(limit int, keys []string) {
	c.Helper()
	first, more, err := c.List(c.Context(), c.prefix, limit)
	var got []string
	for _, info := range first {
		got = append(got, strings.TrimPrefix(info.Key, c.prefix))
	}
	if want := keys[:min(limit, len(keys))]; err != nil || !slices.Equal(got, want) || more != (limit < len(keys)) {
		c.Errorf("the first %d: %d objects, %q, more: %t, %v", limit, len(got), got[:min(len(got), 5)], more, err)
	}
}

// listsPages has more objects than a page of any store.
func (c *conformance) listsPages() {
	if testing.Short() {
		c.Skip("it writes a thousand objects")
	}
	const writers = 16
	keys := make([]string, 1005)
	for i := range keys {
		keys[i] = fmt.Sprintf("%04d", i)
	}
	c.together(writers, func(writer int) {
		for i := writer; i < len(keys); i += writers {
			c.put(c.prefix+keys[i], []byte("x"), bucket.PutOptions{})
		}
	})
	for _, limit := range []int{999, 1000, 1001, len(keys), enough} {
		c.listFirst(limit, keys)
	}
}

func (c *conformance) heedsTheContext() {
	ctx, cancel := context.WithCancel(c.Context())
	cancel()
	_, errGet := c.Get(ctx, c.prefix+"k", ample)
	_, errHead := c.Head(ctx, c.prefix+"k")
	_, errPut := c.Put(ctx, c.prefix+"k", bucket.BodyOf([]byte("x")), bucket.PutOptions{})
	_, _, errList := c.List(ctx, c.prefix, enough)
	for call, err := range map[string]error{"get": errGet, "head": errHead, "put": errPut, "list": errList} {
		if !errors.Is(err, context.Canceled) {
			c.Errorf("%s: %v", call, err)
		}
	}
	if _, err := c.Head(c.Context(), c.prefix+"k"); !errors.Is(err, bucket.ErrNotFound) {
		c.Errorf("after a write whose context had ended before: %v", err)
	}
}

// together calls a function n times at once and waits for all.
func (c *conformance) together(n int, do func(i int)) {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { do(i) })
	}
	all.Wait()
}

func (c *conformance) put(key string, body []byte, options bucket.PutOptions) string {
	c.Helper()
	version, err := c.Put(c.Context(), key, bucket.BodyOf(body), options)
	if err != nil {
		c.Errorf("put: %v", err)
	}
	return version
}

func (c *conformance) get(key string) bucket.Object {
	c.Helper()
	object, err := c.Get(c.Context(), key, ample)
	if err != nil {
		c.Errorf("get: %v", err)
	}
	return object
}

func (c *conformance) head(key string) bucket.Info {
	c.Helper()
	info, err := c.Head(c.Context(), key)
	if err != nil {
		c.Errorf("head: %v", err)
	}
	return info
}

func (c *conformance) list(prefix string) []bucket.Info {
	c.Helper()
	all, more, err := c.List(c.Context(), prefix, enough)
	if err != nil || more {
		c.Errorf("list: %v, more: %t", err, more)
	}
	return all
}
