// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"blackout/internal/gateway/entity"
	"blackout/internal/gateway/store"
)

func open(t *testing.T, path string, now func() time.Time) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), store.Options{Path: path, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func newStore(t *testing.T) *store.Store {
	return open(t, filepath.Join(t.TempDir(), "a b?.db"), nil)
}

func create(t *testing.T, s *store.Store, schema *entity.Schema, input entity.Record) entity.Record {
	t.Helper()
	record, err := schema.Complete(input)
	if err != nil {
		t.Fatal(err)
	}
	if record, err = s.Create(t.Context(), schema, record); err != nil {
		t.Fatal(err)
	}
	return record
}

func named(name string) store.Key { return store.Key{Field: "name", Value: name} }

func code(err error) entity.Code {
	var refusal *entity.Error
	if errors.As(err, &refusal) {
		return refusal.Code
	}
	return 0
}

func TestRecordsSurviveAReopening(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.db")
	first := open(t, path, nil)
	created := create(t, first, entity.Services, entity.Record{"name": "s", "host": "h"})
	for range 10 {
		create(t, first, entity.Services, entity.Record{"host": "h"})
	}
	before, err := first.Export(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	second := open(t, path, nil)
	got, err := second.Get(t.Context(), entity.Services, named("s"))
	if err != nil || got.ID() != created.ID() {
		t.Fatalf("got %v, %v", got, err)
	}
	after, err := second.Export(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if entity.Hash(before.Table) != entity.Hash(after.Table) {
		t.Error("the hash changed although the content did not")
	}
}

func TestRules(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	service := create(t, s, entity.Services, entity.Record{"name": "s", "host": "h"})
	create(t, s, entity.Routes, entity.Record{"name": "r", "paths": []any{"/"}, "service": map[string]any{"id": service.ID()}})
	complete := func(schema *entity.Schema, input entity.Record) entity.Record {
		record, err := schema.Complete(input)
		if err != nil {
			t.Fatal(err)
		}
		return record
	}
	if _, err := s.Create(t.Context(), entity.Services, complete(entity.Services, entity.Record{"name": "s", "host": "i"})); code(err) != entity.CodeUnique {
		t.Errorf("second name: %v", err)
	}
	if _, err := s.Create(t.Context(), entity.Services, complete(entity.Services, entity.Record{"id": service.ID(), "host": "i"})); code(err) != entity.CodePrimaryKey {
		t.Errorf("second id: %v", err)
	}
	dangling := entity.Record{"paths": []any{"/"}, "service": map[string]any{"id": "00000005-0000-4000-8000-000000000005"}}
	if _, err := s.Create(t.Context(), entity.Routes, complete(entity.Routes, dangling)); code(err) != entity.CodeForeign {
		t.Errorf("dangling: %v", err)
	}
	if _, err := s.Delete(t.Context(), entity.Services, named("s")); code(err) != entity.CodeForeign {
		t.Errorf("delete a referenced service: %v", err)
	}
	if found, err := s.Delete(t.Context(), entity.Routes, named("r")); !found || err != nil {
		t.Errorf("delete the route: %v %v", found, err)
	}
	if found, err := s.Delete(t.Context(), entity.Services, store.ID(service.ID())); !found || err != nil {
		t.Errorf("delete the service: %v %v", found, err)
	}
	if _, err := s.Get(t.Context(), entity.Services, named("s")); code(err) != entity.CodeNotFound {
		t.Errorf("get a deleted service: %v", err)
	}
}

func TestChangesTell(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	told := func() bool {
		select {
		case <-s.Changes():
			return true
		default:
			return false
		}
	}
	if told() {
		t.Error("a change is told before there is one")
	}
	create(t, s, entity.Services, entity.Record{"name": "s", "host": "h"})
	if !told() {
		t.Error("a creation is not told")
	}
	if _, err := s.Delete(t.Context(), entity.Services, named("absent")); err != nil || told() {
		t.Errorf("deleting nothing: %v, or it is told", err)
	}
	refuse := errors.New("no")
	_, err := s.Change(t.Context(), entity.Services, named("s"), func(entity.Record) (entity.Record, error) { return nil, refuse })
	if !errors.Is(err, refuse) || told() {
		t.Errorf("a refused change: %v, or it is told", err)
	}
	if err := s.SaveDataPlane(t.Context(), store.DataPlane{ID: "x"}, time.Hour); err != nil || told() {
		t.Errorf("a data plane's row: %v, or it is told", err)
	}
}

// TestSharedDatabase: a control plane is told what another one changed, and not
// what it changed itself or what is not exported.
func TestSharedDatabase(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "shared.db")
	mine, theirs := open(t, path, time.Now), open(t, path, time.Now)
	ctx, stop := context.WithCancel(t.Context())
	var watching sync.WaitGroup
	watching.Go(func() { mine.Watch(ctx, time.Millisecond) })
	defer watching.Wait()
	defer stop()
	create(t, mine, entity.Services, entity.Record{"name": "a", "host": "h"})
	<-mine.Changes()
	if err := theirs.SaveDataPlane(t.Context(), store.DataPlane{ID: "x"}, time.Hour); err != nil {
		t.Fatal(err)
	}
	quiet := time.NewTimer(50 * time.Millisecond)
	defer quiet.Stop()
	select {
	case <-mine.Changes():
		t.Error("told of its own change again, or of a data plane's row")
	case <-quiet.C:
	}
	create(t, theirs, entity.Services, entity.Record{"name": "b", "host": "h"})
	patience := time.NewTimer(10 * time.Second)
	defer patience.Stop()
	select {
	case <-mine.Changes():
	case <-patience.C:
		t.Error("not told of another's change")
	}
}

func TestListPagesAndTags(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	for i := range 7 {
		tags := []any{fmt.Sprintf("n%d", i), []string{"even", "odd"}[i%2]}
		create(t, s, entity.Services, entity.Record{"host": "h", "tags": tags})
	}
	var seen []string
	query := store.Query{Size: 3}
	for more := true; more; {
		var page []entity.Record
		var err error
		if page, more, err = s.List(t.Context(), entity.Services, query); err != nil {
			t.Fatal(err)
		}
		for _, record := range page {
			seen = append(seen, record.ID())
		}
		query.After = seen[len(seen)-1]
	}
	if len(seen) != 7 {
		t.Errorf("paging saw %d of 7", len(seen))
	}
	for _, c := range []struct {
		tags []string
		any  bool
		want int
	}{{[]string{"even"}, false, 4}, {[]string{"even", "n2"}, false, 1}, {[]string{"n1", "n2"}, false, 0}, {[]string{"n1", "n2"}, true, 2}} {
		page, _, err := s.List(t.Context(), entity.Services, store.Query{Size: 100, Tags: c.tags, AnyTag: c.any})
		if err != nil || len(page) != c.want {
			t.Errorf("tags %v (any %v): got %d, %v, want %d", c.tags, c.any, len(page), err, c.want)
		}
	}
}

func TestExportIsConsistentWhileWritersWrite(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	ctx, cancel := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	writers.Go(func() {
		// Pairs of a service and its route come and go; the route is never
		// there without its service.
		for i := 0; i < 40 && ctx.Err() == nil; i++ {
			service := create(t, s, entity.Services, entity.Record{"host": "h"})
			create(t, s, entity.Routes, entity.Record{"paths": []any{"/"}, "service": map[string]any{"id": service.ID()}})
		}
	})
	for range 40 {
		table, err := s.Export(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		raw, err := json.Marshal(table.Table)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := entity.ParseTable(raw); err != nil {
			t.Fatalf("an export is not valid: %v", err)
		}
	}
	cancel()
	writers.Wait()
}

func TestExportOfAnEmptyDatabase(t *testing.T) {
	t.Parallel()
	snapshot, err := newStore(t).Export(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	table := snapshot.Table
	if len(table["parameters"].([]any)) != 1 || len(table["workspaces"].([]any)) != 1 || table["services"] != nil {
		t.Errorf("got %v", table)
	}
}

func TestDataPlanesAreForgotten(t *testing.T) {
	t.Parallel()
	clock := time.Unix(1000, 0)
	s := open(t, filepath.Join(t.TempDir(), "x.db"), func() time.Time { return clock })
	if err := s.SaveDataPlane(t.Context(), store.DataPlane{ID: "x", Hostname: "h"}, time.Minute); err != nil {
		t.Fatal(err)
	}
	clock = clock.Add(59 * time.Second)
	page, more, err := s.DataPlanes(t.Context(), store.Query{Size: 10})
	if err != nil || more || len(page) != 1 || page[0].TTL != 1 || page[0].LastSeen != 1000 {
		t.Fatalf("got %+v, %v, %v", page, more, err)
	}
	clock = clock.Add(time.Second)
	if page, _, err := s.DataPlanes(t.Context(), store.Query{Size: 10}); err != nil || len(page) != 0 {
		t.Fatalf("an overdue row is still there: %+v, %v", page, err)
	}
}
