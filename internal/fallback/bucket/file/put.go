// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package file

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"syscall"

	"blackout/internal/fallback/bucket"
)

const (
	fileMode = 0o640
	dirMode  = 0o750
)

// Put implements [bucket.Bucket].
func (b *Bucket) Put(ctx context.Context, key string, body bucket.Body, options bucket.PutOptions) (string, error) {
	return run(ctx, b, "put", key, func(ctx context.Context, root *os.Root) (string, error) {
		if err := checkKey(key); err != nil {
			return "", err
		}
		w := &write{root: root, key: key, dir: path.Dir(key), flock: b.flock, condition: options.If, digest: body.SHA256()}
		w.note = note{SHA256: hex.EncodeToString(w.digest[:]), Write: rand.Text()[:16], Metadata: options.Metadata}
		return w.do(ctx, body)
	})
}

// write is one write of an object.
type write struct {
	root      *os.Root
	key, dir  string
	flock     func(fd, how int) error
	condition bucket.Condition
	digest    [sha256.Size]byte
	note      note

	locked bool // whether no other write is under way
}

func (w *write) do(ctx context.Context, body bucket.Body) (string, error) {
	described, err := json.Marshal(w.note)
	if err != nil {
		return "", err
	}
	if err := w.makeDirs(); err != nil {
		return "", err
	}
	noteFile, err := w.stage()
	if err != nil {
		return "", err
	}
	defer noteFile.discard()
	bodyFile, err := w.stage()
	if err != nil {
		return "", err
	}
	defer bodyFile.discard()
	// What dead writers left goes first: it may be what fills the volume. What is
	// slow is done without the lock, so that a writer that is stopped meanwhile keeps
	// nobody else from writing.
	w.sweepStaged(noteFile)
	if err := noteFile.fill(bucket.BodyOf(described)); err != nil {
		return "", err
	}
	if err := bodyFile.fill(body); err != nil {
		return "", err
	}
	unlock, err := w.lock(ctx)
	if err != nil {
		return "", err
	}
	defer unlock()
	return w.commit(ctx, bodyFile, noteFile)
}

// commit puts what was staged in its place, if the condition holds.
func (w *write) commit(ctx context.Context, bodyFile, noteFile *staged) (string, error) {
	if err := w.check(); err != nil {
		return "", err
	}
	if err := ctx.Err(); err != nil {
		return "", err // nobody waits for it any more
	}
	noted := noteName(path.Base(w.key), w.digest)
	if err := noteFile.rename(path.Join(w.dir, noted)); err != nil {
		return "", err
	}
	if err := bodyFile.rename(w.key); err != nil {
		return "", err
	}
	w.sweepNotes(noted)
	return hex.EncodeToString(w.digest[:16]) + "-" + w.note.Write, nil
}

// check compares the object with the condition. The caller holds the lock.
func (w *write) check() error {
	version, must := w.condition.Version()
	if !must && !w.condition.Absent() {
		return nil
	}
	if w.condition.Absent() {
		_, err := w.root.Lstat(w.key)
		switch {
		case err == nil:
			return fmt.Errorf("%w: there is one", bucket.ErrConflict)
		case errors.Is(err, fs.ErrNotExist):
			return nil
		}
		return err
	}
	info, err := head(w.root, w.key)
	if err != nil {
		return err
	}
	if info.Version != version {
		return fmt.Errorf("%w: its version is %s, not %s", bucket.ErrConflict, info.Version, version)
	}
	return nil
}

// makeDirs makes the directories of the object, and sees that they last.
func (w *write) makeDirs() error {
	if _, err := w.root.Stat(w.dir); err == nil {
		return nil
	}
	if err := w.root.MkdirAll(w.dir, dirMode); err != nil {
		return err
	}
	for dir := w.dir; dir != "."; {
		dir = path.Dir(dir)
		if err := syncDir(w.root, dir); err != nil {
			return err
		}
	}
	return nil
}

// syncDir forces a directory's entries to the disk. Some file systems cannot, and
// keep them in order by themselves.
func syncDir(root *os.Root, name string) error {
	dir, err := root.Open(name)
	if err != nil {
		return err
	}
	defer dir.Close() // it was only read
	if err := dir.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return nil
}
