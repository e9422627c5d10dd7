// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package file

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"syscall"
	"time"

	"blackout/internal/fallback/bucket"
)

// lockPause is the time between two attempts to get a lock, which others hold for
// a condition's check and two renames.
const lockPause = 5 * time.Millisecond

// lock gets the lock of the directory's writers, and returns what gives it up.
// Where there are no locks, an unconditional write goes on without: a rename alone
// is whole, too.
func (w *write) lock(ctx context.Context) (unlock func(), err error) {
	file, err := w.acquire(ctx)
	if errors.Is(err, errors.ErrUnsupported) && w.condition == (bucket.Condition{}) {
		return func() {}, nil
	}
	if err != nil {
		return nil, err
	}
	w.locked = true
	return func() { _ = file.Close() }, nil // it gives up the lock; nothing was written
}

// acquire does not wait for the lock in the kernel, where a context could not end
// the wait.
func (w *write) acquire(ctx context.Context) (*os.File, error) {
	tick := time.NewTicker(lockPause)
	defer tick.Stop()
	for {
		file, err := w.tryLock()
		if file != nil || err != nil {
			return file, err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, fmt.Errorf("another writer holds %s: %w", path.Join(w.dir, lockName), ctx.Err())
		}
	}
}

// tryLock is the locked file, or nil if another writer holds it.
func (w *write) tryLock() (*os.File, error) {
	name := path.Join(w.dir, lockName)
	file, err := w.root.OpenFile(name, os.O_RDWR|os.O_CREATE, fileMode)
	if err != nil {
		return nil, err
	}
	err = w.flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil && w.isAt(name, file) {
		return file, nil
	}
	_ = file.Close() // nothing was written
	switch {
	case err == nil, errors.Is(err, syscall.EWOULDBLOCK), errors.Is(err, syscall.EINTR):
		return nil, nil
	case errors.Is(err, syscall.ENOLCK), errors.Is(err, errors.ErrUnsupported):
		return nil, fmt.Errorf("%w: the file system has no locks, without which no write can be conditional; let one backup node write, not several: %w: %w",
			bucket.ErrRefused, err, errors.ErrUnsupported)
	}
	return nil, err
}

// isAt says whether a file is still the one of its name: a lock on one that was
// removed keeps nobody out.
func (w *write) isAt(name string, file *os.File) bool {
	opened, err := file.Stat()
	if err != nil {
		return false
	}
	there, err := w.root.Stat(name)
	return err == nil && os.SameFile(opened, there)
}
