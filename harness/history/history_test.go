// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package history

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func record(t *testing.T) (dir string, events []Event, requests []Request) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "recording")
	w, err := Create(dir, Header{Run: "r1", Scenario: "s", Seed: 7, Streams: []Stream{{Name: "a"}, {Name: "b"}}})
	if err != nil {
		t.Fatal(err)
	}
	events = []Event{
		{At: 1, Kind: StepBegin, Step: 1, Text: "bring up"},
		{At: 5, Kind: ReadyChange, Node: "dp-1", Code: 503, Text: "no configuration available"},
	}
	requests = []Request{
		{Intended: 10, Sent: 11, Done: 1 << 40, Generation: 1 << 31, Stream: 1, Status: 200, Class: Good, Flags: Masked},
		{Intended: 20, Sent: 21, Done: 22, Class: Timeout},
	}
	for _, e := range events {
		w.Event(e)
	}
	for _, r := range requests {
		w.Request(r)
	}
	if got, want := w.Counts(), (Counts{Events: 2, Requests: 2}); got != want {
		t.Errorf("counts %+v, want %+v", got, want)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return dir, events, requests
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	dir, events, requests := record(t)
	rec, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(rec.Events, events) {
		t.Errorf("events\n got %+v\nwant %+v", rec.Events, events)
	}
	if !reflect.DeepEqual(rec.Requests, requests) {
		t.Errorf("requests\n got %+v\nwant %+v", rec.Requests, requests)
	}
	if rec.Damage != "" {
		t.Errorf("a whole recording is damaged: %s", rec.Damage)
	}
	if rec.Header.Seed != 7 || rec.Header.Schema != Schema || rec.Header.Started.IsZero() {
		t.Errorf("header %+v", rec.Header)
	}
}

func TestLoadRefuses(t *testing.T) {
	t.Parallel()
	header := `{"schema":1,"streams":[]}` + "\n"
	for name, c := range map[string]struct{ events, requests, want string }{
		"empty":          {"", "", "no header"},
		"other schema":   {`{"schema":99}` + "\n", "", "schema 99"},
		"broken event":   {header + "{\n", "", "events.jsonl:2"},
		"unknown stream": {header, strings.Repeat("\x01", RequestSize), "names stream"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for file, content := range map[string]string{eventsFile: c.events, requestsFile: c.requests} {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := Load(dir); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
}

func TestWriteAfterClose(t *testing.T) {
	t.Parallel()
	w, err := Create(t.TempDir(), Header{})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	w.Event(Event{Kind: StepBegin})
	if err := w.Close(); err == nil {
		t.Error("an event written after Close was lost without an error")
	}
}
