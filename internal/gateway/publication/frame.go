// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package publication

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"hash/fnv"
	"slices"
	"time"

	"blackout/internal/gateway/entity"
)

// boundary is the share of rows after which a piece ends: one in so many.
const boundary = 1024

// piece is a part of the table's text: something before, rows with commas between
// them, something after.
type piece struct {
	before string
	rows   []*row
	after  string
}

// write appends the piece's text.
func (p piece) write(to *bytes.Buffer) {
	to.WriteString(p.before)
	for i, r := range p.rows {
		if i > 0 {
			to.WriteByte(',')
		}
		to.Write(r.text)
	}
	to.WriteString(p.after)
}

func (p piece) equal(o piece) bool {
	return p.before == o.before && p.after == o.after && slices.Equal(p.rows, o.rows)
}

// pieces cuts the table's text.
func (c *Configuration) pieces(each func(piece) error) error {
	format, err := json.Marshal(entity.FormatVersion)
	if err != nil {
		return err
	}
	before := `{"_format_version":` + string(format) + `,"_transform":false`
	for _, s := range c.sections {
		before += `,"` + s.name + `":[`
		for begin := 0; begin < len(s.rows); {
			end := begin + 1
			for end < len(s.rows) && !s.rows[end-1].ends() {
				end++
			}
			p := piece{before: before, rows: s.rows[begin:end]}
			before = ","
			if end == len(s.rows) {
				before, p.after = "", "]"
			}
			if err := each(p); err != nil {
				return err
			}
			begin = end
		}
	}
	return each(piece{before: before + "}"})
}

// ends says whether a piece ends after the row, whatever is around it.
func (r *row) ends() bool {
	sum := fnv.New32a()
	_, _ = sum.Write([]byte(r.ID)) // never fails
	return sum.Sum32()%boundary == 0
}

// compressed keeps the pieces of the last frame.
type compressed struct {
	writer *flate.Writer
	known  map[*row]squeezed // by their first row
}

// squeezed is a piece, and a run of deflate blocks that does not look back beyond
// its own beginning and ends at a byte's bound.
type squeezed struct {
	piece
	blocks []byte
	sum    uint32 // of the text
	size   int
}

// frame makes the message that carries a configuration (Kong 3.4 to 3.9).
func (z *compressed) frame(c *Configuration, now time.Time) ([]byte, error) {
	hashes, err := json.Marshal(c.Hashes)
	if err != nil {
		return nil, fmt.Errorf("encode the hashes: %w", err)
	}
	head := fmt.Sprintf(`{"type":"reconfigure","timestamp":%.3f,"config_hash":%q,"hashes":%s,"config_table":`,
		float64(now.UnixMilli())/1000, c.Hashes.Config, hashes)
	frame := bytes.NewBuffer([]byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff}) // RFC 1952: deflate, no name, no time, unknown system
	known, sum, size := map[*row]squeezed{}, uint32(0), 0
	add := func(s squeezed) {
		frame.Write(s.blocks)
		sum, size = combine(sum, s.sum, s.size), size+s.size
	}
	for _, part := range []func() error{
		func() error { return z.add(piece{before: head}, known, add) },
		func() error { return c.pieces(func(p piece) error { return z.add(p, known, add) }) },
		func() error { return z.add(piece{before: "}"}, known, add) },
	} {
		if err := part(); err != nil {
			return nil, fmt.Errorf("compress the configuration: %w", err)
		}
	}
	z.known = known
	frame.Write([]byte{1, 0, 0, 0xff, 0xff}) // the last block, empty
	trailer := binary.LittleEndian.AppendUint32(nil, sum)
	frame.Write(binary.LittleEndian.AppendUint32(trailer, uint32(size))) // #nosec G115 -- RFC 1952: modulo 2^32
	return frame.Bytes(), nil
}

// add compresses a piece, unless the last frame had the same.
func (z *compressed) add(p piece, known map[*row]squeezed, add func(squeezed)) error {
	var first *row
	if len(p.rows) > 0 {
		first = p.rows[0]
		if s, is := z.known[first]; is && s.equal(p) {
			known[first] = s
			add(s)
			return nil
		}
	}
	var text, blocks bytes.Buffer
	p.write(&text)
	if z.writer == nil {
		writer, err := flate.NewWriter(&blocks, flate.DefaultCompression)
		if err != nil {
			return err
		}
		z.writer = writer
	} else {
		z.writer.Reset(&blocks)
	}
	if _, err := z.writer.Write(text.Bytes()); err != nil {
		return err
	}
	if err := z.writer.Flush(); err != nil {
		return err
	}
	s := squeezed{p, blocks.Bytes(), crc32.ChecksumIEEE(text.Bytes()), text.Len()}
	if first != nil {
		s.rows = slices.Clone(p.rows)
		known[first] = s
	}
	add(s)
	return nil
}
