// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package store_test

import (
	"fmt"
	"testing"
	"time"

	"blackout/internal/gateway/entity"
	"blackout/internal/gateway/store"
)

// since returns what changed, in short: "+" for what is there, "-" for what is
// gone, and "whole" before it if everything was read.
func since(t *testing.T, s *store.Store, position *store.Position) string {
	t.Helper()
	delta, err := s.Since(t.Context(), *position)
	if err != nil {
		t.Fatal(err)
	}
	*position = delta.Position
	told := ""
	if delta.Whole {
		told = "whole "
	}
	for _, row := range delta.Rows {
		if row.Body == nil {
			told += "-" + row.Kind + " "
			continue
		}
		record, err := row.Record()
		if err != nil {
			t.Fatal(err)
		}
		told += "+" + record.Text("name") + record.Text("key") + " "
	}
	return told + fmt.Sprint(delta.Entities)
}

func testSince(t *testing.T, source func(*testing.T) store.Options) {
	now := time.Unix(1_700_000_000, 0)
	options := source(t)
	options.Now = func() time.Time { return now }
	s := open(t, options)
	var position store.Position
	expect := func(want string) {
		t.Helper()
		if got := since(t, s, &position); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	expect("whole 0")
	a := create(t, s, entity.Services, entity.Record{"name": "a", "host": "h"})
	expect("whole +a 1") // before the first change there is nothing to go on from
	expect("1")
	create(t, s, entity.Routes, entity.Record{"name": "r", "paths": []any{"/"}, "service": map[string]any{"id": a.ID()}})
	create(t, s, entity.Plugins, entity.Record{"name": "key-auth", "service": map[string]any{"id": a.ID()}})
	user := create(t, s, entity.Consumers, entity.Record{"username": "u"})
	expect("+ +key-auth +r 4")
	create(t, s, entity.Lookup("keyauth_credentials"), entity.Record{"key": "k", "ttl": 10.0, "consumer": map[string]any{"id": user.ID()}})
	expect("+k 5")
	now = now.Add(time.Minute)
	create(t, s, entity.Services, entity.Record{"name": "b", "host": "h"}) // takes the expired away
	expect("-keyauth_credentials +b 5")
	if _, err := s.Delete(t.Context(), entity.Routes, named("r")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Delete(t.Context(), entity.Services, named("a")); err != nil {
		t.Fatal(err)
	}
	expect("-plugins -routes -services 2")
	other := open(t, source(t))
	if got := since(t, other, &position); got != "whole 0" {
		t.Errorf("another database: got %q", got)
	}
}

// testHalfADatabase: tables that are not all filled yet are no configuration.
func testHalfADatabase(t *testing.T, source func(*testing.T) store.Options) {
	for _, table := range []string{"revision", "parameters"} {
		options := source(t)
		s := open(t, options)
		create(t, s, entity.Services, entity.Record{"name": "s", "host": "h"})
		behindItsBack(t, options, `DELETE FROM `+table)
		if delta, err := s.Since(t.Context(), store.Position{}); err == nil {
			t.Errorf("without %s: read %d entities", table, delta.Entities)
		}
	}
}
