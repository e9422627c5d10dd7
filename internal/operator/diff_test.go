// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"blackout/internal/fallback/bucket"
	"blackout/internal/fallback/bucket/buckettest"
	"blackout/internal/operator"
)

func TestDiff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, _ := seeded(t, declared)
		later(s)
		d, err := s.Diff(t.Context(), version, other(t))
		if err != nil || d.Equal {
			t.Fatalf("%+v, %v", d, err)
		}
		golden(t, "diff", d)
		if d, err = s.Diff(t.Context(), version, configuration(t, declared)); err != nil || !d.Equal || d.Hash != d.HashWith {
			t.Errorf("with itself: %+v, %v", d, err)
		}
	})
}

// TestDiffMatchesByName: other ids, at every level, are no difference.
func TestDiffMatchesByName(t *testing.T) {
	t.Parallel()
	s, _ := seeded(t, declared)
	// A file with ids of its own for what other rows refer to.
	text := strings.NewReplacer("- name: orders\n", "- name: orders\n  id: 00000001-0000-4000-8000-000000000001\n",
		"  - name: list\n", "  - name: list\n    id: 00000002-0000-4000-8000-000000000001\n",
		"- name: orders.internal\n", "- name: orders.internal\n  id: 00000003-0000-4000-8000-000000000001\n",
		"- username: alice\n", "- username: alice\n  id: 00000004-0000-4000-8000-000000000001\n",
		"basicauth_credentials:\n  - {username: alice, password: alice-password}", "acls: []").Replace(declared)
	d, err := s.Diff(t.Context(), version, configuration(t, text))
	if err != nil || d.Equal || d.Hash == d.HashWith {
		t.Fatalf("%+v, %v", d, err)
	}
	// The hash of a basic-auth password has the consumer's id in it: it was left out.
	if len(d.Kinds) != 1 || d.Kinds[0].Kind != "basicauth_credentials" || len(d.Kinds[0].Removed) != 1 {
		t.Errorf("%+v", d.Kinds)
	}
}

// TestDiffNamesFields, and no values.
func TestDiffNamesFields(t *testing.T) {
	t.Parallel()
	s, _ := seeded(t, declared)
	d, err := s.Diff(t.Context(), version, configuration(t, strings.NewReplacer("redis-secret", "another", "[x-key]", "[x-key], key_in_query: false",
		"weight: 10", "weight: 11", "url: http://orders.internal:8080/api", "url: https://orders.internal:8080/api").Replace(declared)))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, k := range d.Kinds {
		for _, c := range k.Changed {
			got = append(got, fmt.Sprint(k.Kind, " ", c.Name, " ", c.Fields))
		}
		if len(k.Added)+len(k.Removed) > 0 {
			t.Errorf("%+v", k)
		}
	}
	want := []string{"services orders [protocol]", "targets 10.0.0.1:80 [weight]", "plugins key-auth [config.key_in_query]", "plugins rate-limiting [config.redis.password]"}
	for _, line := range want {
		if !slices.Contains(got, line) {
			t.Errorf("got %q, want %q in it", got, line)
		}
	}
}

// TestDiffOfWhatIsNotThere is no difference but an error.
func TestDiffOfWhatIsNotThere(t *testing.T) {
	t.Parallel()
	memory := &buckettest.Memory{}
	if _, err := storage(memory).Diff(t.Context(), version, configuration(t, declared)); !errors.Is(err, bucket.ErrNotFound) {
		t.Errorf("got %v", err)
	}
	put(t, memory, key, badTable, nil)
	var invalid *operator.Invalid
	if _, err := storage(memory).Diff(t.Context(), version, configuration(t, declared)); !errors.As(err, &invalid) {
		t.Errorf("got %v", err)
	}
}
