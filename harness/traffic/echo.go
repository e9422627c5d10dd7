// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package traffic

import (
	"bytes"
	"encoding/json"
	"strconv"
)

// ReadGeneration finds the generation in an upstream's echo: a JSON object whose
// "path" is /gen/<n>, the path of the probed service, with anything after it.
func ReadGeneration(body []byte) (generation uint32, ok bool) {
	if !json.Valid(body) {
		return 0, false
	}
	rest, found := bytes.CutPrefix(member(body, "path"), []byte("/gen/"))
	if !found {
		return 0, false
	}
	digits, _, _ := bytes.Cut(rest, []byte("/"))
	n, err := strconv.ParseUint(string(digits), 10, 32)
	return uint32(n), err == nil && n > 0
}

// member is the value of a JSON object's member if that is a string, else nil.
// Of several with the name the last one counts, as in encoding/json. The text
// must be valid, so that strings and brackets are all that need be read of it.
// Nothing is decoded that is not asked for: encoding/json would cost a tenth of
// the whole request.
func member(text []byte, name string) (value []byte) {
	depth, named := 0, false // named: the member that is being read has the name
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		case '"':
			end := stringEnd(text, i)
			s := text[i:end]
			i = end - 1
			if depth != 1 {
				continue
			}
			if isKey(text[end:]) {
				named = string(unquote(s)) == name
				if named {
					value = nil
				}
			} else if named {
				value = unquote(s)
			}
		}
	}
	return value
}

// stringEnd is the index after the string that begins at i.
func stringEnd(text []byte, i int) int {
	for i++; text[i] != '"'; i++ {
		if text[i] == '\\' {
			i++
		}
	}
	return i + 1
}

// isKey reports whether a string is a key by what comes after it.
func isKey(after []byte) bool {
	after = bytes.TrimLeft(after, " \t\r\n")
	return len(after) > 0 && after[0] == ':'
}

// unquote is what a JSON string says. Bytes that are not UTF-8 are left as they
// are.
func unquote(s []byte) []byte {
	if bytes.IndexByte(s, '\\') < 0 {
		return s[1 : len(s)-1]
	}
	var decoded string
	_ = json.Unmarshal(s, &decoded) // valid, as is all of the text
	return []byte(decoded)
}
