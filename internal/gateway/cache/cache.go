// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package cache keeps a data plane's last good configuration on its disk, so
// that the node serves it again after a restart, whatever has become of the
// control plane. Its central type is [Cache].
//
//	local := cache.Cache{Path: "/var/lib/gateway/config.cache", Version: "3.9.1"}
//	entry, err := local.Load()          // cache.ErrAbsent: there is none to use
//	err = local.Save(cache.Entry{…})    // replaces it as a whole, or not at all
//
// The file is compressed with gzip: one line of JSON that says what follows,
// then the config_table, byte for byte.
package cache

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"blackout/internal/gateway/entity"
)

// ErrAbsent is returned, wrapped, when there is no cache to use: no file, one
// of another version, or a damaged one.
var ErrAbsent = errors.New("no usable local configuration")

// ErrDamaged is returned, wrapped together with [ErrAbsent], when there was a
// file that could not be read. It has been set aside under [Cache.Damaged].
var ErrDamaged = errors.New("the local configuration is damaged")

// format is the version of the file's layout.
const format = 1

// What is read of a file, in bytes. Whatever lies at the path, reading it takes no
// more memory than a configuration may need.
const (
	maxFile   = 256 << 20 // compressed
	maxHeader = 64 << 10
	maxTable  = 1 << 30

	// maxInflation is how many times its size a file may expand to, above
	// alwaysFits. A configuration expands to 15 times or so.
	maxInflation = 256
	alwaysFits   = 16 << 20
)

// Entry is one configuration as it is kept.
type Entry struct {
	Hash   string         // as it came with the configuration
	Hashes *entity.Hashes // of the sections; nil if none came
	Table  []byte         // config_table
}

// Cache is the place of one configuration.
type Cache struct {
	Path    string
	Version string // gateway version; a file of another major.minor is not used
}

// header is the file's first line.
type header struct {
	Format  int            `json:"format"`
	Version string         `json:"version"` // major.minor
	Hash    string         `json:"hash"`
	Hashes  *entity.Hashes `json:"hashes,omitempty"`
	SHA256  string         `json:"sha256"` // of the table
	Size    int64          `json:"size"`   // of the table, in bytes; 0 if it is not known
}

// Damaged is where a file that cannot be read is set aside.
func (c Cache) Damaged() string { return c.Path + ".damaged" }

// Load reads the configuration and checks that it is whole.
func (c Cache) Load() (Entry, error) {
	data, err := read(c.Path)
	if errors.Is(err, os.ErrNotExist) {
		return Entry{}, fmt.Errorf("%w: %s does not exist", ErrAbsent, c.Path)
	}
	if err != nil {
		return Entry{}, fmt.Errorf("%w: %w", ErrAbsent, err)
	}
	head, table, err := decode(data)
	if err != nil {
		return Entry{}, c.SetAside(err)
	}
	if tag := majorMinor(c.Version); head.Version != tag {
		return Entry{}, fmt.Errorf("%w: %s is of version %s, not %s", ErrAbsent, c.Path, head.Version, tag)
	}
	return Entry{Hash: head.Hash, Hashes: head.Hashes, Table: table}, nil
}

// SetAside moves the file away because of the given reason, and returns the
// error for a configuration that is not there. Load does so itself with a file
// that it cannot read; the caller does so with a table that is not valid.
func (c Cache) SetAside(reason error) error {
	err := fmt.Errorf("%w: %w: %s, set aside as %s: %w", ErrAbsent, ErrDamaged, c.Path, filepath.Base(c.Damaged()), reason)
	if failed := os.Rename(c.Path, c.Damaged()); failed != nil {
		return errors.Join(err, fmt.Errorf("set it aside: %w", failed))
	}
	return err
}

// read reads a file, and one byte more than it may have.
func read(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	return data, errors.Join(err, file.Close())
}

func decode(data []byte) (header, []byte, error) {
	if len(data) > maxFile {
		return header{}, nil, fmt.Errorf("it has more than %d bytes", maxFile)
	}
	reader, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return header{}, nil, err
	}
	limit := min(max(int64(len(data))*maxInflation, alwaysFits), maxTable)
	lines := bufio.NewReaderSize(io.LimitReader(reader, limit+1), maxHeader)
	line, err := lines.ReadSlice('\n')
	if err != nil {
		return header{}, nil, fmt.Errorf("read the header: %w", err)
	}
	var head header
	if err := json.Unmarshal(line, &head); err != nil {
		return header{}, nil, fmt.Errorf("decode the header: %w", err)
	}
	if head.Format != format {
		return header{}, nil, fmt.Errorf("format %d is not %d", head.Format, format)
	}
	// The size spares growing a large table; what it says is not relied on.
	text := bytes.NewBuffer(make([]byte, 0, max(min(head.Size, limit), 0)+bytes.MinRead))
	if _, err := text.ReadFrom(lines); err != nil {
		return header{}, nil, fmt.Errorf("read the table: %w", err)
	}
	table := text.Bytes()
	if int64(len(table)) > limit-maxHeader {
		return header{}, nil, fmt.Errorf("its %d bytes expand to more than %d", len(data), limit)
	}
	if digest(table) != head.SHA256 {
		return header{}, nil, errors.New("the checksum of the table is wrong")
	}
	return head, table, nil
}

func digest(table []byte) string {
	sum := sha256.Sum256(table)
	return hex.EncodeToString(sum[:])
}

func majorMinor(version string) string {
	parts := strings.Split(version, ".")
	return strings.Join(parts[:min(2, len(parts))], ".")
}

// Save replaces the file; one goroutine at a time may call it. When it returns
// without an error the configuration is on the disk; after a crash at any moment,
// either the old or the new one is.
func (c Cache) Save(entry Entry) error {
	data, err := c.encode(entry)
	if err != nil {
		return fmt.Errorf("encode the local configuration: %w", err)
	}
	// One name for every attempt: a crash in between leaves one file at most.
	temporary := c.Path + ".tmp"
	if err := write(temporary, data); err != nil {
		// What was written of it would only keep a full disk full.
		_ = os.Remove(temporary)
		return fmt.Errorf("save the local configuration: %w", err)
	}
	if err := os.Rename(temporary, c.Path); err != nil {
		return fmt.Errorf("save the local configuration: %w", err)
	}
	if err := syncDir(filepath.Dir(c.Path)); err != nil {
		return fmt.Errorf("save the local configuration: %w", err)
	}
	return nil
}

func (c Cache) encode(entry Entry) ([]byte, error) {
	line, err := json.Marshal(header{Format: format, Version: majorMinor(c.Version), Hash: entry.Hash,
		Hashes: entry.Hashes, SHA256: digest(entry.Table), Size: int64(len(entry.Table))})
	if err != nil {
		return nil, err
	}
	var compressed bytes.Buffer
	writer, err := gzip.NewWriterLevel(&compressed, gzip.BestSpeed) // half the time of the default, for a quarter more bytes
	if err != nil {
		return nil, err
	}
	for _, part := range [][]byte{line, {'\n'}, entry.Table} {
		if _, err := writer.Write(part); err != nil {
			return nil, err
		}
	}
	if err := writer.Close(); err != nil {
		return nil, err
	}
	return compressed.Bytes(), nil
}

// write makes a file and brings it to the disk.
func write(path string, data []byte) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	if err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}

// syncDir brings a rename to the disk.
func syncDir(dir string) error {
	file, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}
