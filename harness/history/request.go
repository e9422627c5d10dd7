// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package history

import "encoding/binary"

// RequestSize is the size of a Request on disk, in bytes.
const RequestSize = 34

func (r Request) put(b []byte) {
	le := binary.LittleEndian
	le.PutUint64(b[0:], uint64(r.Intended))
	le.PutUint64(b[8:], uint64(r.Sent))
	le.PutUint64(b[16:], uint64(r.Done))
	le.PutUint32(b[24:], r.Generation)
	le.PutUint16(b[28:], r.Stream)
	le.PutUint16(b[30:], r.Status)
	b[32] = byte(r.Class)
	b[33] = r.Flags
}

func (r *Request) get(b []byte) {
	le := binary.LittleEndian
	r.Intended = Time(le.Uint64(b[0:]))
	r.Sent = Time(le.Uint64(b[8:]))
	r.Done = Time(le.Uint64(b[16:]))
	r.Generation = le.Uint32(b[24:])
	r.Stream = le.Uint16(b[28:])
	r.Status = le.Uint16(b[30:])
	r.Class = Class(b[32])
	r.Flags = b[33]
}
