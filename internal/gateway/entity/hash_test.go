// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package entity_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"blackout/internal/gateway/entity"
)

func decode(t *testing.T, text string) any {
	t.Helper()
	var value any
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Fatalf("decode %s: %v", text, err)
	}
	return value
}

func TestHashVectors(t *testing.T) {
	t.Parallel()
	tables := map[string]string{
		`{}`: "2da3c26e4dbd6dd6ea3ab60a3dd7fb3e",
		`{"routes":[],"services":[],"plugins":[]}`: "81aac97a81ad03c0cf0b36663806488e",
		`{"upstreams":[],"targets":[]}`:            "4d60dd9998ea4314039da5ca2f1db96f",
	}
	for text, want := range tables {
		hashes := entity.Hash(decode(t, text).(map[string]any))
		if hashes.Config != want {
			t.Errorf("hash of %s: got %s, want %s", text, hashes.Config, want)
		}
	}
	values := map[string]string{
		`null`: "5bf07a8b7343015026657d1108d8206e",
		`10`:   "d3d9446802a44259755d38e6d163e820",
		`0.9`:  "a894124cc6d5c5c71afe060d5dde0762",
		`[]`:   "99914b932bd37a50b983c5e7c90ae93b",
		`{}`:   "99914b932bd37a50b983c5e7c90ae93b",
	}
	for text, want := range values {
		if got := entity.HashValue(decode(t, text)); got != want {
			t.Errorf("hash of value %s: got %s, want %s", text, got, want)
		}
	}
}

func TestHashSeparators(t *testing.T) {
	t.Parallel()
	// Values that serialise to the same bytes hash alike: this pins the places
	// of the separators.
	cases := []struct {
		name, value, bytes string
		same               bool
	}{
		{"one element has no separator", `["a"]`, `"a"`, true},
		{"five elements are joined", `["a","b","c","d","e"]`, `"a;b;c;d;e"`, true},
		{"six elements are each closed", `["a","b","c","d","e","f"]`, `"a;b;c;d;e;f;"`, true},
		{"six elements are not joined", `["a","b","c","d","e","f"]`, `"a;b;c;d;e;f"`, false},
		{"keys are sorted", `{"b":1,"a":true}`, `"a:true;b:1;"`, true},
		{"fourteen digits", `1700000000.123`, `"1700000000.123"`, true},
		{"large numbers", `1e15`, `"1e+15"`, true},
	}
	for _, c := range cases {
		same := entity.HashValue(decode(t, c.value)) == entity.HashValue(decode(t, c.bytes))
		if same != c.same {
			t.Errorf("%s: %s and %s hash alike: %v, want %v", c.name, c.value, c.bytes, same, c.same)
		}
	}
}

func TestHashFoldsLargeValues(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 1_000_001)
	whole := entity.HashValue([]any{long, "y"})
	if plain := entity.HashValue(long + ";y"); plain == whole {
		t.Fatal("a value beyond the limit was not folded")
	}
	short := strings.Repeat("x", 999_999) // with its semicolon exactly the limit
	if entity.HashValue([]any{short, "y"}) != entity.HashValue(short+";y") {
		t.Fatal("a value at the limit was folded")
	}
}

func TestHashOfRecordedConfigurations(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join(corpusFile(t, "wire"), "*", "*reconfigure*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no recordings found: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var message struct {
			Hashes entity.Hashes  `json:"hashes"`
			Table  map[string]any `json:"config_table"`
		}
		if err := json.Unmarshal(text, &message); err != nil {
			t.Fatal(err)
		}
		got := entity.Hash(message.Table)
		if strings.Contains(file, "redacted") {
			got.Config = message.Hashes.Config // the keys are taken out of the rest
		}
		if got != message.Hashes {
			t.Errorf("%s: got %+v, want %+v", filepath.Base(file), got, message.Hashes)
		}
	}
}

func FuzzHash(f *testing.F) {
	f.Add([]byte(`{"routes":[1,2,3,4,5,6],"x":{"b":null,"a":[true,-0.5e-7]}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var table map[string]any
		if json.Unmarshal(text, &table) != nil {
			return
		}
		hashes := entity.Hash(table)
		if len(hashes.Config) != 32 {
			t.Fatalf("got hash %q", hashes.Config)
		}
		again, err := json.Marshal(table)
		if err != nil {
			t.Fatal(err)
		}
		clear(table)
		if err := json.Unmarshal(again, &table); err != nil {
			t.Fatal(err)
		}
		if entity.Hash(table) != hashes {
			t.Fatalf("the hash of %s changes with its spelling", text)
		}
	})
}
