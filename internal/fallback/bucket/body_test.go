// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package bucket_test

import (
	"bytes"
	"crypto/md5" // as stores do
	"crypto/sha256"
	"io"
	"slices"
	"testing"
	"testing/iotest"

	"blackout/internal/fallback/bucket"
)

// TestBody: however its parts are cut, a body is the same bytes to all who ask.
func TestBody(t *testing.T) {
	t.Parallel()
	whole := bytes.Repeat([]byte("0123456789abcdef"), 40<<10) // 640 KiB
	for name, parts := range map[string][][]byte{
		"no part": nil, "an empty part": {{}}, "one part": {whole}, "one byte": {{'x'}},
		"empty parts between": {{}, whole[:7], {}, {}, whole[7:], {}},
		"around a piece":      {whole[:64<<10-1], whole[64<<10-1 : 64<<10+1], whole[64<<10+1:]},
	} {
		want := slices.Concat(parts...)
		body := bucket.BodyOf(parts...)
		// Twice: nothing of it is used up.
		for range 2 {
			if err := iotest.TestReader(body.Reader(), want); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		var pieces []byte
		for piece := range body.Pieces() {
			if len(piece) == 0 || len(piece) > 64<<10 {
				t.Errorf("%s: a piece has %d bytes", name, len(piece))
			}
			pieces = append(pieces, piece...)
		}
		if !bytes.Equal(pieces, want) || !bytes.Equal(body.Bytes(), want) || body.Size() != int64(len(want)) {
			t.Errorf("%s: %d bytes in pieces, %d in one, size %d, want %d", name, len(pieces), len(body.Bytes()), body.Size(), len(want))
		}
		if body.SHA256() != sha256.Sum256(want) || body.MD5() != md5.Sum(want) {
			t.Errorf("%s: wrong digest", name)
		}
	}
}

// TestBodyZero: the zero value is an empty object's.
func TestBodyZero(t *testing.T) {
	t.Parallel()
	var body bucket.Body
	all, err := io.ReadAll(body.Reader())
	if err != nil || len(all) != 0 || body.Size() != 0 || body.SHA256() != sha256.Sum256(nil) || body.MD5() != md5.Sum(nil) {
		t.Errorf("got %d bytes, %v, size %d", len(all), err, body.Size())
	}
}

// TestBodyReadsOnly: an HTTP client that can rewind a body may send it twice, with a
// condition that the first time has made untrue.
func TestBodyReadsOnly(t *testing.T) {
	t.Parallel()
	reader := bucket.BodyOf([]byte("x")).Reader()
	if _, seeks := reader.(io.Seeker); seeks {
		t.Error("the reader can seek")
	}
}
