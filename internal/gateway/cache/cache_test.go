// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package cache_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"blackout/internal/gateway/cache"
	"blackout/internal/gateway/entity"
)

var entry = cache.Entry{Hash: "h", Hashes: &entity.Hashes{Config: "h"}, Table: []byte(`{"a": "<b>"}` + "\n")}

func saved(t *testing.T) cache.Cache {
	t.Helper()
	c := cache.Cache{Path: filepath.Join(t.TempDir(), "config.cache"), Version: "3.9.1"}
	if err := c.Save(entry); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestSavedIsLoaded(t *testing.T) {
	t.Parallel()
	c := saved(t)
	got, err := c.Load()
	if err != nil || !reflect.DeepEqual(got, entry) {
		t.Errorf("got %+v, %v", got, err)
	}
	c.Version = "3.9.3" // a patch keeps it
	if _, err := c.Load(); err != nil {
		t.Error(err)
	}
	files, err := os.ReadDir(filepath.Dir(c.Path))
	if err != nil || len(files) != 1 {
		t.Errorf("left behind: %v, %v", files, err)
	}
}

func TestAnotherVersionIsAbsentButNotDamaged(t *testing.T) {
	t.Parallel()
	c := saved(t)
	c.Version = "3.10.0"
	if _, err := c.Load(); !errors.Is(err, cache.ErrAbsent) || errors.Is(err, cache.ErrDamaged) {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(c.Path); err != nil {
		t.Error(err)
	}
}

func TestNoFileIsAbsent(t *testing.T) {
	t.Parallel()
	c := cache.Cache{Path: filepath.Join(t.TempDir(), "config.cache"), Version: "3.9.1"}
	if _, err := c.Load(); !errors.Is(err, cache.ErrAbsent) || errors.Is(err, cache.ErrDamaged) {
		t.Errorf("got %v", err)
	}
}

func TestDamageIsSetAside(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(data []byte) []byte{
		"truncated": func(data []byte) []byte { return data[:len(data)-9] },
		"empty":     func([]byte) []byte { return nil },
		"foreign":   func([]byte) []byte { return []byte("{}") },
		"flipped":   func(data []byte) []byte { data[len(data)/2] ^= 0x10; return data },
		"bomb":      func([]byte) []byte { return compressed(strings.Repeat("x", 32<<20)) },
		"bomb, after a header": func([]byte) []byte {
			return compressed(`{"format":1,"version":"3.9","hash":"h"}` + "\n" + strings.Repeat("x", 32<<20))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := saved(t)
			data, err := os.ReadFile(c.Path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(c.Path, damage(data), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := c.Load(); !errors.Is(err, cache.ErrAbsent) || !errors.Is(err, cache.ErrDamaged) {
				t.Errorf("got %v", err)
			}
			if _, err := os.Stat(c.Damaged()); err != nil {
				t.Error(err)
			}
			if _, err := c.Load(); !errors.Is(err, cache.ErrAbsent) || errors.Is(err, cache.ErrDamaged) {
				t.Errorf("the second time: %v", err)
			}
		})
	}
}

func TestAFailedSaveKeepsTheOld(t *testing.T) {
	t.Parallel()
	c := saved(t)
	other := cache.Cache{Path: filepath.Join(filepath.Dir(c.Path), "none", "config.cache"), Version: "3.9.1"}
	if err := other.Save(entry); err == nil {
		t.Error("saving into no directory works")
	}
	if _, err := c.Load(); err != nil {
		t.Error(err)
	}
}

// A disk that is full fails the save, and is left as it was.
func TestAFullDisk(t *testing.T) {
	t.Parallel()
	c := saved(t)
	if err := os.Symlink("/dev/full", c.Path+".tmp"); err != nil {
		t.Skipf("this system has no /dev/full: %v", err)
	}
	if err := c.Save(cache.Entry{Hash: "new", Table: []byte("{}")}); err == nil || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("got %v", err)
	}
	if got, err := c.Load(); err != nil || got.Hash != "h" {
		t.Errorf("got %+v, %v, want the old one", got, err)
	}
	if _, err := os.Lstat(c.Path + ".tmp"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a part of the new one is left on the disk: %v", err)
	}
}

func compressed(text string) []byte {
	var data bytes.Buffer
	writer := gzip.NewWriter(&data)
	_, _ = writer.Write([]byte(text)) // to memory: never fails
	_ = writer.Close()
	return data.Bytes()
}
