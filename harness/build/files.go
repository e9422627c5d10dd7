// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package build

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// lockInterval is how often a lock that another process holds is tried again.
// flock cannot wait for a context as well.
const lockInterval = 100 * time.Millisecond

// lock makes the lock file and its directory, and waits until no other build
// holds it. The kernel gives the lock up when its holder dies.
func lock(ctx context.Context, path string) (unlock func(), err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	retry := time.NewTicker(lockInterval)
	defer retry.Stop()
	for {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { file.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), file.Close())
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("wait for the build that holds %s: %w", path, ctx.Err()), file.Close())
		case <-retry.C:
		}
	}
}

// place copies an executable to path in one step: a reader sees all of it or
// nothing, and of two writers of the same content either may win.
func place(from, path string) (err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	partial, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".partial-")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, removeIfThere(partial.Name()))
		}
	}()
	_, err = io.Copy(partial, source)
	if err := errors.Join(err, partial.Chmod(0o755), partial.Close()); err != nil {
		return fmt.Errorf("copy %s: %w", from, err)
	}
	return os.Rename(partial.Name(), path)
}

func removeIfThere(path string) error {
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// prune removes the directories in dir that were last changed before a time.
func prune(dir string, before time.Time) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var errs []error
	for _, entry := range entries {
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) { // another build prunes as well
			continue
		}
		if err != nil {
			errs = append(errs, err)
		} else if info.ModTime().Before(before) {
			errs = append(errs, os.RemoveAll(filepath.Join(dir, entry.Name())))
		}
	}
	return errors.Join(errs...)
}
