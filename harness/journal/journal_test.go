// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package journal

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

type heading struct {
	Seed uint64 `json:"seed"`
}

type entry struct {
	Name string `json:"name"`
}

func open(t *testing.T, path string) *Journal[heading, entry] {
	t.Helper()
	j, err := Open[heading, entry](path, heading{7})
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// TestGoesOn: what was added is there when the journal is opened again, but for a
// line that was torn.
func TestGoesOn(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "new", "log.jsonl")
	j := open(t, path)
	if err := errors.Join(j.Add(entry{"a"}), j.Add(entry{"b"}), j.Close()); err != nil {
		t.Fatal(err)
	}
	tear(t, path)
	if read, err := Read[heading, entry](path, heading{7}); err != nil || !slices.Equal(read, []entry{{"a"}, {"b"}}) {
		t.Errorf("read %v, %v", read, err)
	}
	j = open(t, path)
	if err := errors.Join(j.Add(entry{"c"}), j.Close()); err != nil {
		t.Fatal(err)
	}
	j = open(t, path)
	defer j.Close()
	if done := j.All(); !slices.Equal(done, []entry{{"a"}, {"b"}, {"c"}}) {
		t.Errorf("done %v", done)
	}
}

// tear leaves half a line at the end of a file.
func tear(t *testing.T, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteString(`{"name":"to`)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ text, says string }{
		"another heading": {"{\"seed\":8}\n", "Seed:8"},
		"no heading":      {"seed 7\n", "first line is no heading"},
		"no entry":        {"{\"seed\":7}\n{\"name\":\"a\"}\nb\n", "line 3"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "log.jsonl")
			if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, openErr := Open[heading, entry](path, heading{7})
			_, readErr := Read[heading, entry](path, heading{7})
			for _, err := range []error{openErr, readErr} {
				if err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), path) {
					t.Errorf("error %v, want one with the path and %q", err, c.says)
				}
			}
			if left, err := os.ReadFile(path); err != nil || string(left) != c.text {
				t.Errorf("it now holds %q, %v", left, err)
			}
		})
	}
}

func TestInUse(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log.jsonl")
	j := open(t, path)
	if _, err := Open[heading, entry](path, heading{7}); !errors.Is(err, ErrInUse) {
		t.Errorf("opened twice: error %v", err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if err := open(t, path).Close(); err != nil {
		t.Error(err)
	}
}

func TestNotThere(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log.jsonl")
	if done, err := Read[heading, entry](path, heading{7}); err != nil || done != nil {
		t.Errorf("read %v, %v", done, err)
	}
}

func TestManyAdd(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log.jsonl")
	j := open(t, path)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if err := j.Add(entry{"x"}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if done, err := Read[heading, entry](path, heading{7}); err != nil || len(done) != 20 {
		t.Errorf("%d entries, %v", len(done), err)
	}
}
