// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package history

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"testing"
)

// full is an event with every field set.
func full(t testing.TB) Event {
	t.Helper()
	var e Event
	v := reflect.ValueOf(&e).Elem()
	for i := range v.NumField() {
		switch f := v.Field(i); f.Kind() {
		case reflect.Int, reflect.Int64:
			f.SetInt(int64(1000 + i))
		case reflect.Float64:
			f.SetFloat(0.125)
		case reflect.Bool:
			f.SetBool(true)
		case reflect.String:
			f.SetString(fmt.Sprintf("dp-%d>cp é \"\\\n\u2028", i))
		default:
			t.Fatalf("a field of an event is a %s", f.Kind())
		}
	}
	return e
}

// TestDecodeReadsEveryField: a field that is added and forgotten here would be
// read slowly, not wrongly; the fast way must know all.
func TestDecodeReadsEveryField(t *testing.T) {
	t.Parallel()
	want := full(t)
	line, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	line = bytes.ReplaceAll(line, []byte(`\u2028`), []byte("\u2028")) // which only the slow way reads
	var got Event
	if d := newDecoder(); !d.object(&scanner{rest: line}, &got) {
		t.Errorf("%s is not read by hand", line)
	}
	if got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestDecodeLeavesTheRestToOthers(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]Event{
		`{"t":1,"kind":"phase","text":"\u00e9\ud83d\ude00"}`:     {At: 1, Kind: PhaseBegin, Text: "é😀"},
		`{ "t": 1, "kind": "phase" }`:                            {At: 1, Kind: PhaseBegin},
		`{"t":1,"kind":"phase","later":{"a":[1,2]},"text":"x"}`:  {At: 1, Kind: PhaseBegin, Text: "x"},
		`{"T":1,"kind":"phase"}`:                                 {At: 1, Kind: PhaseBegin},
		`{"t":1,"kind":"phase","text":null}`:                     {At: 1, Kind: PhaseBegin},
		`{"t":-5,"kind":"phase","ok":false}`:                     {At: -5, Kind: PhaseBegin},
		`{"t":1,"kind":"metric","value":1e3}`:                    {At: 1, Kind: Metric, Value: 1000},
		`{}`:                                                     {},
		`{"kind":"node.log","text":"\u001b[31m \"a\" \\ \/ \t"}`: {Kind: NodeLog, Text: "\x1b[31m \"a\" \\ / \t"},
		`{"t":9223372036854775807,"kind":"phase"}`:               {At: 9223372036854775807, Kind: PhaseBegin},
		`{"t":1,"kind":"phase","text":"a\ud83d"}`:                {At: 1, Kind: PhaseBegin, Text: "a\ufffd"},
		"{\"t\":1,\"kind\":\"phase\",\"text\":\"\xff\"}":         {At: 1, Kind: PhaseBegin, Text: "\ufffd"},
	} {
		var got Event
		if err := newDecoder().event([]byte(line), &got); err != nil || got != want {
			t.Errorf("%s: %+v, %v; want %+v", line, got, err, want)
		}
	}
	for _, line := range []string{``, `{`, `[]`, `{"t":01}`, `{"t":1.5}`, `{"t":1,}`, `{"t":1}x`, `{"t":"1"}`, `{"text":"\x"}`, "{\"text\":\"\n\"}", `{"ok":truefalse}`, `{"value":1.}`} {
		var got Event
		if err := newDecoder().event([]byte(line), &got); err == nil {
			t.Errorf("%s was read as %+v", line, got)
		}
	}
}

// FuzzDecode: a line is read as encoding/json reads it, or refused as there.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"t":1,"kind":"phase"}`))
	f.Add([]byte(`{"t":1,"until":2,"kind":"node.log","text":"a\"\\\u0041\ud83d","value":-0.5e-3,"ok":true}`))
	f.Add([]byte(`{"T":1,"t":2}`))
	f.Add([]byte(`{"text":"a","text":null,"ok":false}`))
	if line, err := json.Marshal(full(f)); err == nil {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		var want, got Event
		wantErr := json.Unmarshal(line, &want)
		if err := newDecoder().event(line, &got); (err == nil) != (wantErr == nil) || err == nil && got != want {
			t.Errorf("%q:\n got %+v, %v\nwant %+v, %v", line, got, err, want, wantErr)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	for name, e := range map[string]Event{
		"log":   {At: 4_000_000_000, Kind: NodeLog, Node: "dp-1", Text: `2026/11/23 05:44:25 level=info msg="dialling the control plane" attempt=7 address=127.0.0.1:34567`},
		"check": {At: 4_000_000_000, Until: 4_000_100_000, Kind: ReadyCheck, Node: "dp-1", Code: 404},
		"store": {At: 4_000_000_000, Until: 4_000_100_000, Kind: StoreRequest, Node: "dp-1", Text: "GET blackout/backup/3.9.1/config.json", Code: 200, Bytes: 50_000, OK: true},
	} {
		line, err := json.Marshal(e)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			d := newDecoder()
			b.SetBytes(int64(len(line)))
			b.ReportAllocs()
			for b.Loop() {
				var got Event
				if err := d.event(line, &got); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
