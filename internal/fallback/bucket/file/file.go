// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package file is a [bucket.Bucket] in a directory, such as a mounted volume. An
// object's key is the path of its file below the directory, and the file holds the
// body as it is, so that people and other programs can read it.
//
// What else belongs to an object lies beside it in a note, ".blackout-<name>.<SHA-256
// of the body>.meta": its metadata, and a value that is new with every write. A write
// puts the new body's note in place first, then renames the new body over the old
// one, each forced to the disk, and last removes the old body's note. So the body
// that is there has its note at every instant, and a reader, who looks for the note
// of the bytes that it has read, never pairs a body with another one's. A body without
// a note of its own, which somebody else wrote, has no metadata. A process that is
// killed leaves a complete object, and at most files that the next write removes.
//
// An object's version is made of its body's digest and of the note's value: it
// changes with every write, and when somebody changes the file by hand. Head and
// List read whole files to learn it.
//
// Writers exclude each other by flock(2) on ".blackout-lock" in the object's directory, held
// only while the condition is checked and the renaming done. The kernel gives up a
// dead process's lock. On NFS this works if the server and the mount support locks
// (Linux makes them byte-range locks; not with nolock or local_lock=flock), but a
// client that is cut off for longer than the server's lease loses its lock without
// being told. FUSE file systems over object stores mostly lock within one machine
// only. On either, do not let several backup nodes write. Where there are no locks at all,
// a conditional write fails with an error that is [errors.ErrUnsupported].
//
// The directory itself is never made: a volume that is not mounted must not look
// like an empty one. Files are made with mode 0640 and directories with 0750, for
// the configuration holds secrets. Keys with parts that begin with ".blackout-" or ".." are refused.
//
// An operation on a server that is gone may hang in the kernel for as long as the
// mount's options say. Calls return when their context ends; the operation is then
// left behind, and a write that was left behind does not take effect after that
// unless it was already being renamed.
package file

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"blackout/internal/fallback/bucket"
)

// maxOperations bounds the operations under way, those that hang and were left
// behind included: further calls then wait until their contexts end.
const maxOperations = 4

// Bucket is a directory.
type Bucket struct {
	dir   string
	slots chan struct{}
	flock func(fd, how int) error
}

var _ bucket.Bucket = (*Bucket)(nil)

// Open opens a directory by its absolute path. It does not look at it: a volume may
// be mounted later.
func Open(dir string) (*Bucket, error) {
	if !filepath.IsAbs(dir) {
		return nil, fmt.Errorf("%q is not the absolute path of a directory", dir)
	}
	return &Bucket{dir: filepath.Clean(dir), slots: make(chan struct{}, maxOperations), flock: syscall.Flock}, nil
}

// Close implements [bucket.Bucket]. Nothing is open between calls.
func (b *Bucket) Close() {}

// Get implements [bucket.Bucket].
func (b *Bucket) Get(ctx context.Context, key string, limit int64) (bucket.Object, error) {
	return run(ctx, b, "get", key, func(_ context.Context, root *os.Root) (bucket.Object, error) {
		var body []byte
		info, err := look(root, key, func(file io.Reader, size int64) ([sha256.Size]byte, error) {
			var err error
			body, err = bucket.ReadWhole(file, size, limit)
			return sha256.Sum256(body), err
		})
		if err != nil {
			return bucket.Object{}, err
		}
		return bucket.Object{Info: info, Body: body}, nil
	})
}

// Head implements [bucket.Bucket].
func (b *Bucket) Head(ctx context.Context, key string) (bucket.Info, error) {
	return run(ctx, b, "head", key, func(_ context.Context, root *os.Root) (bucket.Info, error) {
		return head(root, key)
	})
}

func head(root *os.Root, key string) (bucket.Info, error) {
	return look(root, key, func(file io.Reader, size int64) (digest [sha256.Size]byte, err error) {
		sum := sha256.New()
		n, err := io.Copy(sum, file)
		switch {
		case err != nil:
			return digest, fmt.Errorf("%w: after %d bytes: %w", bucket.ErrIncomplete, n, err)
		case n != size:
			return digest, fmt.Errorf("%w: %d of %d bytes", bucket.ErrIncomplete, n, size)
		}
		return [sha256.Size]byte(sum.Sum(nil)), nil
	})
}

// List implements [bucket.Bucket]. Telling of an object reads it whole, so that the limit
// spares more than memory.
func (b *Bucket) List(ctx context.Context, prefix string, limit int) (first []bucket.Info, more bool, err error) {
	first, err = run(ctx, b, "list", prefix, func(ctx context.Context, root *os.Root) ([]bucket.Info, error) {
		keys, err := keysBelow(ctx, root, prefix)
		if err != nil {
			return nil, err
		}
		var found []bucket.Info
		for _, key := range keys {
			info, err := head(root, key)
			switch {
			case errors.Is(err, fs.ErrNotExist) || errors.Is(err, bucket.ErrNotFound):
				continue // it was removed meanwhile
			case err != nil:
				return nil, err
			case ctx.Err() != nil:
				return nil, ctx.Err()
			}
			info.Metadata = nil
			if found = append(found, info); len(found) > limit {
				break
			}
		}
		return found, nil
	})
	return first[:min(len(first), limit)], len(first) > limit, err
}

// keysBelow are the keys that begin with a prefix, in order. Links are keys, for
// some volumes are made of them; directories behind links are left out.
func keysBelow(ctx context.Context, root *os.Root, prefix string) ([]string, error) {
	start := path.Dir(prefix + "x") // the directory that holds all of them
	if !fs.ValidPath(start) {
		return nil, nil
	}
	var keys []string
	err := fs.WalkDir(root.FS(), start, func(name string, entry fs.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, fs.ErrNotExist):
			return nil // nothing begins with the prefix, or it was removed meanwhile
		case errors.Is(err, fs.ErrPermission) && name != start:
			return fs.SkipDir // such as lost+found at the root of a volume
		case err != nil:
			return err
		case reserved(entry.Name()):
			if entry.IsDir() {
				return fs.SkipDir
			}
		case strings.HasPrefix(name, prefix) && isFile(root, name, entry):
			keys = append(keys, name)
		}
		return nil
	})
	slices.Sort(keys)
	return keys, err
}

// isFile says whether an entry is a file, or a link to one below the directory.
func isFile(root *os.Root, name string, entry fs.DirEntry) bool {
	if entry.Type() != fs.ModeSymlink {
		return entry.Type().IsRegular()
	}
	target, err := root.Stat(name)
	return err == nil && target.Mode().IsRegular()
}

// run runs an operation on the directory until ctx ends, and says what failed.
func run[T any](ctx context.Context, b *Bucket, operation, key string, f func(context.Context, *os.Root) (T, error)) (T, error) {
	result, err := attempt(ctx, b, f)
	if err != nil {
		var none T
		return none, fmt.Errorf("%s file://%s: %w", operation, path.Join(b.dir, key), classify(err))
	}
	return result, nil
}

// attempt runs an operation in one of the bucket's slots, which it frees when the
// kernel lets go of it.
func attempt[T any](ctx context.Context, b *Bucket, f func(context.Context, *os.Root) (T, error)) (result T, err error) {
	var none T
	if ctx.Err() != nil {
		return none, ctx.Err()
	}
	select {
	case b.slots <- struct{}{}:
	case <-ctx.Done():
		return none, fmt.Errorf("earlier operations hang: %w", ctx.Err())
	}
	type outcome struct {
		result T
		err    error
	}
	done := make(chan outcome, 1)
	go func() {
		defer func() { <-b.slots }()
		result, err := withRoot(ctx, b.dir, f)
		done <- outcome{result, err}
	}()
	select {
	case o := <-done:
		return o.result, o.err
	case <-ctx.Done():
	}
	select {
	case o := <-done: // both were ready
		return o.result, o.err
	default:
		return none, fmt.Errorf("left behind: %w", ctx.Err())
	}
}

func withRoot[T any](ctx context.Context, dir string, f func(context.Context, *os.Root) (T, error)) (T, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		var none T
		if errors.Is(err, fs.ErrNotExist) {
			return none, fmt.Errorf("%w: there is no directory %s; is the volume mounted?", bucket.ErrNotFound, dir)
		}
		return none, err
	}
	defer root.Close() // it was only looked at and worked through
	return f(ctx, root)
}

// classify makes the system's errors those of package bucket. They are told without
// the path, which the caller tells whole.
func classify(err error) error {
	for _, known := range []error{bucket.ErrNotFound, bucket.ErrConflict, bucket.ErrDenied, bucket.ErrRefused, bucket.ErrTooLarge, bucket.ErrIncomplete,
		bucket.ErrUnavailable, context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, known) {
			return err
		}
	}
	reason := err
	if number, ok := errors.AsType[syscall.Errno](err); ok {
		reason = number
	}
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.EISDIR):
		return fmt.Errorf("%w: %w", bucket.ErrNotFound, reason)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: %w; check the rights of the node's user on the directory", bucket.ErrDenied, reason)
	case errors.Is(err, syscall.EROFS):
		return fmt.Errorf("%w: %w; mount the volume for writing on the backup node", bucket.ErrDenied, reason)
	case errors.Is(err, syscall.ENAMETOOLONG), errors.Is(err, syscall.EINVAL):
		return fmt.Errorf("%w: %w", bucket.ErrRefused, reason)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("%w: the volume is full: %w", bucket.ErrUnavailable, reason)
	}
	return fmt.Errorf("%w: %w", bucket.ErrUnavailable, reason)
}

// checkKey refuses keys that are no path below the directory, whose files could not
// be told from the package's own, or whose note's name would be too long.
func checkKey(key string) error {
	for part := range strings.SplitSeq(key, "/") {
		if part == "" || part == "." || reserved(part) || strings.ContainsRune(part, 0) {
			return fmt.Errorf("%w: the key has the part %q", bucket.ErrRefused, part)
		}
	}
	if len(path.Base(key)) > 255-len(noteName("", [sha256.Size]byte{})) {
		return fmt.Errorf("%w: the key's last part is too long", bucket.ErrRefused)
	}
	return nil
}

func noteName(base string, digest [sha256.Size]byte) string {
	return ownPrefix + base + "." + hex.EncodeToString(digest[:]) + noteSuffix
}

// What the package keeps in its directories, beside the objects.
const (
	ownPrefix    = ".blackout-"
	noteSuffix   = ".meta"
	lockName     = ownPrefix + "lock"
	stagedPrefix = ownPrefix + "new-"
)

// reserved says whether a name is no part of a key: the package's own, or one of
// those that Kubernetes makes volumes of, such as "..data".
func reserved(name string) bool {
	return strings.HasPrefix(name, ownPrefix) || strings.HasPrefix(name, "..")
}
