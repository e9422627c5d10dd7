// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package file

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"blackout/internal/fallback/bucket"
)

func TestOperationsThatHangAreLeftBehindAndBounded(t *testing.T) {
	t.Parallel()
	b, dir := opened(t)
	before := put(t, b, key, "before", bucket.PutOptions{})
	entered, release := make(chan struct{}), make(chan struct{})
	b.flock = func(fd, how int) error {
		if how&syscall.LOCK_EX != 0 {
			select {
			case entered <- struct{}{}:
			case <-release: // one that found the lock taken and tries again
			}
			<-release
		}
		return syscall.Flock(fd, how)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, maxOperations)
	for range maxOperations {
		go func() {
			_, err := b.Put(ctx, key, bucket.BodyOf([]byte("after")), bucket.PutOptions{})
			ended <- err
		}()
	}
	for range maxOperations {
		<-entered
	}
	cancel()
	for range maxOperations {
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
	}
	short, cancelShort := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancelShort()
	if _, err := b.Head(short, key); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "earlier operations hang") {
		t.Errorf("with all slots taken: %v", err)
	}
	close(release)
	if info, err := b.Head(t.Context(), key); err != nil || info.Version != before {
		t.Errorf("what was left behind took effect: %+v, %v", info, err)
	}
	for range maxOperations { // until all of them have ended
		b.slots <- struct{}{}
	}
	if got, want := names(t, dir), []string{lockName, noteOf("before"), "config.json"}; !sameSet(got, want) {
		t.Errorf("left are %q", got)
	}
}

func sameSet(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

func TestAWriterWaitsForTheLockAsLongAsItsContext(t *testing.T) {
	t.Parallel()
	b, dir := opened(t)
	put(t, b, key, "before", bucket.PutOptions{})
	holder, err := os.OpenFile(filepath.Join(dir, "3.9.1.0", lockName), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Flock(int(holder.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*lockPause)
	defer cancel()
	if _, err := b.Put(ctx, key, bucket.BodyOf([]byte("after")), bucket.PutOptions{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := b.Put(t.Context(), key, bucket.BodyOf([]byte("after")), bucket.PutOptions{})
		ended <- err
	}()
	// A reader needs no lock.
	if object, err := b.Get(t.Context(), key, 100); err != nil || string(object.Body) != "before" {
		t.Errorf("read %q, %v", object.Body, err)
	}
	if err := holder.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestALockThatWasRemovedKeepsNobodyOut(t *testing.T) {
	t.Parallel()
	b, dir := opened(t)
	put(t, b, key, "before", bucket.PutOptions{})
	removed := false
	b.flock = func(fd, how int) error {
		if how&syscall.LOCK_EX != 0 && !removed {
			removed = true
			if err := os.Remove(filepath.Join(dir, "3.9.1.0", lockName)); err != nil {
				t.Error(err)
			}
		}
		return syscall.Flock(fd, how)
	}
	put(t, b, key, "after", bucket.PutOptions{})
	if got := names(t, dir); !slices.Contains(got, lockName) {
		t.Errorf("it wrote without a lock that others see: %q", got)
	}
}

func TestWithoutLocksOnlyUnconditionalWritesWork(t *testing.T) {
	t.Parallel()
	for _, number := range []syscall.Errno{syscall.ENOLCK, syscall.ENOSYS, syscall.EOPNOTSUPP} {
		b, _ := opened(t)
		b.flock = func(int, int) error { return number }
		version := put(t, b, key, table, bucket.PutOptions{Metadata: map[string]string{"n": "1"}})
		for _, condition := range []bucket.Condition{bucket.IfAbsent(), bucket.IfVersion(version)} {
			_, err := b.Put(t.Context(), key, bucket.BodyOf(nil), bucket.PutOptions{If: condition})
			if !errors.Is(err, errors.ErrUnsupported) || !errors.Is(err, bucket.ErrRefused) || !strings.Contains(err.Error(), "let one backup node write") {
				t.Errorf("%v: %v", number, err)
			}
		}
		put(t, b, key, "other", bucket.PutOptions{})
		if object, err := b.Get(t.Context(), key, 100); err != nil || string(object.Body) != "other" {
			t.Errorf("read %q, %v", object.Body, err)
		}
	}
}

func TestWhatDeadWritersLeftIsRemoved(t *testing.T) {
	t.Parallel()
	b, dir := opened(t)
	put(t, b, key, table, bucket.PutOptions{})
	leave := func(name string, age time.Duration) *os.File {
		file, err := os.Create(filepath.Join(dir, "3.9.1.0", name))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = file.Close() })
		when := time.Now().Add(-age)
		if err := os.Chtimes(file.Name(), when, when); err != nil {
			t.Fatal(err)
		}
		return file
	}
	leave(stagedPrefix+"DEAD", time.Minute)
	leave(stagedPrefix+"YOUNG", 0)
	leave(stagedPrefix+"OLD", 2*time.Hour)
	leave(ownPrefix+"config.json.unrelated.meta", 2*time.Hour)
	leave(noteOf("never put in its place"), 0)
	living := leave(stagedPrefix+"LIVING", time.Minute)
	if err := syscall.Flock(int(living.Fd()), syscall.LOCK_SH); err != nil {
		t.Fatal(err)
	}
	put(t, b, key, "new", bucket.PutOptions{})
	want := []string{ownPrefix + "config.json.unrelated.meta", noteOf("new"), lockName, stagedPrefix + "LIVING", stagedPrefix + "YOUNG", "config.json"}
	if got := names(t, dir); !sameSet(got, want) {
		t.Errorf("left are %q, want %q", got, want)
	}
}
