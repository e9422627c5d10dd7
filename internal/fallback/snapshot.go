// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package fallback

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"blackout/internal/fallback/bucket"
)

// What a compressed snapshot may expand to: maxInflation times its size, and
// alwaysFits in any case, in bytes. A configuration expands to 15 times or so, a
// gzip bomb to a thousand.
const (
	maxInflation = 256
	alwaysFits   = 16 << 20
)

// decode turns an object into a config_table: checksum, gzip, completeness. For
// accept see [Importer.Accept].
func decode(object bucket.Object, limit int64, accept func([]byte) bool) ([]byte, error) {
	// The digest of a large snapshot takes a while. What is read meanwhile counts only
	// if it is right.
	damage := make(chan error, 1)
	go func() { damage <- checkSum(object) }()
	table, err := expand(object.Body, limit, accept)
	if damaged := <-damage; damaged != nil {
		return nil, damaged
	}
	return table, err
}

// checkSum compares an object with the digest that its exporter noted, if it did.
func checkSum(object bucket.Object) error {
	want := ReadBookkeeping(object.Info).SHA256
	if want == "" {
		return nil
	}
	sum := sha256.Sum256(object.Body)
	got := hex.EncodeToString(sum[:])
	if subtle.ConstantTimeCompare([]byte(got), []byte(strings.ToLower(want))) != 1 {
		return fmt.Errorf("%w: its SHA-256 is %s, its exporter wrote %s", ErrCorrupt, got, want)
	}
	return nil
}

// expand is the table of a body.
func expand(table []byte, limit int64, accept func([]byte) bool) ([]byte, error) {
	if bytes.HasPrefix(table, []byte{0x1f, 0x8b}) {
		var err error
		if table, err = gunzip(table, limit); err != nil {
			return nil, err
		}
	}
	if err := requireObject(table, accept); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return table, nil
}

// gunzip expands at most limit bytes, however small the compressed form is.
func gunzip(compressed []byte, limit int64) ([]byte, error) {
	limit = min(limit, max(int64(len(compressed))*maxInflation, alwaysFits))
	reader, err := gzip.NewReader(bytes.NewReader(compressed))
	if err != nil {
		return nil, fmt.Errorf("%w: gzip: %w", ErrCorrupt, err)
	}
	plain, err := io.ReadAll(io.LimitReader(reader, limit+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: gzip: %w", ErrCorrupt, err)
	case int64(len(plain)) > limit:
		return nil, fmt.Errorf("%w: its %d bytes expand to more than %d", bucket.ErrTooLarge, len(compressed), limit)
	}
	return plain, nil
}

// requireObject checks that data is one complete JSON object, unless accept, which
// may be nil, has found that already.
func requireObject(data []byte, accept func([]byte) bool) error {
	if err := requireBrace(data); err != nil {
		return err
	}
	if accept != nil && accept(data) {
		return nil
	}
	if !json.Valid(data) {
		return errors.New("it is not one complete JSON value")
	}
	return nil
}

func requireBrace(data []byte) error {
	trimmed := bytes.TrimLeft(data, " \t\r\n")
	switch {
	case len(trimmed) == 0:
		return errors.New("it is empty")
	case trimmed[0] != '{':
		return errors.New("it is not a JSON object")
	}
	return nil
}

// holdsEntity tells whether a section is a non-empty array or, as an empty Lua
// table may be written either way, a non-empty object.
func holdsEntity(section json.RawMessage) bool {
	if len(section) < 2 || (section[0] != '[' && section[0] != '{') {
		return false
	}
	return len(bytes.TrimSpace(section[1:len(section)-1])) > 0
}
