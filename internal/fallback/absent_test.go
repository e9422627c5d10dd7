// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package fallback

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"blackout/internal/fallback/bucket"
	"blackout/internal/fallback/bucket/buckettest"
)

// Whatever other versions there are and whether they can be listed or not: the
// error stays that the object is not there, and nothing but it was read.
func TestAMissingSnapshotSaysWhichVersionsThereAre(t *testing.T) {
	t.Parallel()
	denied := fmt.Errorf("list s3://backup/p/: %w: AccessDenied (status 403)", bucket.ErrDenied)
	for name, test := range map[string]struct {
		key      string
		objects  []string
		listing  error
		want     string
		unwanted string
	}{
		"others": {objects: []string{"p/0.9.10/config.json", "p/0.9.9/config.json", "p/0.9/election/lease.json", "p/2.0/other.json", "q/3.0/config.json"},
			want: "found 0.9.10, 0.9.9: upgrade exporter and importer together"},
		"many": {objects: []string{"p/1.1/config.json", "p/1.2/config.json", "p/1.3/config.json", "p/1.4/config.json", "p/1.5/config.json", "p/1.6/config.json", "p/1.10/config.json"},
			want: "found 1.10, 1.6, 1.5, 1.4, 1.3 and 2 more: "},
		"none":           {objects: []string{"q/0.9/config.json"}, want: "no version has a snapshot there"},
		"a crowd":        {objects: crowd(maxListed+1, "p/backups/%05d"), want: "among the first 10000 objects there are no snapshots"},
		"not a version":  {objects: []string{"p/\x1b[2J/config.json", "p/a b/config.json"}, want: "no version has a snapshot there"},
		"at the root":    {key: "1.0/config.json", objects: []string{"0.9/config.json", "deep/er/config.json"}, want: "found 0.9: "},
		"listing denied": {objects: []string{"p/0.9/config.json"}, listing: denied, want: "the node may not list which versions there are", unwanted: "0.9"},
		"listing fails":  {objects: []string{"p/0.9/config.json"}, listing: bucket.ErrUnavailable, want: "could not be listed", unwanted: "0.9"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := &buckettest.Memory{Before: func(_ context.Context, call buckettest.Call) error {
				if call.Kind == "list" {
					return test.listing
				}
				return nil
			}}
			for _, key := range test.objects {
				if _, err := m.Put(t.Context(), key, bucket.BodyOf([]byte(importTable)), bucket.PutOptions{}); err != nil {
					t.Fatal(err)
				}
			}
			im := newImporter(m)
			if test.key != "" {
				im.Key = test.key
			}
			_, err := im.Import(t.Context())
			if !errors.Is(err, bucket.ErrNotFound) || errors.Is(err, bucket.ErrDenied) {
				t.Fatalf("error %v", err)
			}
			if text := err.Error(); !strings.Contains(text, test.want) || strings.ContainsAny(text, "\n\x1b") || test.unwanted != "" && strings.Contains(text, test.unwanted) {
				t.Errorf("error %q, want %q in it", text, test.want)
			}
			prefix := strings.TrimSuffix(im.Key, "1.0/config.json")
			if got, want := reads(m), []string{"get " + im.Key, "list " + prefix}; !slices.Equal(got, want) {
				t.Errorf("requests %q, want %q", got, want)
			}
		})
	}
}

// crowd are n keys.
func crowd(n int, format string) []string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprintf(format, i)
	}
	return keys
}

func TestASnapshotThatComesWhileItIsMissedIsTold(t *testing.T) {
	t.Parallel()
	m := &buckettest.Memory{}
	m.Before = func(ctx context.Context, call buckettest.Call) error {
		if call.Kind != "get" {
			return nil
		}
		if _, err := m.Put(ctx, importKey, bucket.BodyOf([]byte(importTable)), bucket.PutOptions{}); err != nil {
			return err
		}
		return bucket.ErrNotFound
	}
	if _, err := newImporter(m).Import(t.Context()); !errors.Is(err, bucket.ErrNotFound) || !strings.Contains(err.Error(), "written since") {
		t.Errorf("error %v", err)
	}
}

// Versions are looked for once, after the last attempt, and not for long.
func TestTheSearchForVersionsIsOneAndBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &buckettest.Memory{Before: func(ctx context.Context, call buckettest.Call) error {
			if call.Kind == "list" {
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		}}
		im := newImporter(m)
		im.Attempts = 2
		began := time.Now()
		_, err := im.Import(t.Context())
		if took := time.Since(began); !errors.Is(err, bucket.ErrNotFound) || took != retryWait+listTimeout {
			t.Errorf("after %s: %v", took, err)
		}
		if got := reads(m); !slices.Equal(got, []string{"get " + importKey, "get " + importKey, "list p/"}) {
			t.Errorf("requests %q", got)
		}
	})
}

// A store says of a missing object that it is denied to who may not list. Where it
// does not know who asks, that is the cause and nothing else.
func TestADeniedReadNamesBothPossibilities(t *testing.T) {
	t.Parallel()
	for code, both := range map[string]bool{"AccessDenied": true, "forbidden": true, "InvalidAccessKeyId": false, "RequestTimeTooSkewed": false} {
		m := failing(1, fmt.Errorf("get %s: %w: %s (status 403)", importURL, bucket.ErrDenied, code))
		_, err := newImporter(m).Import(t.Context())
		if !errors.Is(err, bucket.ErrDenied) || strings.Contains(err.Error(), "if the node has that right, the object does not exist") != both {
			t.Errorf("error %v", err)
		}
		if got := reads(m); len(got) != 1 {
			t.Errorf("requests %q", got)
		}
	}
}

func TestNoVersionsAreLookedForOnceTheImportIsGivenUp(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	m := &buckettest.Memory{Before: func(context.Context, buckettest.Call) error {
		cancel()
		return bucket.ErrNotFound
	}}
	if _, err := newImporter(m).Import(ctx); !errors.Is(err, bucket.ErrNotFound) {
		t.Errorf("error %v", err)
	}
	if got := reads(m); len(got) != 1 {
		t.Errorf("requests %q", got)
	}
}
