// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package file

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"syscall"

	"blackout/internal/fallback/bucket"
)

// maxLooks bounds how often an object is read that is replaced all the time.
const maxLooks = 100

// maxNote is the largest note that is read, in bytes.
const maxNote = 1 << 20

// note is what lies beside a body.
type note struct {
	SHA256   string            `json:"sha256"` // of the body, lower-case hex
	Write    string            `json:"write"`  // new with every write
	Metadata map[string]string `json:"metadata"`
}

// look reads an object through read, which returns the body's digest, and finds the
// note of what was read. If somebody replaced the object meanwhile, the note may be
// gone, and it reads the new one.
func look(root *os.Root, key string, read func(file io.Reader, size int64) ([sha256.Size]byte, error)) (bucket.Info, error) {
	if err := checkKey(key); err != nil {
		return bucket.Info{}, err
	}
	for range maxLooks {
		info, settled, err := lookOnce(root, key, read)
		if settled || (err != nil && !errors.Is(err, bucket.ErrIncomplete)) {
			return info, err
		}
	}
	return bucket.Info{}, fmt.Errorf("%w: it was changed whenever it was read", bucket.ErrIncomplete)
}

// lookOnce also says whether what it found was there together.
func lookOnce(root *os.Root, key string, read func(io.Reader, int64) ([sha256.Size]byte, error)) (bucket.Info, bool, error) {
	// Opening a named pipe would wait for a writer.
	file, err := root.OpenFile(key, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return bucket.Info{}, false, err
	}
	defer file.Close() // it was only read
	before, err := file.Stat()
	if err != nil {
		return bucket.Info{}, false, err
	}
	if !before.Mode().IsRegular() {
		return bucket.Info{}, false, fmt.Errorf("%w: it is no regular file", bucket.ErrNotFound)
	}
	digest, err := read(file, before.Size())
	if err != nil {
		return bucket.Info{}, unchanged(root, key, before), err
	}
	info := bucket.Info{Key: key, Size: before.Size(), Modified: before.ModTime(),
		Version: hex.EncodeToString(digest[:16]), Metadata: map[string]string{}}
	found, err := readNote(root, key, digest)
	switch {
	case err != nil:
		return bucket.Info{}, false, err
	case found == nil:
		return info, unchanged(root, key, before), nil
	}
	info.Version += "-" + found.Write
	if found.Metadata != nil {
		info.Metadata = found.Metadata
	}
	return info, true, nil
}

// readNote is a body's note, or nil if there is none. One that is not of the
// body, or cannot be read as a note, is none.
func readNote(root *os.Root, key string, digest [sha256.Size]byte) (*note, error) {
	file, err := root.OpenFile(path.Join(path.Dir(key), noteName(path.Base(key), digest)), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close() // it was only read
	data, err := io.ReadAll(io.LimitReader(file, maxNote))
	if err != nil {
		return nil, err
	}
	var found note
	if json.Unmarshal(data, &found) != nil || found.SHA256 != hex.EncodeToString(digest[:]) {
		return nil, nil
	}
	return &found, nil
}

// unchanged says whether the file at key is the one that was opened, and as it was.
func unchanged(root *os.Root, key string, before fs.FileInfo) bool {
	now, err := root.Stat(key)
	return err == nil && os.SameFile(before, now) && now.Size() == before.Size() && now.ModTime().Equal(before.ModTime())
}
