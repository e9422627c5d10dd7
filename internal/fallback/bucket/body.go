// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package bucket

import (
	"crypto/md5" // the stores' checksum guards against damage, not against attackers.
	"crypto/sha256"
	"io"
	"iter"
	"runtime"
	"slices"
	"sync"
	"time"
)

// Body is what an object is to hold: parts that follow one another, which are not
// copied and must not change. The zero value is empty.
//
// A snapshot may have a hundred megabytes, and is written by a node that serves
// requests meanwhile: a body is handed out piece by piece, and whatever waits for the
// processor has its turn between two of them.
type Body struct {
	parts [][]byte
	sums  func() sums
}

type sums struct {
	sha256 [sha256.Size]byte
	md5    [md5.Size]byte
}

// BodyOf is a body of the given parts.
func BodyOf(parts ...[]byte) Body {
	b := Body{parts: parts}
	b.sums = sync.OnceValue(b.digest)
	return b
}

// digest computes both at once: the pauses are had once.
func (b Body) digest() sums {
	sha, md := sha256.New(), md5.New() // for MD5 see the import
	for piece := range b.Pieces() {
		_, _ = sha.Write(piece) // neither ever fails
		_, _ = md.Write(piece)
	}
	return sums{[sha256.Size]byte(sha.Sum(nil)), [md5.Size]byte(md.Sum(nil))}
}

// Size is the number of bytes.
func (b Body) Size() int64 {
	size := 0
	for _, part := range b.parts {
		size += len(part)
	}
	return int64(size)
}

// SHA256 is the digest. It is computed once, together with the other one.
func (b Body) SHA256() [sha256.Size]byte {
	if b.sums == nil {
		return sha256.Sum256(nil)
	}
	return b.sums().sha256
}

// MD5 is the digest that stores keep beside others.
func (b Body) MD5() [md5.Size]byte {
	if b.sums == nil {
		return md5.Sum(nil)
	}
	return b.sums().md5
}

// Bytes is a copy of the whole.
func (b Body) Bytes() []byte { return slices.Concat(b.parts...) }

// A body is handed out in pieces of at most pieceSize bytes. After every share of it
// the processor is left alone for a while: on a small machine, who hashes or sends a
// hundred megabytes in one go keeps requests waiting for longer than they take.
const (
	pieceSize = 64 << 10
	share     = 256 << 10
	rest      = time.Millisecond
)

// pace lets others have their turn.
type pace struct{ bytes int }

func (p *pace) after(bytes int) {
	if p.bytes += bytes; p.bytes >= share {
		p.bytes = 0
		time.Sleep(rest) //nolint:forbidigo // it is a pause, and there is nothing to wait for
		return
	}
	runtime.Gosched()
}

// Pieces are the bytes in pieces of at most 64 KiB.
func (b Body) Pieces() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		var pace pace
		for _, part := range b.parts {
			for piece := range slices.Chunk(part, pieceSize) {
				if !yield(piece) {
					return
				}
				pace.after(len(piece))
			}
		}
	}
}

// Reader reads the bytes once. It can do nothing else, so that an HTTP client cannot
// send a request with it twice.
func (b Body) Reader() io.Reader { return &reader{parts: slices.Clone(b.parts)} }

type reader struct {
	parts [][]byte
	pace  pace
}

func (r *reader) Read(p []byte) (int, error) {
	for len(r.parts) > 0 && len(r.parts[0]) == 0 {
		r.parts = r.parts[1:]
	}
	if len(r.parts) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), pieceSize)], r.parts[0])
	r.parts[0] = r.parts[0][n:]
	r.pace.after(n)
	return n, nil
}
