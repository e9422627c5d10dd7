// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package file

import (
	"crypto/rand"
	"io"
	"os"
	"path"
	"strings"
	"syscall"
	"time"

	"blackout/internal/fallback/bucket"
)

// staged is a file under a name of its own, on its way to its place. Its writer
// locks it for as long as it lives, so that it can be told from what dead ones left.
type staged struct {
	root *os.Root
	file *os.File
	name string // empty once it is in its place
}

// stage makes an empty file beside the object.
func (w *write) stage() (*staged, error) {
	name := path.Join(w.dir, stagedPrefix+rand.Text())
	file, err := w.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return nil, err
	}
	// Without locks its age alone protects it.
	_ = w.flock(int(file.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
	return &staged{root: w.root, file: file, name: name}, nil
}

// fill writes it and forces it to the disk.
func (s *staged) fill(data bucket.Body) error {
	if _, err := io.Copy(s.file, data.Reader()); err != nil {
		return err
	}
	return s.file.Sync()
}

// rename puts it in the place of target, for good.
func (s *staged) rename(target string) error {
	if err := s.root.Rename(s.name, target); err != nil {
		return err
	}
	s.name = ""
	return syncDir(s.root, path.Dir(target))
}

// discard removes it if it is not in its place.
func (s *staged) discard() {
	if s.name != "" {
		// If it stays, a later write removes it.
		_ = s.root.Remove(s.name)
		s.name = ""
	}
	_ = s.file.Close() // it is on the disk, or of no use
}

// The age of a file that is believed to be left behind, by the file system's own
// clock: a young one may just not be locked yet, and where there are no locks its
// writer may live.
const (
	deadAge     = 10 * time.Second
	lockfreeAge = time.Hour
)

// sweepStaged removes what dead writers left in the directory; mine tells what time
// it is there. That it fails keeps nobody from writing.
func (w *write) sweepStaged(mine *staged) {
	now, err := mine.file.Stat()
	if err != nil {
		return
	}
	for _, name := range w.names(stagedPrefix, "") {
		full := path.Join(w.dir, name)
		found, err := w.root.Lstat(full)
		if err != nil || !found.Mode().IsRegular() {
			continue
		}
		age := now.ModTime().Sub(found.ModTime())
		if age > lockfreeAge || (age > deadAge && w.abandoned(full)) {
			_ = w.root.Remove(full) // the next write tries again
		}
	}
}

// abandoned tells whether nobody holds a lock on a file.
func (w *write) abandoned(name string) bool {
	file, err := w.root.Open(name)
	if err != nil {
		return false
	}
	defer file.Close() // it gives up the lock, too
	return w.flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil
}

// sweepNotes removes the notes of earlier bodies. Without the lock, one may be that
// of a body that is about to be put in its place: the young ones stay.
func (w *write) sweepNotes(current string) {
	mine, err := w.root.Lstat(path.Join(w.dir, current))
	if err != nil {
		return
	}
	for _, name := range w.names(ownPrefix+path.Base(w.key)+".", noteSuffix) {
		if name == current || len(name) != len(current) {
			continue
		}
		full := path.Join(w.dir, name)
		found, err := w.root.Lstat(full)
		if err == nil && (w.locked || mine.ModTime().Sub(found.ModTime()) > lockfreeAge) {
			_ = w.root.Remove(full) // the next write tries again
		}
	}
}

// names are the files in the object's directory whose names begin and end so.
func (w *write) names(prefix, suffix string) []string {
	dir, err := w.root.Open(w.dir)
	if err != nil {
		return nil
	}
	defer dir.Close()              // it was only read
	all, _ := dir.Readdirnames(-1) // what cannot be read is swept another time
	var names []string
	for _, name := range all {
		if strings.HasPrefix(name, prefix) && strings.HasSuffix(name, suffix) {
			names = append(names, name)
		}
	}
	return names
}
