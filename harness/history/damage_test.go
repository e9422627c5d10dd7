// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package history

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// alter changes a file of a recording.
func alter(t *testing.T, dir, name string, change func([]byte) []byte) {
	t.Helper()
	path := filepath.Join(dir, name)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, change(b), 0o600); err != nil {
		t.Fatal(err)
	}
}

func shorter(by int) func([]byte) []byte { return func(b []byte) []byte { return b[:len(b)-by] } }

// withoutEnd is a file of events without its last line.
func withoutEnd(b []byte) []byte {
	return b[:bytes.LastIndexByte(bytes.TrimSuffix(b, []byte("\n")), '\n')+1]
}

func TestDamageIsSeen(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		file     string
		change   func([]byte) []byte
		says     string
		events   int
		requests int
	}{
		"none":                  {eventsFile, func(b []byte) []byte { return b }, "", 2, 2},
		"killed":                {eventsFile, withoutEnd, "harness died", 2, 2},
		"killed while writing":  {eventsFile, func(b []byte) []byte { return shorter(3)(withoutEnd(b)) }, "harness died", 1, 2},
		"end half-written":      {eventsFile, shorter(3), "harness died", 2, 2},
		"written after the end": {eventsFile, func(b []byte) []byte { return append(b, "{\"kind\":\"phase\"}\n"...) }, "after its end", 3, 2},
		"a line is lost": {eventsFile, func(b []byte) []byte {
			i := bytes.IndexByte(b, '\n')
			j := bytes.IndexByte(b[i+1:], '\n')
			return append(b[:i:i], b[i+1+j:]...)
		}, "1 and 2 are there", 1, 2},
		"a letter is another":  {eventsFile, func(b []byte) []byte { return bytes.Replace(b, []byte("dp-1"), []byte("dp-2"), 1) }, "checksums", 2, 2},
		"the seed is another":  {eventsFile, func(b []byte) []byte { return bytes.Replace(b, []byte(`"seed":7`), []byte(`"seed":8`), 1) }, "checksums", 2, 2},
		"a request is cut off": {requestsFile, shorter(3), "2 and 1 are there", 2, 1},
		"a request is lost":    {requestsFile, shorter(RequestSize), "2 and 1 are there", 2, 1},
		"a bit is another":     {requestsFile, func(b []byte) []byte { b[3] ^= 1; return b }, "checksums", 2, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, _, _ := record(t)
			alter(t, dir, c.file, c.change)
			rec, err := Load(dir)
			if err != nil {
				t.Fatal(err)
			}
			if len(rec.Events) != c.events || len(rec.Requests) != c.requests {
				t.Errorf("%d events, %d requests; want %d, %d", len(rec.Events), len(rec.Requests), c.events, c.requests)
			}
			if (rec.Damage == "") != (c.says == "") || !strings.Contains(rec.Damage, c.says) {
				t.Errorf("damage %q, want %q", rec.Damage, c.says)
			}
		})
	}
}

// TestFirstSchemaHasNoEnd: its recordings are whole without one.
func TestFirstSchemaHasNoEnd(t *testing.T) {
	t.Parallel()
	dir, _, _ := record(t)
	alter(t, dir, eventsFile, func(b []byte) []byte {
		return bytes.Replace(withoutEnd(b), []byte(`"schema":2`), []byte(`"schema":1`), 1)
	})
	rec, err := Load(dir)
	if err != nil || rec.Damage != "" || len(rec.Events) != 2 {
		t.Errorf("%d events, damage %q, %v", len(rec.Events), rec.Damage, err)
	}
}

// victimDir tells this test's program to record in a directory until it is
// killed.
const victimDir = "HISTORY_TEST_VICTIM"

// TestSurvivesKill: what a process recorded up to a second before its SIGKILL is
// on disk.
func TestSurvivesKill(t *testing.T) {
	t.Parallel()
	if dir := os.Getenv(victimDir); dir != "" {
		recordAndHang(t, dir)
	}
	dir := filepath.Join(t.TempDir(), "recording")
	victim := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestSurvivesKill$")
	victim.Env = append(os.Environ(), victimDir+"="+dir)
	victim.Stderr = os.Stderr
	out, err := victim.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := victim.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(out, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	awaitSize(t, filepath.Join(dir, requestsFile), 3*RequestSize)
	if err := victim.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = victim.Wait() // it was killed
	rec, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	phases := 0
	for _, e := range rec.Events {
		if e.Kind == PhaseBegin {
			phases++
		}
	}
	if phases != 3 || len(rec.Requests) != 3 || rec.Damage == "" {
		t.Errorf("%d events, %d requests, damage %q; want 3, 3 and that it has no end", phases, len(rec.Requests), rec.Damage)
	}
}

// awaitSize waits until a file has a size: a second, on a machine that is not
// busy.
func awaitSize(t *testing.T, path string, size int64) {
	t.Helper()
	limit := time.After(20 * time.Second)
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for {
		info, err := os.Stat(path)
		if err == nil && info.Size() == size {
			return
		}
		select {
		case <-limit:
			t.Fatalf("%s does not come to %d bytes: %v", path, size, err)
		case <-look.C:
		}
	}
}

// recordAndHang records a little, says so and waits to be killed.
func recordAndHang(t *testing.T, dir string) {
	w, err := Create(dir, Header{Streams: []Stream{{}}})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		w.Event(Event{Kind: PhaseBegin})
		w.Request(Request{})
	}
	if _, err := os.Stdout.WriteString("."); err != nil {
		t.Fatal(err)
	}
	<-t.Context().Done()
}
