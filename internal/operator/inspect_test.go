// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"blackout/internal/fallback/bucket"
	"blackout/internal/fallback/bucket/buckettest"
	"blackout/internal/operator"
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

// TestInspectTellsOfTheCluster: a copy tells whose it is, unless a person wrote it.
func TestInspectTellsOfTheCluster(t *testing.T) {
	t.Parallel()
	s, memory := seeded(t, declared)
	for _, metadata := range []map[string]string{nil, {"blackout-cluster": "c-1"}} {
		if metadata != nil {
			put(t, memory, key, "{}", metadata)
		}
		found, err := s.Inspect(t.Context(), version)
		if err != nil {
			t.Fatal(err)
		}
		var text strings.Builder
		if err := found.Text(&text); err != nil {
			t.Fatal(err)
		}
		want := metadata["blackout-cluster"]
		if got := found.Versions[0].Snapshot.Cluster; got != want || strings.Contains(text.String(), "cluster") != (want != "") {
			t.Errorf("got cluster %q, want %q, in\n%s", got, want, text.String())
		}
	}
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

// TestInspectCrowdedStorage: what others keep below the prefix is listed in part, and that
// is said.
func TestInspectCrowdedStorage(t *testing.T) {
	t.Parallel()
	memory := &buckettest.Memory{}
	for i := range operator.MaxListed {
		put(t, memory, fmt.Sprintf("eu/3.9.1/archive/%05d", i), "of somebody else", nil)
	}
	s := storage(memory)
	all, err := s.Inspect(t.Context(), "")
	if err != nil || all.More || len(all.Others) != operator.MaxListed {
		t.Errorf("more: %t, %d others, %v", all.More, len(all.Others), err)
	}
	put(t, memory, key, "{}", nil)
	crowded, err := s.Inspect(t.Context(), "")
	var text strings.Builder
	if err != nil || !crowded.More || len(crowded.Others) != operator.MaxListed || crowded.Text(&text) != nil {
		t.Fatalf("more: %t, %d others, %v", crowded.More, len(crowded.Others), err)
	}
	if strings.Contains(text.String(), "there is no snapshot") || !strings.Contains(text.String(), "--version looks at one version") {
		t.Error("a listing in part is told as if it were whole")
	}
	if one, err := s.Inspect(t.Context(), version); err != nil || one.Versions[0].Snapshot == nil {
		t.Errorf("got %+v, %v", one, err)
	}
}
