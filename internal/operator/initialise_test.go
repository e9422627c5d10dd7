// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"blackout/internal/fallback/bucket"
	"blackout/internal/fallback/bucket/buckettest"
	"blackout/internal/operator"
)

// administration notes what it is asked for, and fails as it is told.
type administration struct {
	asked []string
	fails map[string]error
}

func (a *administration) do(what string, arguments ...any) error {
	a.asked = append(a.asked, fmt.Sprint(append([]any{what}, arguments...)...))
	return a.fails[what]
}

func (a *administration) Create(context.Context) error           { return a.do("create") }
func (a *administration) EnableVersioning(context.Context) error { return a.do("versioning") }
func (a *administration) EncryptByDefault(_ context.Context, key string) error {
	return a.do("encryption", key)
}
func (a *administration) ExpireElection(_ context.Context, prefix string, days int) error {
	return a.do("election", prefix, days)
}
func (a *administration) ExpireReplaced(_ context.Context, prefix string, days int) error {
	return a.do("replaced", prefix, days)
}

func TestInitialise(t *testing.T) {
	t.Parallel()
	memory := &buckettest.Memory{}
	put(t, memory, "eu/3.8.1/config.json", "{}", nil)
	s := storage(memory)
	options := operator.InitialiseOptions{Create: true, Versions: []string{version}, ElectionDays: 7, KeepDays: 30}
	admin := &administration{fails: map[string]error{"encryption": bucket.ErrUnavailable}}
	done, err := s.Initialise(t.Context(), admin, options)
	if !errors.Is(err, bucket.ErrUnavailable) || done.Complete() {
		t.Errorf("%+v, %v", done, err)
	}
	golden(t, "bucket-init", done)
	want := []string{"create", "versioning", "encryption", "electioneu/3.8.1/election/7", "electioneu/3.9.1/election/7", "replacedeu/30"}
	if !slices.Equal(admin.asked, want) {
		t.Errorf("asked %q, want %q", admin.asked, want)
	}
	admin = &administration{}
	options.DryRun = true
	if done, err = s.Initialise(t.Context(), admin, options); err != nil || len(admin.asked) > 0 || len(done.Steps) != 6 {
		t.Errorf("a dry run asked %q: %+v, %v", admin.asked, done, err)
	}
	if _, err = s.Initialise(t.Context(), nil, options); !errors.Is(err, operator.ErrInput) {
		t.Errorf("without an administration: %v", err)
	}
	options.Versions = []string{"3/9"}
	if _, err = s.Initialise(t.Context(), admin, options); !errors.Is(err, operator.ErrInput) {
		t.Errorf("a bad version: %v", err)
	}
}

// TestInitialiseNoBucket: settings of a bucket that is not there are not reported as done,
// though its store takes them.
func TestInitialiseNoBucket(t *testing.T) {
	t.Parallel()
	memory := &buckettest.Memory{Before: func(context.Context, buckettest.Call) error { return bucket.ErrNotFound }}
	for _, dry := range []bool{false, true} {
		admin := &administration{}
		options := operator.InitialiseOptions{Versions: []string{version}, ElectionDays: 7, DryRun: dry}
		done, err := storage(memory).Initialise(t.Context(), admin, options)
		if !errors.Is(err, bucket.ErrNotFound) || !strings.Contains(err.Error(), "--create") || len(admin.asked)+len(done.Steps) > 0 {
			t.Errorf("dry run %v: asked %q: %+v, %v", dry, admin.asked, done, err)
		}
		options.Create = true
		if done, err = storage(memory).Initialise(t.Context(), admin, options); err != nil || len(done.Steps) != 4 {
			t.Errorf("dry run %v, created: %+v, %v", dry, done, err)
		}
	}
}
