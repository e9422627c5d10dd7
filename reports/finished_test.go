// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"testing"

	"blackout/harness/history"
	"blackout/harness/oracle"
	"blackout/reports/slo"
)

// keptRuns are real runs, one of each outcome.
var keptRuns = []string{"good", "violated", "invalid", "not-proven"}

// record writes a recording's files, whole, into dir.
func record(tb testing.TB, dir string, rec *history.Recording) {
	tb.Helper()
	var events, requests bytes.Buffer
	lines := json.NewEncoder(&events)
	encode := func(v any) {
		if err := lines.Encode(v); err != nil {
			tb.Fatal(err)
		}
	}
	encode(rec.Header)
	for _, e := range rec.Events {
		encode(e)
	}
	if err := binary.Write(&requests, binary.LittleEndian, rec.Requests); err != nil {
		tb.Fatal(err)
	}
	table := crc32.MakeTable(crc32.Castagnoli)
	encode(history.Event{Kind: "recording.end", Events: len(rec.Events), Requests: len(rec.Requests),
		Text: fmt.Sprintf("crc32c %08x %08x", crc32.Checksum(events.Bytes(), table), crc32.Checksum(requests.Bytes(), table))})
	store(tb, filepath.Join(dir, "events.jsonl"), events.Bytes())
	store(tb, filepath.Join(dir, "requests.bin"), requests.Bytes())
}

// store writes a file, and the directory that it is in.
func store(tb testing.TB, path string, content []byte) {
	tb.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		tb.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o644); err != nil {
		tb.Fatal(err)
	}
}

// finished writes an input as a finished run's directory: recording, SLO file and report.
func finished(tb testing.TB, in Input) string {
	tb.Helper()
	dir := tb.TempDir()
	record(tb, filepath.Join(dir, "recording"), in.Recording)
	if in.SLO != nil {
		store(tb, filepath.Join(dir, "slo", in.SLO.Name), in.SLO.Source)
	}
	if _, err := Write(dir, in); err != nil {
		tb.Fatal(err)
	}
	return dir
}

// kept is a kept recording as oracles judge it today, with an SLO file.
func kept(t *testing.T, recording, objectives string) Input {
	t.Helper()
	rec, err := history.Load(recording)
	if err != nil {
		t.Fatal(err)
	}
	result, err := oracle.Judge(rec, rec.Header.Promises)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := slo.Read(objectives)
	if err != nil {
		t.Fatal(err)
	}
	return Input{Recording: rec, Result: result, Environment: environment(), SLO: &doc}
}

// keptRun is a kept run, as [blackout/reports/internal/kept] names it.
func keptRun(t *testing.T, name string) Input {
	t.Helper()
	dir := filepath.Join("testdata", "runs", name)
	return kept(t, filepath.Join(dir, "recording"), filepath.Join(dir, "slo", "ci.yaml"))
}
