// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package roundtrip_test

import (
	"maps"
	"strings"
	"testing"
	"time"

	"blackout/internal/gateway/entity"
	"blackout/internal/gateway/entity/entitytest"
	"blackout/internal/gateway/hybrid"
)

// small is a database of a service with a route that asks for a key, and of who
// has one.
func small(t *testing.T, upstream string, change func(rows map[string][]entity.Record)) *entitytest.Database {
	t.Helper()
	host, port, _ := strings.Cut(upstream, ":")
	id := func(kind string) string { return "0000000" + kind + "-0000-4000-8000-000000000001" }
	rows := map[string][]entity.Record{
		"workspaces":          {{"id": entitytest.DefaultWorkspace, "name": "default"}},
		"parameters":          {{"key": "cluster_id", "value": "x", "created_at": nil}},
		"services":            {{"name": "shop", "host": host, "port": number(port), "path": "/s/1"}},
		"routes":              {{"name": "shop", "paths": []any{"/r/1"}, "service": map[string]any{"id": id("1")}}},
		"consumers":           {{"username": "alice"}},
		"keyauth_credentials": {{"key": "alice's", "consumer": map[string]any{"id": id("3")}}},
		"plugins":             {{"name": "key-auth", "route": map[string]any{"id": id("2")}}},
	}
	for i, name := range []string{"services", "routes", "consumers", "keyauth_credentials", "plugins"} {
		record, err := entity.Lookup(name).Complete(rows[name][0])
		if err != nil {
			t.Fatal(err)
		}
		record["id"] = id(string(rune('1' + i)))
		rows[name][0] = record
	}
	change(rows)
	return &entitytest.Database{Rows: rows}
}

func number(digits string) float64 {
	value := 0.0
	for _, digit := range digits {
		value = 10*value + float64(digit-'0')
	}
	return value
}

// incident takes a message all the way and requires that requests reach the shop.
func incident(t *testing.T, upstream string, message hybrid.Reconfigure, made *entitytest.Database) {
	t.Helper()
	var count tally
	newTrip(t, upstream, &count).check(t, message, made)
	for _, probe := range entitytest.Probes(decode(t, message.Table), time.Now()) {
		if probe.Status == 200 && probe.Upstream == "/s/1" && probe.Consumer != "" {
			return
		}
	}
	t.Error("nothing of the shop is left to ask for")
}

// A service that is disabled stays at home, and so must everything that refers to
// it: what referred to it made the whole configuration unusable, and new data planes
// came up empty (Kong/kong#8816).
func TestDisabledServiceWithAPlugin(t *testing.T) {
	t.Parallel()
	upstream := backend(t)
	made := small(t, upstream, func(rows map[string][]entity.Record) {
		off, route, plugin := maps.Clone(rows["services"][0]), maps.Clone(rows["routes"][0]), maps.Clone(rows["plugins"][0])
		off["id"], off["name"], off["enabled"] = "00000009-0000-4000-8000-000000000001", "off", false
		route["id"], route["name"], route["paths"], route["service"] = "00000009-0000-4000-8000-000000000002", "off", []any{"/r/2"}, map[string]any{"id": off["id"]}
		plugin["id"], plugin["route"], plugin["service"] = "00000009-0000-4000-8000-000000000003", nil, map[string]any{"id": off["id"]}
		rows["services"], rows["routes"], rows["plugins"] = append(rows["services"], off), append(rows["routes"], route), append(rows["plugins"], plugin)
	})
	message := published(t, made)
	if strings.Contains(string(message.Table), "00000009-") {
		t.Errorf("what belongs to the disabled service is handed out: %s", message.Table)
	}
	incident(t, upstream, message, made)
}

// A ws_id on what is in no workspace made a backup that nobody could read (Kong
// Enterprise before 3.15).
func TestWorkspaceOfACACertificate(t *testing.T) {
	t.Parallel()
	upstream := backend(t)
	made := small(t, upstream, func(rows map[string][]entity.Record) {
		cert, digest := entitytest.ExpiredAuthority()
		rows["ca_certificates"] = []entity.Record{{"id": "0000000a-0000-4000-8000-000000000001", "cert": cert, "cert_digest": digest, "tags": nil,
			"created_at": 1700000000.0, "updated_at": 1700000000.0, "ws_id": entitytest.DefaultWorkspace}}
	})
	message := foreign(t, entity.NewTable(made.Rows))
	incident(t, upstream, message, made)
}

// A CA certificate that has expired since made data planes refuse the whole backup
// (Kong Enterprise before 3.15).
func TestExpiredCACertificate(t *testing.T) {
	t.Parallel()
	upstream := backend(t)
	made := small(t, upstream, func(rows map[string][]entity.Record) {
		cert, digest := entitytest.ExpiredAuthority()
		rows["ca_certificates"] = []entity.Record{{"id": "0000000a-0000-4000-8000-000000000001", "cert": cert, "cert_digest": digest, "tags": nil}}
	})
	message := published(t, made)
	table, err := entity.ParseTable(message.Table)
	if err != nil || len(table.Warnings) != 1 || !strings.Contains(table.Warnings[0], "expired") {
		t.Errorf("got %v, %v, want one warning of the expired certificate", table, err)
	}
	incident(t, upstream, message, made)
}

// Names, usernames and keys are unique in a workspace, not among them. Who has a
// key in one workspace must not come in with it in another, and a plugin for
// everything is for everything in its workspace.
func TestEqualNamesInTwoWorkspaces(t *testing.T) {
	t.Parallel()
	upstream := backend(t)
	made := small(t, upstream, func(rows map[string][]entity.Record) {
		const id = "0000000c-0000-4000-8000-000000000001"
		rows["plugins"][0]["route"] = nil
		rows["upstreams"] = []entity.Record{{"id": id, "name": "shop.internal", "host_header": "a.example.com"}}
		rows["targets"] = []entity.Record{{"id": "0000000d-0000-4000-8000-000000000001", "upstream": map[string]any{"id": id}, "target": upstream}}
		rows["services"][0]["host"] = "shop.internal"
	})
	for _, bare := range []bool{false, true} {
		table := entitytest.TwoWorkspaces(jsonOf(t, entity.NewTable(made.Rows)), bare)
		if len(table["services"].([]any)) != 2 || len(table["keyauth_credentials"].([]any)) != 2 {
			t.Fatalf("not everything is there twice: %v", table)
		}
		incident(t, upstream, foreign(t, table), made)
	}
}

// What an exporter notes in the object is outside of the hash.
func TestCommentIsOutsideOfTheHash(t *testing.T) {
	t.Parallel()
	upstream := backend(t)
	made := small(t, upstream, func(map[string][]entity.Record) {})
	message := published(t, made)
	noted := append([]byte(`{"_comment":"blackout epoch=7",`), message.Table[1:]...)
	table, err := entity.ParseTable(noted)
	if err != nil {
		t.Fatal(err)
	}
	if hashes, err := table.Hashes(); err != nil || hashes.Config != message.Hash {
		t.Errorf("with a comment the hash is %s (%v), without %s", hashes.Config, err, message.Hash)
	}
}
