// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package cache_test

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
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

func FuzzLoad(f *testing.F) {
	c := cache.Cache{Path: filepath.Join(f.TempDir(), "seed"), Version: "3.9.1"}
	if err := c.Save(entry); err != nil {
		f.Fatal(err)
	}
	seed, err := os.ReadFile(c.Path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Add([]byte{0x1f, 0x8b, 8})
	f.Fuzz(func(t *testing.T, data []byte) {
		c := cache.Cache{Path: filepath.Join(t.TempDir(), "config.cache"), Version: "3.9.1"}
		if err := os.WriteFile(c.Path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Load(); err != nil && !errors.Is(err, cache.ErrAbsent) {
			t.Fatalf("got %v", err)
		}
	})
}
