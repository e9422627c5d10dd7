// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package tmpfs

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"blackout/harness/engine"
)

// mount mounts a disk for the test, or leaves the test out.
func mount(t *testing.T, bytes int64, mark Mark) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "disk with blank")
	err := Mount(dir, bytes, mark)
	if errors.Is(err, engine.ErrUnsupported) {
		t.Skipf("NOT MEASURED: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sweep(t, mark) })
	return dir
}

// sweep takes away one mark's disks.
func sweep(t *testing.T, mark Mark) []string {
	t.Helper()
	removed, err := Sweep(func(m Mark) (bool, error) { return m == mark, nil })
	if err != nil {
		t.Error(err)
	}
	return removed
}

func TestDiskIsFullAtItsSize(t *testing.T) {
	t.Parallel()
	dir := mount(t, 64<<10, Mark{"size", t.Name()})
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, make([]byte, 64<<10), 0o600); err != nil {
		t.Errorf("what fits: %v", err)
	}
	if err := os.WriteFile(file+"2", []byte("more"), 0o600); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("what does not fit: %v", err)
	}
}

func TestDiskBecomesReadOnlyAndBack(t *testing.T) {
	t.Parallel()
	dir := mount(t, 64<<10, Mark{"read-only", t.Name()})
	write := func() error { return os.WriteFile(filepath.Join(dir, "file"), []byte("x"), 0o600) }
	for range 2 {
		for range 2 { // it is idempotent
			if err := Remount(dir, true); err != nil {
				t.Fatal(err)
			}
		}
		if err := write(); !errors.Is(err, unix.EROFS) {
			t.Errorf("write while read-only: %v", err)
		}
		for range 2 {
			if err := Remount(dir, false); err != nil {
				t.Fatal(err)
			}
		}
		if err := write(); err != nil {
			t.Errorf("write after: %v", err)
		}
	}
	open, err := os.Create(filepath.Join(dir, "open"))
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	if err := Remount(dir, true); !errors.Is(err, unix.EBUSY) {
		t.Errorf("with a file open for writing: %v", err)
	}
}

func TestOnlyDisksAreRemounted(t *testing.T) {
	t.Parallel()
	if err := Remount(t.TempDir(), true); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v", err)
	}
}

func TestSweepTakesWhatIsWanted(t *testing.T) {
	t.Parallel()
	mine, theirs := Mark{"swept", t.Name()}, Mark{"kept", t.Name()}
	dir, kept := mount(t, 64<<10, mine), mount(t, 64<<10, theirs)
	open, err := os.Create(filepath.Join(dir, "open")) // in use
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	if removed := sweep(t, mine); len(removed) != 1 {
		t.Errorf("removed %q", removed)
	}
	if err := os.Remove(dir); err != nil {
		t.Errorf("the directory is not free: %v", err)
	}
	if err := Remount(kept, true); err != nil {
		t.Errorf("what was not wanted: %v", err)
	}
}

func TestUselessDisksAreRefused(t *testing.T) {
	t.Parallel()
	if err := Mount(filepath.Join(t.TempDir(), "disk"), 0, Mark{"none", "o"}); err == nil {
		t.Error("a disk of no bytes was mounted")
	}
	if err := Mount(t.TempDir(), 64<<10, Mark{"none", "o"}); !errors.Is(err, os.ErrExist) {
		t.Errorf("over what is there: %v", err)
	}
}
