// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"blackout/internal/gateway/entity"
	"blackout/internal/gateway/pgtest"
	"blackout/internal/gateway/store"
	"blackout/internal/gateway/storetest"
)

// behaviours hold of both databases. source makes the options of a new
// database, which may be opened more than once.
var behaviours = []struct {
	name string
	test func(t *testing.T, source func(*testing.T) store.Options)
}{
	{"records survive a reopening", testRecordsSurviveAReopening},
	{"rules", testRules},
	{"changes tell", testChangesTell},
	{"shared database", testSharedDatabase},
	{"another history", testAnotherHistory},
	{"list pages and tags", testListPagesAndTags},
	{"export is consistent while writers write", testExportIsConsistentWhileWritersWrite},
	{"export of an empty database", testExportOfAnEmptyDatabase},
	{"what changed since", testSince},
	{"half a database", testHalfADatabase},
	{"newer database", testNewerDatabase},
	{"cascade", testCascade},
	{"unique together", testUniqueTogether},
	{"long and odd texts", testLongAndOddTexts},
	{"ttl", testTTL},
	{"a change keeps the time of expiry", testAChangeKeepsTheTimeOfExpiry},
	{"tags of everything", testTagsOfEverything},
	{"two control planes", testTwoControlPlanes},
	{"data planes are forgotten", testDataPlanesAreForgotten},
	{"data planes of two control planes", testDataPlanesOfTwoControlPlanes},
}

func TestSQLite(t *testing.T) {
	t.Parallel()
	for _, behaviour := range behaviours {
		t.Run(behaviour.name, func(t *testing.T) {
			t.Parallel()
			behaviour.test(t, func(t *testing.T) store.Options { return store.Options{Path: filepath.Join(t.TempDir(), "a b?.db")} })
		})
	}
}

// TestSQLiteIsPrivate: private keys are in the file.
func TestSQLiteIsPrivate(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.db")
	db, err := store.Open(t.Context(), store.Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	for _, file := range []string{path, path + "-wal"} {
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v, want it to be for its owner alone", file, info, err)
		}
	}
}

func TestPostgres(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	for _, behaviour := range behaviours {
		t.Run(behaviour.name, func(t *testing.T) {
			t.Parallel()
			behaviour.test(t, func(t *testing.T) store.Options { return store.Options{Postgres: server.NewDatabase(t)} })
		})
	}
}

func open(t *testing.T, options store.Options) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), options)
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

func testRecordsSurviveAReopening(t *testing.T, source func(*testing.T) store.Options) {
	options := source(t)
	first := open(t, options)
	created := create(t, first, entity.Services, entity.Record{"name": "s", "host": "h"})
	for range 10 {
		create(t, first, entity.Services, entity.Record{"host": "h"})
	}
	before, err := storetest.Export(t.Context(), first, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	second := open(t, options)
	got, err := second.Get(t.Context(), entity.Services, named("s"))
	if err != nil || got.ID() != created.ID() {
		t.Fatalf("got %v, %v", got, err)
	}
	after, err := storetest.Export(t.Context(), second, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if entity.Hash(before.Table) != entity.Hash(after.Table) {
		t.Error("the hash changed although the content did not")
	}
}

func testRules(t *testing.T, source func(*testing.T) store.Options) {
	s := open(t, source(t))
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

func testChangesTell(t *testing.T, source func(*testing.T) store.Options) {
	s := open(t, source(t))
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
	if err := s.SaveDataPlanes(t.Context(), []store.DataPlane{{ID: "x"}}, time.Hour); err != nil || told() {
		t.Errorf("a data plane's row: %v, or it is told", err)
	}
}

func testListPagesAndTags(t *testing.T, source func(*testing.T) store.Options) {
	s := open(t, source(t))
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

func testExportIsConsistentWhileWritersWrite(t *testing.T, source func(*testing.T) store.Options) {
	s := open(t, source(t))
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
		table, err := storetest.Export(t.Context(), s, time.Now())
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

func testExportOfAnEmptyDatabase(t *testing.T, source func(*testing.T) store.Options) {
	snapshot, err := storetest.Export(t.Context(), open(t, source(t)), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	table := snapshot.Table
	if len(table["parameters"].([]any)) != 1 || len(table["workspaces"].([]any)) != 1 || table["services"] != nil {
		t.Errorf("got %v", table)
	}
}

func testDataPlanesAreForgotten(t *testing.T, source func(*testing.T) store.Options) {
	clock := time.Unix(1000, 0)
	options := source(t)
	options.Now = func() time.Time { return clock }
	s := open(t, options)
	if err := s.SaveDataPlanes(t.Context(), []store.DataPlane{{ID: "x", Hostname: "h"}}, time.Minute); err != nil {
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

// testNewerDatabase: tables that a later gateway made are left alone.
func testNewerDatabase(t *testing.T, source func(*testing.T) store.Options) {
	options := source(t)
	open(t, options)
	behindItsBack(t, options, `UPDATE schema_version SET number = number + 1`)
	if s, err := store.Open(t.Context(), options); err == nil || !strings.Contains(err.Error(), "use the gateway that wrote it") {
		t.Errorf("opened: %v, %v", s, err)
	}
}

// behindItsBack runs statements on a database that no store knows of.
func behindItsBack(t *testing.T, options store.Options, statements ...string) {
	t.Helper()
	driver, address := "sqlite", "file:"+url.PathEscape(options.Path)+"?_pragma=busy_timeout(5000)"
	if options.Postgres != nil {
		server := options.Postgres
		driver, address = "pgx", fmt.Sprintf("postgres://%s:%s@%s:%d/%s", server.User, server.Password, server.Host, server.Port, server.Database)
	}
	db, err := sql.Open(driver, address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	for _, statement := range statements {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
}
