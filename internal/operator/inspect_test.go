// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"blackout/internal/fallback/bucket"
	"blackout/internal/fallback/bucket/buckettest"
)

func TestInspect(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, memory := seeded(t, declared)
		put(t, memory, "eu/3.9.1/election/lease.json", lease, nil)
		put(t, memory, "eu/3.8.1/config.json", `{"_format_version":"3.0"}`, nil) // as a real Kong writes it: without bookkeeping
		put(t, memory, "eu/3.8.1/election/node-1", `{}`, nil)
		put(t, memory, "eu/notes.txt", "call Bob", nil)
		put(t, memory, "eu/3.9.1/config.json.bak", "old", nil)
		put(t, memory, "europe/3.9.1/config.json", "of somebody else", nil)
		later(s)
		found, err := s.Inspect(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		golden(t, "inspect", found)
		one, err := s.Inspect(t.Context(), version)
		if err != nil {
			t.Fatal(err)
		}
		golden(t, "inspect-version", one)
	})
}

// TestInspectWithoutRights: an account that may not list is told so; with a version it
// need not. One object that may not be read does not hide the others.
func TestInspectWithoutRights(t *testing.T) {
	t.Parallel()
	s, memory := seeded(t, declared)
	put(t, memory, "eu/3.9.1/election/lease.json", "no lease", nil)
	denied := map[string]bool{"list": true}
	memory.Before = func(_ context.Context, call buckettest.Call) error {
		if denied[call.Kind] {
			return bucket.ErrDenied
		}
		return nil
	}
	if _, err := s.Inspect(t.Context(), ""); !errors.Is(err, bucket.ErrDenied) {
		t.Errorf("got %v", err)
	}
	one, err := s.Inspect(t.Context(), version)
	if err != nil || one.Versions[0].Snapshot.Hash == "" || !strings.Contains(one.Versions[0].Lease.Error, "no lease") {
		t.Errorf("got %+v, %v", one, err)
	}
	denied = map[string]bool{"get": true, "head": true}
	all, err := s.Inspect(t.Context(), "")
	if err != nil || all.Versions[0].Snapshot.Error == "" || all.Versions[0].Snapshot.Bytes == 0 {
		t.Errorf("got %+v, %v", all, err)
	}
	if _, err := s.Inspect(t.Context(), version); !errors.Is(err, bucket.ErrDenied) {
		t.Errorf("got %v", err)
	}
}

func TestInspectEmptyBucket(t *testing.T) {
	t.Parallel()
	s := storage(&buckettest.Memory{})
	found, err := s.Inspect(t.Context(), "")
	if err != nil || len(found.Versions) != 0 {
		t.Errorf("got %+v, %v", found, err)
	}
	one, err := s.Inspect(t.Context(), version)
	if err != nil || one.Versions[0].Snapshot != nil || one.Versions[0].Lease != nil {
		t.Errorf("got %+v, %v", one, err)
	}
}
