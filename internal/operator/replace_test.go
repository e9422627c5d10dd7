// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package operator_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"

	"blackout/internal/fallback"
	"blackout/internal/fallback/bucket"
	"blackout/internal/fallback/bucket/buckettest"
	"blackout/internal/operator"
)

var replacing = operator.ReplaceOptions{Version: version, By: "blackout-seed@host"}

func other(t *testing.T) *operator.Configuration {
	t.Helper()
	return configuration(t, strings.NewReplacer("/orders]", "/orders, /o]", "alice-secret-key", "other-secret-key",
		"minute: 5", "minute: 6", "10.0.0.1", "10.0.0.2", "alice-password", "other-password").Replace(declared))
}

func forced(options operator.ReplaceOptions) operator.ReplaceOptions {
	options.Force = true
	return options
}

// TestReplace: what is there is shown, and replaced only if that is forced.
func TestReplace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, memory := seeded(t, declared)
		later(s)
		before := body(t, memory, key)
		refused, err := s.Replace(t.Context(), other(t), replacing)
		if err != nil || refused.Outcome != operator.Refused || body(t, memory, key) != before {
			t.Fatalf("%+v, %v", refused, err)
		}
		golden(t, "replace-refused", refused)

		dry := forced(replacing)
		dry.DryRun = true
		if r, err := s.Replace(t.Context(), other(t), dry); err != nil || r.Outcome != operator.WouldBe || body(t, memory, key) != before {
			t.Fatalf("%+v, %v", r, err)
		}
		put(t, memory, "eu/3.9.1/election/lease.json", lease, nil)
		written, err := s.Replace(t.Context(), other(t), forced(replacing))
		if err != nil || written.Outcome != operator.Written {
			t.Fatalf("%+v, %v", written, err)
		}
		golden(t, "replace-forced", written)
		found, err := s.Inspect(t.Context(), version)
		if snapshot := found.Versions[0].Snapshot; err != nil || snapshot.Hash != written.Hash || snapshot.Epoch != "8.1" || snapshot.Exporter != replacing.By {
			t.Errorf("%+v, %v", snapshot, err)
		}
		if v, err := s.Verify(t.Context(), verifying); err != nil || !v.Sound() {
			t.Errorf("%+v, %v", v, err)
		}

		again, err := s.Replace(t.Context(), other(t), replacing)
		if err != nil || again.Outcome != operator.Unchanged || again.Epoch != "8.1" {
			t.Errorf("%+v, %v", again, err)
		}
	})
}

// TestReplaceNeverWritesEmpty, whatever is there and whoever forces it.
func TestReplaceNeverWritesEmpty(t *testing.T) {
	t.Parallel()
	empty := configuration(t, declared)
	empty.Table.Raw = []byte(`{"_format_version":"3.0","workspaces":[{"name":"default"}]}`)
	for _, s := range []*operator.Storage{storage(&buckettest.Memory{}), func() *operator.Storage { s, _ := seeded(t, declared); return s }()} {
		if _, err := s.Replace(t.Context(), empty, forced(replacing)); !errors.Is(err, operator.ErrRefused) {
			t.Errorf("got %v", err)
		}
	}
	for name, content := range map[string]string{
		"nothing":      `_format_version: "3.0"`,
		"all disabled": "_format_version: \"3.0\"\nservices: [{name: a, url: http://a.example, enabled: false}]",
	} {
		var invalid *operator.Invalid
		if c, err := operator.ReadFile(file(t, content)); !errors.As(err, &invalid) {
			t.Errorf("%s: got %+v, %v", name, c, err)
		}
	}
}

// TestReplaceWhatIsNoSnapshot: an empty one may go, one that cannot be read only by force.
func TestReplaceWhatIsNoSnapshot(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ body, outcome string }{
		"empty configuration": {`{"_format_version":"3.0","workspaces":[{"name":"default"}]}`, operator.Written},
		"torn":                {`{"_format_version":"3.0","serv`, operator.Refused},
		"invalid":             {badTable, operator.Refused},
	} {
		memory := &buckettest.Memory{}
		put(t, memory, key, c.body, nil)
		s := storage(memory)
		if r, err := s.Replace(t.Context(), configuration(t, declared), replacing); err != nil || r.Outcome != c.outcome {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
		if r, err := s.Replace(t.Context(), configuration(t, declared), forced(replacing)); err != nil || r.Outcome == operator.Refused {
			t.Errorf("%s, forced: %+v, %v", name, r, err)
		}
		if v, err := s.Verify(t.Context(), verifying); err != nil || !v.Bootable {
			t.Errorf("%s: afterwards %+v, %v", name, v, err)
		}
	}
}

// TestReplaceLosesNothing: who writes meanwhile wins, also where there was nothing before.
func TestReplaceLosesNothing(t *testing.T) {
	t.Parallel()
	for _, before := range []string{"", `{"_format_version":"3.0","services":[{"name":"a","host":"a.example"}]}`} {
		memory := &buckettest.Memory{}
		if before != "" {
			put(t, memory, key, before, nil)
		}
		const newer = `{"_format_version":"3.0","services":[{"name":"b","host":"b.example"}]}`
		once := true
		memory.Before = func(_ context.Context, call buckettest.Call) error {
			if call.Kind == "put" && once {
				once = false
				put(t, memory, key, newer, nil)
			}
			return nil
		}
		_, err := storage(memory).Replace(t.Context(), configuration(t, declared), forced(replacing))
		if !errors.Is(err, operator.ErrRefused) || body(t, memory, key) != newer {
			t.Errorf("before %q: got %v, and the bucket holds %s", before, err, body(t, memory, key))
		}
	}
}

// TestReplaceInNoBucket: that there is no bucket is not taken for somebody else's write.
func TestReplaceInNoBucket(t *testing.T) {
	t.Parallel()
	memory := &buckettest.Memory{Before: func(context.Context, buckettest.Call) error { return bucket.ErrNotFound }}
	_, err := storage(memory).Replace(t.Context(), configuration(t, declared), replacing)
	if !errors.Is(err, bucket.ErrNotFound) || errors.Is(err, operator.ErrRefused) {
		t.Errorf("got %v", err)
	}
}

// TestReplaceByTheSame: a configuration that differs in its form alone is no reason to
// write, or to refuse it, unless that is forced.
func TestReplaceByTheSame(t *testing.T) {
	t.Parallel()
	const service = `{"_format_version":"3.0","services":[{"id":"00000001-0000-4000-8000-000000000001","name":"a","host":"a.example"%s}]}`
	memory := &buckettest.Memory{}
	before := fmt.Sprintf(service, `,"updated_at":1`)
	put(t, memory, key, before, nil)
	with, err := operator.ReadTable(file(t, fmt.Sprintf(service, `,"updated_at":2`)))
	if err != nil {
		t.Fatal(err)
	}
	s := storage(memory)
	if r, err := s.Replace(t.Context(), with, replacing); err != nil || r.Outcome != operator.Unchanged || body(t, memory, key) != before {
		t.Errorf("%+v, %v", r, err)
	}
	if r, err := s.Replace(t.Context(), with, forced(replacing)); err != nil || r.Outcome != operator.Written {
		t.Errorf("forced: %+v, %v", r, err)
	}
}

// TestReplaceWithoutAnswer: a write whose answer was lost is looked for; an interrupt while
// it is under way does not leave it in doubt.
func TestReplaceWithoutAnswer(t *testing.T) {
	t.Parallel()
	memory := &buckettest.Memory{}
	ctx, cancel := context.WithCancel(t.Context())
	memory.After = func(_ context.Context, call buckettest.Call) error {
		if call.Kind == "put" {
			cancel()
			return bucket.ErrUnavailable
		}
		return nil
	}
	r, err := storage(memory).Replace(ctx, configuration(t, declared), replacing)
	if err != nil || r.Outcome != operator.Written {
		t.Errorf("%+v, %v", r, err)
	}
	memory.Before = func(_ context.Context, call buckettest.Call) error {
		if call.Kind == "put" {
			return bucket.ErrUnavailable
		}
		return nil
	}
	if _, err = storage(memory).Replace(t.Context(), other(t), forced(replacing)); !errors.Is(err, bucket.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
	if _, err = storage(memory).Replace(ctx, other(t), forced(replacing)); !errors.Is(err, context.Canceled) {
		t.Errorf("after an interrupt: got %v", err)
	}
}

// TestSeedIsDeterministic: the same file gives the same bytes, as a control plane would
// hand them out.
func TestSeedIsDeterministic(t *testing.T) {
	t.Parallel()
	one, two := configuration(t, declared), configuration(t, declared)
	if !bytes.Equal(one.Table.Raw, two.Table.Raw) || one.Hash != two.Hash {
		t.Error("one file gives two configurations")
	}
	text := string(one.Table.Raw)
	for _, want := range []string{`"_transform":false`, `"workspaces":[{`, `"name":"default"`, `"retries":5`} {
		if !strings.Contains(text, want) {
			t.Errorf("%s does not hold %s", text, want)
		}
	}
	for _, unwanted := range []string{"dark", `"off"`, "alice-password", `"created_at":null`} {
		if strings.Contains(text, unwanted) {
			t.Errorf("%s holds %s", text, unwanted)
		}
	}
}

// TestReadTable takes the bytes as they are, unknown types and fields included, and says
// all that is wrong with others.
func TestReadTable(t *testing.T) {
	t.Parallel()
	const table = `{ "_format_version" : "3.0", "services":[{"id":"00000001-0000-4000-8000-000000000001","name":"a","host":"a.example","ws_id":"w","tls_sans":1}], "aliens":[{"id":"x"}]}`
	read, err := operator.ReadTable(file(t, table))
	if err != nil || string(read.Table.Raw) != table {
		t.Fatalf("%+v, %v", read, err)
	}
	var invalid *operator.Invalid
	if _, err := operator.ReadTable(file(t, badTable)); !errors.As(err, &invalid) || len(invalid.Problems) < 4 {
		t.Errorf("got %v", err)
	}
	if _, err := operator.ReadFile(file(t, "_format_version: \"3.0\"\nservices: [{name: a, host: a.example, port: x}]")); !errors.As(err, &invalid) || !strings.Contains(err.Error(), "services.1.port") {
		t.Errorf("got %v", err)
	}
	for name, path := range map[string]string{"absent": "/no/such/file", "a directory": t.TempDir(), "no YAML": file(t, "\t{")} {
		if _, err := operator.ReadFile(path); !errors.Is(err, operator.ErrInput) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := operator.ReadTable(file(t, declared)); !errors.Is(err, operator.ErrInput) || !strings.Contains(err.Error(), "seed") {
		t.Errorf("a declarative file: got %v", err)
	}
	if _, err := os.Stat("testdata"); err != nil {
		t.Error(err)
	}
	if fallback.CheckConfiguration([]byte(table)) != nil {
		t.Error("the guard refuses a good configuration")
	}
}
