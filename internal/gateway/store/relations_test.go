// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"errors"
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"

	"blackout/internal/gateway/entity"
	"blackout/internal/gateway/store"
	"blackout/internal/gateway/storetest"
)

func refers(id string) map[string]any { return map[string]any{"id": id} }

func complete(t *testing.T, schema *entity.Schema, input entity.Record) entity.Record {
	t.Helper()
	record, err := schema.Complete(input)
	if err != nil {
		t.Fatal(err)
	}
	return record
}

// testCascade: what cannot be without an entity goes with it, and what can is in
// its way.
func testCascade(t *testing.T, source func(*testing.T) store.Options) {
	s := open(t, source(t))
	service := create(t, s, entity.Services, entity.Record{"name": "s", "host": "h"})
	route := create(t, s, entity.Routes, entity.Record{"name": "r", "paths": []any{"/"}, "service": refers(service.ID())})
	consumer := create(t, s, entity.Consumers, entity.Record{"username": "c"})
	key := create(t, s, entity.KeyAuthCredentials, entity.Record{"key": "k", "consumer": refers(consumer.ID())})
	plugin := create(t, s, entity.Plugins, entity.Record{"name": "rate-limiting", "config": map[string]any{"minute": 1.0},
		"route": refers(route.ID()), "service": refers(service.ID()), "consumer": refers(consumer.ID())})
	there := func(schema *entity.Schema, id string) bool {
		_, err := s.Get(t.Context(), schema, store.ID(id))
		if err != nil && code(err) != entity.CodeNotFound {
			t.Fatal(err)
		}
		return err == nil
	}
	if _, err := s.Delete(t.Context(), entity.Services, named("s")); code(err) != entity.CodeForeign || !there(entity.Plugins, plugin.ID()) {
		t.Fatalf("delete a service with a route: %v, or its plugin is gone", err)
	}
	if _, err := s.Delete(t.Context(), entity.Routes, named("r")); err != nil || there(entity.Plugins, plugin.ID()) {
		t.Fatalf("delete a route: %v, or its plugin is left", err)
	}
	if _, err := s.Delete(t.Context(), entity.Consumers, store.ID(consumer.ID())); err != nil || there(entity.KeyAuthCredentials, key.ID()) {
		t.Fatalf("delete a consumer: %v, or its credential is left", err)
	}
	create(t, s, entity.KeyAuthCredentials, entity.Record{"key": "k",
		"consumer": refers(create(t, s, entity.Consumers, entity.Record{"username": "c"}).ID())}) // both values are free again
}

func testUniqueTogether(t *testing.T, source func(*testing.T) store.Options) {
	s := open(t, source(t))
	service := create(t, s, entity.Services, entity.Record{"name": "s", "host": "h"})
	create(t, s, entity.Plugins, entity.Record{"name": "key-auth"})
	create(t, s, entity.Plugins, entity.Record{"name": "key-auth", "service": refers(service.ID())})
	_, err := s.Create(t.Context(), entity.Plugins, complete(t, entity.Plugins, entity.Record{"name": "key-auth"}))
	var refusal *entity.Error
	if !errors.As(err, &refusal) || refusal.Code != entity.CodeUnique ||
		refusal.Message != `UNIQUE violation detected on '{consumer=null,name="key-auth",route=null,service=null}'` {
		t.Errorf("got %v", err)
	}
	upstream := create(t, s, entity.Upstreams, entity.Record{"name": "u"})
	other := create(t, s, entity.Upstreams, entity.Record{"name": "v"})
	target := create(t, s, entity.Targets, entity.Record{"target": "a:80", "upstream": refers(upstream.ID())})
	create(t, s, entity.Targets, entity.Record{"target": "a:80", "upstream": refers(other.ID())})
	key := store.Key{Field: "target", Value: "a:80", Parent: upstream.ID()}
	if got, err := s.Get(t.Context(), entity.Targets, key); err != nil || got.ID() != target.ID() {
		t.Errorf("the target of an upstream: got %v, %v", got, err)
	}
	// A value that moves frees the old one.
	if _, err := s.Change(t.Context(), entity.Targets, key, func(old entity.Record) (entity.Record, error) {
		old["target"] = "b:80"
		return old, nil
	}); err != nil {
		t.Fatal(err)
	}
	create(t, s, entity.Targets, entity.Record{"target": "a:80", "upstream": refers(upstream.ID())})
}

// testLongAndOddTexts: what no index would take can be stored and found.
func testLongAndOddTexts(t *testing.T, source func(*testing.T) store.Options) {
	s := open(t, source(t))
	for i, name := range []string{string(make([]byte, 3)), fmt.Sprintf("%05000d", 1), "ä€ \"'?$1\\"} {
		created := create(t, s, entity.Consumers, entity.Record{"username": name, "custom_id": fmt.Sprint(i)})
		got, err := s.Get(t.Context(), entity.Consumers, store.ParseKey(entity.Consumers, name))
		if err != nil || got.ID() != created.ID() || got.Text("username") != name {
			t.Errorf("%.20q: got %v, %v", name, got, err)
		}
		if _, err := s.Create(t.Context(), entity.Consumers, complete(t, entity.Consumers, entity.Record{"username": name})); code(err) != entity.CodeUnique {
			t.Errorf("%.20q again: %v", name, err)
		}
	}
}

func testTTL(t *testing.T, source func(*testing.T) store.Options) {
	clock := time.Unix(1000, 0)
	options := source(t)
	options.Now = func() time.Time { return clock }
	s := open(t, options)
	consumer := create(t, s, entity.Consumers, entity.Record{"username": "c"})
	create(t, s, entity.KeyAuthCredentials, entity.Record{"key": "k", "ttl": 60.0, "consumer": refers(consumer.ID())})
	clock = clock.Add(20 * time.Second)
	by := store.Key{Field: "key", Value: "k"}
	if got, err := s.Get(t.Context(), entity.KeyAuthCredentials, by); err != nil || got.Number("ttl") != 40 {
		t.Errorf("after 20 s: %v, %v", got, err)
	}
	snapshot, err := storetest.Export(t.Context(), s, clock)
	if err != nil {
		t.Fatal(err)
	}
	if row := snapshot.Table["keyauth_credentials"].([]any)[0].(map[string]any); row["ttl"] != 1060.0 {
		t.Errorf("the export's ttl is %v, want the time of expiry", row["ttl"])
	}
	clock = clock.Add(40 * time.Second)
	if got, err := s.Get(t.Context(), entity.KeyAuthCredentials, by); code(err) != entity.CodeNotFound {
		t.Errorf("after its time: %v, %v", got, err)
	}
	if page, _, err := s.List(t.Context(), entity.KeyAuthCredentials, store.Query{Size: 9}); err != nil || len(page) != 0 {
		t.Errorf("after its time it is listed: %v, %v", page, err)
	}
	create(t, s, entity.KeyAuthCredentials, entity.Record{"key": "k", "consumer": refers(consumer.ID())}) // the key is free
}

// testAChangeKeepsTheTimeOfExpiry: also in the last second.
func testAChangeKeepsTheTimeOfExpiry(t *testing.T, source func(*testing.T) store.Options) {
	clock := time.Unix(1000, 0)
	options := source(t)
	options.Now = func() time.Time { return clock }
	s := open(t, options)
	consumer := create(t, s, entity.Consumers, entity.Record{"username": "c"})
	create(t, s, entity.KeyAuthCredentials, entity.Record{"key": "k", "ttl": 60.0, "consumer": refers(consumer.ID())})
	by := store.Key{Field: "key", Value: "k"}
	change := func(field string, value any) float64 {
		t.Helper()
		got, err := s.Change(t.Context(), entity.KeyAuthCredentials, by, func(old entity.Record) (entity.Record, error) {
			if old == nil {
				return nil, errors.New("it is gone")
			}
			changed := maps.Clone(old)
			changed[field] = value
			return changed, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return got.Number("ttl")
	}
	for range 5 {
		clock = clock.Add(500 * time.Millisecond)
		change("tags", []any{"t"})
	}
	if ttl := change("tags", nil); ttl != 57 { // 57.5 s remain
		t.Errorf("after 2.5 s and five changes %v s remain", ttl)
	}
	clock = time.UnixMilli(1_059_500)
	change("tags", []any{"last second"})
	clock = clock.Add(time.Second)
	if got, err := s.Get(t.Context(), entity.KeyAuthCredentials, by); code(err) != entity.CodeNotFound {
		t.Errorf("changed in its last second it lives on: %v, %v", got, err)
	}
	create(t, s, entity.KeyAuthCredentials, entity.Record{"key": "k", "ttl": 60.0, "consumer": refers(consumer.ID())})
	if ttl := change("ttl", 10.0); ttl != 9 { // in whole seconds
		t.Errorf("a new ttl of 10 s leaves %v s", ttl)
	}
	change("ttl", nil)
	clock = clock.Add(time.Hour)
	if _, err := s.Get(t.Context(), entity.KeyAuthCredentials, by); err != nil {
		t.Errorf("without a ttl it does not live on: %v", err)
	}
}

func testTagsOfEverything(t *testing.T, source func(*testing.T) store.Options) {
	s := open(t, source(t))
	for i := range 3 {
		create(t, s, entity.Services, entity.Record{"host": "h", "tags": []any{"all", fmt.Sprint(i)}})
	}
	create(t, s, entity.Consumers, entity.Record{"username": "c", "tags": []any{"all"}})
	count := func(query store.TagQuery) (seen []string) {
		for more := true; more; {
			page, rest, err := s.Tags(t.Context(), query)
			if err != nil {
				t.Fatal(err)
			}
			for _, row := range page {
				seen = append(seen, row.EntityName+row.EntityID+row.Tag)
				query.After = row
			}
			more = rest
		}
		return seen
	}
	unique := map[string]bool{}
	for _, row := range count(store.TagQuery{Size: 2}) {
		unique[row] = true
	}
	if all := count(store.TagQuery{Size: 100}); len(all) != 7 || len(unique) != 7 {
		t.Errorf("%d tags at once and %d by pages, want 7", len(all), len(unique))
	}
	if some := count(store.TagQuery{Size: 1, Tag: "all"}); len(some) != 4 {
		t.Errorf("%d with the tag, want 4", len(some))
	}
}

// testTwoControlPlanes: two that open a new database at once share its identity,
// and of two that make the same name one is refused.
func testTwoControlPlanes(t *testing.T, source func(*testing.T) store.Options) {
	options := source(t)
	var stores [2]*store.Store
	var starting sync.WaitGroup
	for i := range stores {
		starting.Go(func() {
			var err error
			if stores[i], err = store.Open(t.Context(), options); err != nil {
				t.Error(err)
			}
		})
	}
	starting.Wait()
	if t.Failed() {
		return
	}
	var clusters [2]string
	for i, s := range stores {
		defer func() { _ = s.Close() }()
		snapshot, err := storetest.Export(t.Context(), s, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		clusters[i] = snapshot.Cluster
	}
	if clusters[0] == "" || clusters[0] != clusters[1] {
		t.Errorf("the cluster's ids are %q", clusters)
	}
	made := make(chan bool, 20)
	var writing sync.WaitGroup
	for i := range 10 {
		for _, s := range stores {
			record := complete(t, entity.Services, entity.Record{"name": fmt.Sprint("s", i), "host": "h"})
			writing.Go(func() {
				_, err := s.Create(t.Context(), entity.Services, record)
				if err != nil && code(err) != entity.CodeUnique {
					t.Error(err)
				}
				made <- err == nil
			})
		}
	}
	writing.Wait()
	close(made)
	count := 0
	for ok := range made {
		if ok {
			count++
		}
	}
	if snapshot, err := storetest.Export(t.Context(), stores[0], time.Now()); err != nil || count != 10 || snapshot.Entities != 10 || snapshot.Revision != 10 {
		t.Errorf("%d were made, and there are %+v, %v", count, snapshot, err)
	}
}
