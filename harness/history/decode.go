// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package history

import (
	"bytes"
	"encoding/json"
	"strconv"
	"unicode/utf8"
)

// decoder reads the lines of events.jsonl. A recording can have millions, and
// reflection would take most of the time that judging it may take; so the flat
// objects that a Writer writes are read by hand, and whatever else is valid is
// left to encoding/json. The two agree: a fuzz test sees to it.
type decoder struct {
	known map[string]string // names of nodes and the like, which recur
}

// maxKnown bounds the memory for recurring strings.
const maxKnown = 1 << 12

func newDecoder() *decoder { return &decoder{known: make(map[string]string)} }

// event decodes a line into e.
func (d *decoder) event(line []byte, e *Event) error {
	*e = Event{}
	s := scanner{rest: line}
	if d.object(&s, e) {
		return nil
	}
	*e = Event{}
	return json.Unmarshal(line, e)
}

// object reads a flat object, and says whether it could.
func (d *decoder) object(s *scanner, e *Event) bool {
	if !s.take('{') {
		return false
	}
	for {
		name, plain := s.string()
		if !plain || !s.take(':') || !d.field(s, string(name), e) {
			return false
		}
		if s.take('}') {
			return len(bytes.TrimSpace(s.rest)) == 0
		}
		if !s.take(',') {
			return false
		}
	}
}

// field reads the value of a name into its field.
func (d *decoder) field(s *scanner, name string, e *Event) bool {
	switch name {
	case "kind":
		var kind string
		ok := d.text(s, &kind)
		e.Kind = Kind(kind)
		return ok
	case "ok":
		return s.boolean(&e.OK)
	case "value":
		return s.float(&e.Value)
	}
	if to := e.text(name); to != nil {
		return d.text(s, to)
	}
	return number(s, name, e)
}

// text is the field of a name that is a string, or nil.
func (e *Event) text(name string) *string {
	switch name {
	case "node":
		return &e.Node
	case "edge":
		return &e.Edge
	case "text":
		return &e.Text
	case "error":
		return &e.Error
	case "rule":
		return &e.Rule
	case "encryption":
		return &e.Encryption
	case "digest":
		return &e.Digest
	}
	return nil
}

// number reads a field that is an integer.
func number(s *scanner, name string, e *Event) bool {
	n, ok := s.integer()
	switch name {
	case "t":
		e.At = Time(n)
	case "until":
		e.Until = Time(n)
	case "planned":
		e.Planned = Time(n)
	case "step":
		e.Step = int(n)
	case "code":
		e.Code = int(n)
	case "generation":
		e.Generation = int(n)
	case "looks":
		e.Looks = int(n)
	case "events":
		e.Events = int(n)
	case "requests":
		e.Requests = int(n)
	case "bytes":
		e.Bytes = n
	case "offered":
		e.Offered = n
	case "passed":
		e.Passed = n
	case "fault":
		e.Fault = int(n)
	case "stream":
		e.Stream = int(n)
	case "attempts":
		e.Attempts = int(n)
	case "retry_after":
		e.RetryAfter = Time(n)
	case "wall":
		e.Wall = n
	default:
		return false
	}
	return ok
}

// text reads a string, without a new copy of one that recurs.
func (d *decoder) text(s *scanner, to *string) bool {
	b, ok := s.string()
	if !ok {
		b, ok = s.unescaped(b)
	}
	if !ok {
		return false
	}
	known, found := d.known[string(b)]
	if !found {
		known = string(b)
		if len(d.known) < maxKnown {
			d.known[known] = known
		}
	}
	*to = known
	return true
}

// scanner reads the tokens of a line. No space stands between the tokens that a
// Writer writes.
type scanner struct{ rest []byte }

func (s *scanner) take(c byte) bool {
	if len(s.rest) == 0 || s.rest[0] != c {
		return false
	}
	s.rest = s.rest[1:]
	return true
}

// string reads a string without escapes. With one in it, plain is false and
// what stands before it was read; without a string, text is nil.
func (s *scanner) string() (text []byte, plain bool) {
	if !s.take('"') {
		return nil, false
	}
	length := bytes.IndexByte(s.rest, '"')
	if length < 0 {
		return nil, false
	}
	ascii := true
	for i, c := range s.rest[:length] {
		if c >= ' ' && c < utf8.RuneSelf && c != '\\' {
			continue
		}
		switch {
		case c < ' ':
			return nil, false
		case c == '\\':
			text, s.rest = s.rest[:i:i], s.rest[i:]
			return text, false
		}
		ascii = false
	}
	text, s.rest = s.rest[:length], s.rest[length+1:]
	return text, ascii || utf8.Valid(text)
}

// escapes are those of one character.
var escapes = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// unescaped reads on after string has stopped before an escape. It leaves those
// of characters beyond ASCII to others.
func (s *scanner) unescaped(start []byte) (text []byte, ok bool) {
	if start == nil {
		return nil, false
	}
	text = append(make([]byte, 0, len(start)+64), start...)
	for i := 0; i < len(s.rest); i++ {
		switch c := s.rest[i]; {
		case c == '"':
			s.rest = s.rest[i+1:]
			return text, utf8.Valid(text)
		case c < ' ':
			return nil, false
		case c != '\\':
			text = append(text, c)
		default:
			char, length := escape(s.rest[i+1:])
			if length == 0 {
				return nil, false
			}
			text = append(text, char)
			i += length
		}
	}
	return nil, false
}

// escape is the character that an escape stands for, and the escape's length
// after the backslash; 0 for one that is not known here.
func escape(b []byte) (char byte, length int) {
	if len(b) == 0 {
		return 0, 0
	}
	if char = escapes[b[0]]; char != 0 {
		return char, 1
	}
	if b[0] != 'u' || len(b) < 5 {
		return 0, 0
	}
	n, err := strconv.ParseUint(string(b[1:5]), 16, 16)
	if err != nil || n >= utf8.RuneSelf {
		return 0, 0
	}
	return byte(n), 5
}

// integer reads an integer of up to 18 digits.
func (s *scanner) integer() (n int64, ok bool) {
	negative := s.take('-')
	i := 0
	for i < len(s.rest) && '0' <= s.rest[i] && s.rest[i] <= '9' {
		n = 10*n + int64(s.rest[i]-'0')
		i++
	}
	zero := i > 0 && s.rest[0] == '0' && (i > 1 || negative)
	if i == 0 || i > 18 || zero {
		return 0, false
	}
	s.rest = s.rest[i:]
	if negative {
		n = -n
	}
	return n, true
}

// float reads a number.
func (s *scanner) float(to *float64) bool {
	i := bytes.IndexAny(s.rest, ",}")
	if i < 0 || !json.Valid(s.rest[:i]) {
		return false
	}
	n, err := strconv.ParseFloat(string(s.rest[:i]), 64)
	*to, s.rest = n, s.rest[i:]
	return err == nil
}

func (s *scanner) boolean(to *bool) bool {
	if rest, found := bytes.CutPrefix(s.rest, []byte("true")); found {
		*to, s.rest = true, rest
		return true
	}
	rest, found := bytes.CutPrefix(s.rest, []byte("false"))
	if found {
		*to, s.rest = false, rest
	}
	return found
}
