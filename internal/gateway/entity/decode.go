// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package entity

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// decodeObject decodes text that is exactly one JSON object. Members that are
// there twice and broken UTF-8 are refused. It does what unmarshalling into an
// any does, but knows that a configuration is many rows alike: a row's map gets
// the size of the row before, and values that repeat are held once.
func decodeObject(raw []byte) (map[string]any, error) {
	d := newDecoder(raw)
	return d.whole(func() (map[string]any, error) { return d.object(0) })
}

func newDecoder(raw []byte) *decoder {
	return &decoder{
		// Twice the same member shows when it is put into the map.
		text: jsontext.NewDecoder(bytes.NewBuffer(raw), jsontext.AllowDuplicateNames(true)), raw: raw,
		names: map[string]string{}, words: map[string]any{}, numbers: map[string]any{},
	}
}

// whole reads an object that must be all that there is.
func (d *decoder) whole(read func() (map[string]any, error)) (map[string]any, error) {
	if kind := d.text.PeekKind(); kind != '{' {
		if err := d.syntax(); err != nil {
			return nil, fmt.Errorf("expected an object: %w", unquoted(err))
		}
		return nil, errors.New("expected an object")
	}
	object, err := read()
	if err != nil {
		return nil, unquoted(err)
	}
	if _, err := d.text.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, errors.New("data after the end of the object")
	}
	return object, nil
}

// unquoted leaves out what a syntax error quotes of a string, which may be a key or a
// password.
func unquoted(err error) error {
	var broken *jsontext.SyntacticError
	if !errors.As(err, &broken) {
		return err
	}
	for _, what := range []string{"invalid escape sequence", "invalid surrogate pair"} {
		if strings.HasPrefix(broken.Err.Error(), what) {
			return fmt.Errorf("%s in the string %q, at byte %d", what, broken.JSONPointer, broken.ByteOffset)
		}
	}
	return err
}

// decoder reads values. Its tables hold what repeats: member names, short
// strings and numbers.
type decoder struct {
	text    *jsontext.Decoder
	raw     []byte // what text reads
	base    int    // where that begins in the whole
	names   map[string]string
	words   map[string]any
	numbers map[string]any
}

const (
	maxKept     = 1 << 12 // entries of each of the decoder's tables
	longestKept = 24      // bytes of a string in them
)

// syntax returns what is wrong with the text where the decoder stands, if it is
// no JSON at all.
func (d *decoder) syntax() error {
	_, err := d.text.ReadToken()
	return err
}

// object reads an object of about as many members as hint says.
func (d *decoder) object(hint int) (map[string]any, error) {
	if _, err := d.text.ReadToken(); err != nil {
		return nil, err
	}
	members := make(map[string]any, hint)
	for d.text.PeekKind() != '}' {
		name, err := d.name()
		if err != nil {
			return nil, err
		}
		value, err := d.value()
		if err != nil {
			return nil, err
		}
		count := len(members)
		if members[name] = value; len(members) == count {
			return nil, d.twice(name)
		}
	}
	_, err := d.text.ReadToken()
	return members, err
}

func (d *decoder) twice(name string) error {
	return fmt.Errorf("the member %q is there twice, at byte %d", name, d.offset())
}

// offset is where the decoder stands in the whole text.
func (d *decoder) offset() int { return d.base + int(d.text.InputOffset()) }

func (d *decoder) value() (any, error) {
	switch d.text.PeekKind() {
	case '{':
		return d.object(0)
	case '[':
		return d.array()
	case '"':
		return d.word()
	case '0':
		return d.number()
	default: // null, a boolean, or no JSON
		token, err := d.text.ReadToken()
		if err != nil || token.Kind() == 'n' {
			return nil, err
		}
		return token.Bool(), nil
	}
}

func (d *decoder) array() (any, error) {
	if _, err := d.text.ReadToken(); err != nil {
		return nil, err
	}
	list, size := []any{}, 0
	for kind := d.text.PeekKind(); kind != ']'; kind = d.text.PeekKind() {
		var element any
		var err error
		if kind == '{' {
			var row map[string]any
			row, err = d.object(size)
			element, size = row, len(row)
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

// quoted reads a string and returns it without its quotes. The bytes are the
// decoder's own, good until it is used again.
func (d *decoder) quoted() ([]byte, error) {
	value, err := d.text.ReadValue()
	if err != nil {
		return nil, err
	}
	if value.Kind() != '"' {
		return nil, fmt.Errorf("expected a member's name, at byte %d", d.offset())
	}
	if bytes.IndexByte(value, '\\') < 0 {
		return value[1 : len(value)-1], nil
	}
	return jsontext.AppendUnquote(nil, value)
}

func (d *decoder) name() (string, error) {
	text, err := d.quoted()
	if err != nil {
		return "", err
	}
	if name, kept := d.names[string(text)]; kept {
		return name, nil
	}
	name := string(text)
	if len(d.names) < maxKept {
		d.names[name] = name
	}
	return name, nil
}

func (d *decoder) word() (any, error) {
	text, err := d.quoted()
	if err != nil {
		return nil, err
	}
	if len(text) > longestKept {
		return string(text), nil
	}
	if word, kept := d.words[string(text)]; kept {
		return word, nil
	}
	word := string(text)
	if len(d.words) < maxKept {
		d.words[word] = word
	}
	return word, nil
}

func (d *decoder) number() (any, error) {
	text, err := d.text.ReadValue()
	if err != nil {
		return nil, err
	}
	if number, kept := d.numbers[string(text)]; kept {
		return number, nil
	}
	number, err := strconv.ParseFloat(string(text), 64)
	if err != nil {
		return nil, fmt.Errorf("the number at byte %d is too large", d.offset())
	}
	if len(d.numbers) < maxKept {
		d.numbers[string(text)] = number
	}
	return number, nil
}
