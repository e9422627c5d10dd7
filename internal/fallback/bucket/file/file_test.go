// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package file

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"blackout/internal/fallback/bucket"
	"blackout/internal/fallback/bucket/buckettest"
)

const (
	key   = "3.9.1.0/config.json"
	table = `{"_format_version":"3.0","services":[{"name":"a"}]}`
)

// opened is a bucket in a new directory, and the directory.
func opened(t *testing.T) (*Bucket, string) {
	t.Helper()
	dir := t.TempDir()
	b, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b, dir
}

// names are the files beside an object.
func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(dir, filepath.Dir(key)))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

func noteOf(body string) string { return noteName("config.json", sha256.Sum256([]byte(body))) }

func put(t *testing.T, b *Bucket, key, body string, options bucket.PutOptions) string {
	t.Helper()
	version, err := b.Put(t.Context(), key, bucket.BodyOf([]byte(body)), options)
	if err != nil {
		t.Fatal(err)
	}
	return version
}

func TestItKeepsThePromisesOfABucket(t *testing.T) {
	t.Parallel()
	_, dir := opened(t)
	buckettest.Test(t, func(t *testing.T) bucket.Bucket {
		b, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		return b
	})
}

func TestAnObjectIsAFileThatPeopleCanRead(t *testing.T) {
	t.Parallel()
	b, dir := opened(t)
	metadata := map[string]string{"blackout-hash": "h1"}
	version := put(t, b, key, table, bucket.PutOptions{Metadata: metadata})
	if data, err := os.ReadFile(filepath.Join(dir, key)); err != nil || string(data) != table {
		t.Errorf("the file holds %q, %v", data, err)
	}
	object, err := b.Get(t.Context(), key, int64(len(table)))
	if err != nil {
		t.Fatal(err)
	}
	info, err := b.Head(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	if string(object.Body) != table {
		t.Errorf("body %q", object.Body)
	}
	for what, got := range map[string]bucket.Info{"get": object.Info, "head": info} {
		if got.Key != key || got.Size != int64(len(table)) || got.Version != version || got.Modified.IsZero() || !reflect.DeepEqual(got.Metadata, metadata) {
			t.Errorf("%s: %+v, version %s", what, got, version)
		}
	}
	for name, want := range map[string]os.FileMode{key: 0o640, filepath.Join("3.9.1.0", noteOf(table)): 0o640, "3.9.1.0": 0o750} {
		if stat, err := os.Stat(filepath.Join(dir, name)); err != nil || stat.Mode().Perm() != want {
			t.Errorf("%s has mode %v, %v", name, stat.Mode(), err)
		}
	}
	if _, err := b.Get(t.Context(), key, int64(len(table))-1); !errors.Is(err, bucket.ErrTooLarge) {
		t.Errorf("above the limit: %v", err)
	}
	if _, err := b.Get(t.Context(), "3.9.1.0/absent", 1); !errors.Is(err, bucket.ErrNotFound) {
		t.Errorf("absent: %v", err)
	}
	if _, err := b.Get(t.Context(), "3.9.1.0", 1); !errors.Is(err, bucket.ErrNotFound) {
		t.Errorf("a directory: %v", err)
	}
}

func TestEveryWriteHasAVersionOfItsOwn(t *testing.T) {
	t.Parallel()
	b, dir := opened(t)
	seen := map[string]bool{}
	for i, body := range []string{"A", "B", "A", "A"} {
		version := put(t, b, key, body, bucket.PutOptions{Metadata: map[string]string{"n": fmt.Sprint(i)}})
		object, err := b.Get(t.Context(), key, 10)
		if err != nil || object.Version != version || seen[version] || object.Metadata["n"] != fmt.Sprint(i) || string(object.Body) != body {
			t.Errorf("write %d: version %s, read %+v, %v", i, version, object, err)
		}
		seen[version] = true
	}
	if got, want := names(t, dir), []string{noteOf("A"), lockName, "config.json"}; !sameSet(got, want) {
		t.Errorf("left are %q, want %q", got, want)
	}
}

func TestAFileWrittenByHandHasNoMetadata(t *testing.T) {
	t.Parallel()
	b, dir := opened(t)
	version := put(t, b, key, table, bucket.PutOptions{Metadata: map[string]string{"blackout-hash": "h1"}})
	if err := os.WriteFile(filepath.Join(dir, key), []byte(`{}`), 0o600); err != nil {
		t.Fatal(err)
	}
	object, err := b.Get(t.Context(), key, 100)
	if err != nil || string(object.Body) != `{}` || len(object.Metadata) != 0 || object.Version == version || object.Version == "" {
		t.Errorf("got %+v, %v", object, err)
	}
	if _, err := b.Put(t.Context(), key, bucket.BodyOf([]byte(table)), bucket.PutOptions{If: bucket.IfVersion(version)}); !errors.Is(err, bucket.ErrConflict) {
		t.Errorf("a write over it: %v", err)
	}
	put(t, b, key, table, bucket.PutOptions{If: bucket.IfVersion(object.Version)})
}

func TestANoteThatIsNotTheBodysIsIgnored(t *testing.T) {
	t.Parallel()
	other := sha256.Sum256([]byte("other"))
	for name, text := range map[string]string{"torn": `{"sha256":"`, "empty": "", "of another body": fmt.Sprintf(`{"sha256":"%x","write":"w","metadata":{"n":"1"}}`, other)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, dir := opened(t)
			put(t, b, key, table, bucket.PutOptions{Metadata: map[string]string{"n": "1"}})
			if err := os.WriteFile(filepath.Join(dir, "3.9.1.0", noteOf(table)), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			object, err := b.Get(t.Context(), key, 100)
			digest := sha256.Sum256([]byte(table))
			if err != nil || string(object.Body) != table || len(object.Metadata) != 0 || object.Version != hex.EncodeToString(digest[:16]) {
				t.Errorf("got %+v, %v", object, err)
			}
		})
	}
}

func TestWritesAreConditional(t *testing.T) {
	t.Parallel()
	b, _ := opened(t)
	buckettest.TestEveryWrite(t, b, key, "x")
}

// Every writer counts up from what it read. Had two of them won with one version, a
// count would be lost.
func TestConditionalWritersCount(t *testing.T) {
	t.Parallel()
	b, dir := opened(t)
	put(t, b, key, "0", bucket.PutOptions{})
	const writers, rounds = 8, 8
	var wait sync.WaitGroup
	for range writers {
		own, err := Open(dir) // as another process has it
		if err != nil {
			t.Fatal(err)
		}
		wait.Go(func() {
			for won := 0; won < rounds; {
				object, err := own.Get(t.Context(), key, 100)
				if err != nil {
					t.Error(err)
					return
				}
				var n int
				if _, err := fmt.Sscan(string(object.Body), &n); err != nil {
					t.Error(err)
					return
				}
				_, err = own.Put(t.Context(), key, bucket.BodyOf(fmt.Append(nil, n+1)), bucket.PutOptions{If: bucket.IfVersion(object.Version)})
				switch {
				case err == nil:
					won++
				case !errors.Is(err, bucket.ErrConflict):
					t.Error(err)
					return
				}
			}
		})
	}
	wait.Wait()
	if object, err := b.Get(t.Context(), key, 100); err != nil || string(object.Body) != fmt.Sprint(writers*rounds) {
		t.Errorf("counted to %q, %v", object.Body, err)
	}
}

func TestAReaderNeverSeesATornPair(t *testing.T) {
	t.Parallel()
	b, dir := opened(t)
	write := func(n int) {
		body := strings.Repeat(fmt.Sprint(n%2), 1<<16)
		put(t, b, key, body, bucket.PutOptions{Metadata: map[string]string{"body": body[:1]}})
	}
	write(0)
	var reads atomic.Int64
	ctx, stop := context.WithCancel(t.Context())
	var readers sync.WaitGroup
	for range 2 {
		own, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		readers.Go(func() {
			for ctx.Err() == nil {
				object, err := own.Get(t.Context(), key, 1<<20)
				if err != nil {
					t.Error(err)
					return
				}
				if first := string(object.Body[:1]); len(object.Body) != 1<<16 || strings.Trim(string(object.Body), first) != "" || object.Metadata["body"] != first {
					t.Errorf("read %d bytes of %s with the metadata %v", len(object.Body), first, object.Metadata)
					return
				}
				reads.Add(1)
			}
		})
	}
	for n := 1; n < 60 || reads.Load() < 60 && !t.Failed(); n++ {
		write(n)
	}
	stop()
	readers.Wait()
}

func TestListTellsOfObjectsAlone(t *testing.T) {
	t.Parallel()
	b, dir := opened(t)
	for _, key := range []string{"p/3.10/config.json", "p/3.9/config.json", "p/3.9/election/lease.json", "p2/x", "p/3.9/a"} {
		put(t, b, key, key, bucket.PutOptions{Metadata: map[string]string{"n": "1"}})
	}
	// A volume that Kubernetes makes of a ConfigMap is made of links.
	if err := os.MkdirAll(filepath.Join(dir, "q", "..data"), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "q", "..data", "config.json"), []byte("linked"), 0o600); err != nil {
		t.Fatal(err)
	}
	for link, target := range map[string]string{"q/config.json": "..data/config.json", "q/broken": "nothing", "q/outside": "/etc/passwd"} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	tests := map[string][]string{
		"p/":         {"p/3.10/config.json", "p/3.9/a", "p/3.9/config.json", "p/3.9/election/lease.json"},
		"p/3.9/":     {"p/3.9/a", "p/3.9/config.json", "p/3.9/election/lease.json"},
		"p/3.9/e":    {"p/3.9/election/lease.json"},
		"p":          {"p/3.10/config.json", "p/3.9/a", "p/3.9/config.json", "p/3.9/election/lease.json", "p2/x"},
		"p2/x":       {"p2/x"},
		"q/c":        {"q/config.json"},
		"absent/":    nil,
		"../":        nil,
		"/":          nil,
		"q/..data/c": nil,
	}
	for prefix, want := range tests {
		listed, _, err := b.List(t.Context(), prefix, 100)
		if err != nil {
			t.Errorf("%q: %v", prefix, err)
			continue
		}
		var keys []string
		for _, info := range listed {
			keys = append(keys, info.Key)
			if head, err := b.Head(t.Context(), info.Key); err != nil || head.Version != info.Version || head.Size != info.Size || info.Metadata != nil {
				t.Errorf("listed %+v, there is %+v, %v", info, head, err)
			}
		}
		if !slices.Equal(keys, want) {
			t.Errorf("%q: %q, want %q", prefix, keys, want)
		}
	}
}

func TestKeysStayInTheDirectory(t *testing.T) {
	t.Parallel()
	b, dir := opened(t)
	outside := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(outside, []byte(table), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"", "/", "../secret", "a/../../secret", lockName, "..data", "a/.blackout-b", "a//b", "a/", "/etc/passwd", "a\x00b", "link", "link/a", strings.Repeat("x", 200)} {
		if object, err := b.Get(t.Context(), key, 1000); err == nil {
			t.Errorf("get %q: %q", key, object.Body)
		}
		if key == "link" {
			continue // a write replaces the link itself
		}
		if _, err := b.Put(t.Context(), key, bucket.Body{}, bucket.PutOptions{}); err == nil {
			t.Errorf("put %q: accepted", key)
		}
	}
	put(t, b, "link", "mine", bucket.PutOptions{})
	if data, err := os.ReadFile(outside); err != nil || string(data) != table {
		t.Errorf("outside is %q, %v", data, err)
	}
}

func TestADirectoryThatIsNotThereIsNotMade(t *testing.T) {
	t.Parallel()
	_, dir := opened(t)
	b, err := Open(filepath.Join(dir, "unmounted"))
	if err != nil {
		t.Fatal(err)
	}
	_, get := b.Get(t.Context(), key, 1)
	_, put := b.Put(t.Context(), key, bucket.Body{}, bucket.PutOptions{})
	_, _, list := b.List(t.Context(), "", 100)
	for _, err := range []error{get, put, list} {
		if !errors.Is(err, bucket.ErrNotFound) || !strings.Contains(fmt.Sprint(err), "is the volume mounted?") {
			t.Errorf("error %v", err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "unmounted")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it is there: %v", err)
	}
	if _, err := Open("relative/path"); err == nil {
		t.Error("a relative path was accepted")
	}
}

func TestAPipeInAnObjectsPlaceDoesNotHang(t *testing.T) {
	t.Parallel()
	b, dir := opened(t)
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Skipf("no named pipes here: %v", err)
	}
	if _, err := b.Get(t.Context(), "pipe", 1); !errors.Is(err, bucket.ErrNotFound) {
		t.Errorf("error %v", err)
	}
	if listed, _, err := b.List(t.Context(), "", 100); err != nil || len(listed) != 0 {
		t.Errorf("listed %v, %v", listed, err)
	}
}

func TestTheSystemsErrorsAreClassified(t *testing.T) {
	t.Parallel()
	for number, want := range map[syscall.Errno]error{
		syscall.ENOENT: bucket.ErrNotFound, syscall.ENOTDIR: bucket.ErrNotFound,
		syscall.EACCES: bucket.ErrDenied, syscall.EPERM: bucket.ErrDenied, syscall.EROFS: bucket.ErrDenied,
		syscall.ENOSPC: bucket.ErrUnavailable, syscall.EDQUOT: bucket.ErrUnavailable, syscall.EIO: bucket.ErrUnavailable, syscall.ESTALE: bucket.ErrUnavailable,
	} {
		err := classify(&os.PathError{Op: "openat", Path: "relative", Err: number})
		if !errors.Is(err, want) || !errors.Is(err, number) || strings.Contains(err.Error(), "relative") {
			t.Errorf("%v: %v", number, err)
		}
	}
}
