// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package entity

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// hashText computes what [Hash] does of the decoded text. The rows go from their text
// into their hashed form straight away, which takes half the time and a third of the
// memory that decoding and hashing takes.
func hashText(raw []byte) (Hashes, error) {
	d := newDecoder(raw)
	all, err := d.whole(d.serialized)
	if err != nil {
		return Hashes{}, fmt.Errorf("decode config_table: %w", err)
	}
	delete(all, "_comment")
	return Hash(all), nil
}

// serialized reads the object at the top, the rows of its lists as [Serialized].
func (d *decoder) serialized() (map[string]any, error) {
	s := serializer{numbers: map[string]string{}}
	return d.top(func(string) (any, error) {
		if d.text.PeekKind() == '[' {
			return d.serializedList(&s)
		}
		return d.value()
	})
}

func (d *decoder) serializedList(s *serializer) (any, error) {
	if _, err := d.text.ReadToken(); err != nil {
		return nil, err
	}
	list := []any{}
	for kind := d.text.PeekKind(); kind != ']'; kind = d.text.PeekKind() {
		var element any
		var err error
		if kind == '{' {
			element, err = d.serializedRow(s)
		} else {
			element, err = d.value()
		}
		if err != nil {
			return nil, err
		}
		list = append(list, element)
	}
	_, err := d.text.ReadToken()
	return list, err
}

func (d *decoder) serializedRow(s *serializer) (*Serialized, error) {
	value, err := d.text.ReadValue()
	if err != nil {
		return nil, err
	}
	end := int(d.text.InputOffset())
	text := d.raw[end-len(value) : end]
	form, err := s.serialize(text)
	if err != nil {
		return nil, fmt.Errorf("%w, in the row before byte %d", err, d.offset())
	}
	return &Serialized{Text: form, Value: func() any {
		row, _ := decodeObject(text) // which was read just now
		return row
	}}, nil
}

// serializer brings JSON text, which must be valid, into the form under the hash.
// It does what [Serialize] does to the decoded text.
type serializer struct {
	text    []byte
	at      int    // in text
	out     []byte // the forms so far, one behind the other
	spare   []byte
	members []member // of the objects that are being read, the innermost last
	numbers map[string]string
}

// member is an object's: its name and where its form is in serializer.out.
type member struct {
	name     []byte
	from, to int
}

// formChunk is how many bytes of forms lie in one piece of memory.
const formChunk = 1 << 20

// serialize returns the form of a text, which is not changed any more.
func (s *serializer) serialize(text []byte) ([]byte, error) {
	if cap(s.out)-len(s.out) < len(text) {
		s.out = make([]byte, 0, max(formChunk, 2*len(text)))
	}
	s.text, s.at = text, 0
	begin := len(s.out)
	err := s.value()
	return s.out[begin:len(s.out):len(s.out)], err
}

func (s *serializer) value() error {
	switch s.next() {
	case '{':
		return s.object()
	case '[':
		return s.array()
	case '"':
		word, err := s.word()
		s.out = append(s.out, word...)
		return err
	case 'n':
		s.at += len("null")
		s.out = append(s.out, "/null/"...)
	case 't':
		s.at += len("true")
		s.out = append(s.out, "true"...)
	case 'f':
		s.at += len("false")
		s.out = append(s.out, "false"...)
	default:
		return s.number()
	}
	return nil
}

// next skips what stands between values, and returns the byte behind it.
func (s *serializer) next() byte {
	for {
		switch c := s.text[s.at]; c {
		case ' ', '\t', '\r', '\n', ',', ':':
			s.at++
		default:
			return c
		}
	}
}

func (s *serializer) object() error {
	s.at++
	outer, begin, sorted := len(s.members), len(s.out), true
	for s.next() != '}' {
		name, err := s.word()
		if err != nil {
			return err
		}
		if len(s.members) > outer {
			sorted = sorted && bytes.Compare(s.members[len(s.members)-1].name, name) < 0
		}
		from := len(s.out)
		s.out = append(append(s.out, name...), ':')
		if err := s.value(); err != nil {
			return err
		}
		s.out = append(s.out, ';')
		s.members = append(s.members, member{name, from, len(s.out)})
	}
	s.at++
	members := s.members[outer:]
	s.members = s.members[:outer]
	if len(members) == 0 {
		s.out = append(s.out, "{}"...)
	}
	if sorted {
		return nil
	}
	return s.sort(members, begin)
}

// sort brings the members whose forms lie behind begin into the order of their
// names.
func (s *serializer) sort(members []member, begin int) error {
	slices.SortFunc(members, func(a, b member) int { return bytes.Compare(a.name, b.name) })
	s.spare = append(s.spare[:0], s.out[begin:]...)
	s.out = s.out[:begin]
	for i, m := range members {
		if i > 0 && bytes.Equal(m.name, members[i-1].name) {
			return fmt.Errorf("the member %q is there twice", m.name)
		}
		s.out = append(s.out, s.spare[m.from-begin:m.to-begin]...)
	}
	return nil
}

func (s *serializer) array() error {
	s.at++
	count := 0
	for ; s.next() != ']'; count++ {
		if err := s.value(); err != nil {
			return err
		}
		s.out = append(s.out, ';')
	}
	s.at++
	switch {
	case count == 0:
		s.out = append(s.out, "{}"...)
	case count <= 5: // see [hasher.writeArray]
		s.out = s.out[:len(s.out)-1]
	}
	return nil
}

// word reads a string.
func (s *serializer) word() ([]byte, error) {
	begin, escaped := s.at, false
	for s.at++; s.text[s.at] != '"'; s.at++ {
		if s.text[s.at] == '\\' {
			escaped = true
			s.at++
		}
	}
	s.at++
	if escaped {
		return jsontext.AppendUnquote(nil, s.text[begin:s.at])
	}
	return s.text[begin+1 : s.at-1], nil
}

func (s *serializer) number() error {
	begin := s.at
	for s.at < len(s.text) && !endsNumber(s.text[s.at]) {
		s.at++
	}
	text := s.text[begin:s.at]
	form, known := s.numbers[string(text)]
	if !known {
		number, err := strconv.ParseFloat(string(text), 64)
		if err != nil {
			return errors.New("a number is too large")
		}
		form = string(Serialize(number))
		if len(s.numbers) < maxKept {
			s.numbers[string(text)] = form
		}
	}
	s.out = append(s.out, form...)
	return nil
}

func endsNumber(c byte) bool { return c <= ' ' || c == ',' || c == ']' || c == '}' }
