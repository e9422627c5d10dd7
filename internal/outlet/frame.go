// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package outlet

import (
	"bytes"
	"compress/gzip"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
)

// Frame is the header of a WebSocket frame (RFC 6455, section 5.2).
type Frame struct {
	Bytes int64 // of its payload
	Final bool  // it is a whole message, or the last part of one

	opcode byte
}

// The opcodes that occur here.
const (
	opText   = 1
	opBinary = 2
	opClose  = 8
	opPing   = 9
	opPong   = 10
)

// largestControl is the largest payload of a control frame, in bytes.
const largestControl = 125

// readHeader reads a frame's header as a server sends it: unmasked and without
// extensions.
func readHeader(in io.Reader) (Frame, error) {
	var head [2]byte
	if _, err := io.ReadFull(in, head[:]); err != nil {
		return Frame{}, err
	}
	f := Frame{Final: head[0]&0x80 != 0, opcode: head[0] & 0x0f, Bytes: int64(head[1] & 0x7f)}
	switch {
	case head[0]&0x70 != 0:
		return Frame{}, errors.New("a frame has reserved bits set")
	case head[1]&0x80 != 0:
		return Frame{}, errors.New("a server's frame is masked")
	}
	if err := f.readLength(in); err != nil {
		return Frame{}, err
	}
	if f.opcode >= opClose && (f.Bytes > largestControl || !f.Final) {
		return Frame{}, fmt.Errorf("a control frame of %d bytes, final %v", f.Bytes, f.Final)
	}
	return f, nil
}

// readLength reads the longer forms of a frame's length.
func (f *Frame) readLength(in io.Reader) error {
	var size int
	switch f.Bytes {
	case 126:
		size = 2
	case 127:
		size = 8
	default:
		return nil
	}
	var long [8]byte
	if _, err := io.ReadFull(in, long[8-size:]); err != nil {
		return err
	}
	length := binary.BigEndian.Uint64(long[:])
	if length > math.MaxInt64 {
		return fmt.Errorf("a frame claims %d bytes", length)
	}
	f.Bytes = int64(length)
	return nil
}

// writeFrame writes a whole frame as a client does: masked.
func writeFrame(out io.Writer, opcode byte, payload []byte) error {
	frame := []byte{0x80 | opcode}
	switch n := len(payload); {
	case n <= largestControl:
		frame = append(frame, 0x80|byte(n))
	case n <= math.MaxUint16:
		frame = binary.BigEndian.AppendUint16(append(frame, 0x80|126), uint16(n))
	default:
		frame = binary.BigEndian.AppendUint64(append(frame, 0x80|127), uint64(n))
	}
	var mask [4]byte
	_, _ = rand.Read(mask[:]) // never fails
	frame = append(frame, mask[:]...)
	for i, b := range payload {
		frame = append(frame, b^mask[i%4])
	}
	_, err := out.Write(frame)
	return err
}

// maxInflated bounds what a compressed configuration may expand to, in bytes.
const maxInflated = 256 << 20

// take reads the data frame whose header was just read.
func (c *Conn) take(a *Answer) error {
	f := *a.Frame
	switch {
	case f.opcode != opBinary:
		return fmt.Errorf("read configuration: a frame with opcode %d, not a binary one", f.opcode)
	case f.Bytes > c.options.Limit:
		return nil // it is told by its header
	case !f.Final:
		return errors.New("read configuration: it comes in several frames, which a data plane refuses")
	}
	payload, err := io.ReadAll(io.LimitReader(c.in, f.Bytes))
	if err == nil && int64(len(payload)) < f.Bytes {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return fmt.Errorf("read configuration: %d of %d bytes came: %w", len(payload), f.Bytes, err)
	}
	a.Configuration, err = decode(payload)
	return err
}

// decode reads a reconfigure message.
func decode(payload []byte) (*Configuration, error) {
	packed, err := gzip.NewReader(bytes.NewReader(payload))
	if err != nil {
		return nil, fmt.Errorf("decompress configuration: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(packed, maxInflated+1))
	if err != nil {
		return nil, fmt.Errorf("decompress configuration: %w", err)
	}
	if len(text) > maxInflated {
		return nil, fmt.Errorf("decompress configuration: it has more than %d bytes", maxInflated)
	}
	var message struct {
		Type  string          `json:"type"`
		Table json.RawMessage `json:"config_table"`
		Hash  string          `json:"config_hash"`
	}
	if err := json.Unmarshal(text, &message); err != nil {
		return nil, fmt.Errorf("decode configuration: %w", err)
	}
	if message.Type != "reconfigure" || len(message.Table) == 0 {
		return nil, fmt.Errorf("decode configuration: a message of type %q with a table of %d bytes", message.Type, len(message.Table))
	}
	return &Configuration{Hash: message.Hash, Table: message.Table}, nil
}
