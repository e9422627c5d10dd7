// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package router

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
)

// regex is the regex of a path.
type regex struct {
	*regexp.Regexp
	literal string // what every match begins with, at the path's own beginning
}

// compilePath compiles a path's regex. It is anchored as Kong 3.9 anchors it:
// by a "^" put before its text, so that of "a|b" only a is.
func compilePath(pattern string) (*regex, error) {
	compiled, err := compile("^" + pattern)
	if err != nil {
		return nil, err
	}
	return &regex{compiled, literalPrefix(compiled.String())}, nil
}

// find returns where the regex matches, or nil.
func (r *regex) find(path string) []int { return r.FindStringIndex(path) }

// compile compiles a regex that was written for Rust's regex crate, Kong's. Both
// it and Go's regexp descend from RE2 and differ little.
func compile(pattern string) (*regexp.Regexp, error) {
	translated, err := translate(pattern)
	if err != nil {
		return nil, fmt.Errorf("regex %q: %w", pattern, err)
	}
	compiled, err := regexp.Compile(translated)
	if err != nil {
		return nil, fmt.Errorf("regex %q: %w", pattern, err)
	}
	return compiled, nil
}

// What Rust's classes hold, which know Unicode; Go's know ASCII.
const (
	digits = `\p{Nd}`
	word   = `\p{L}\p{M}\p{Nd}\p{Nl}\p{Pc}\x{200C}\x{200D}`
	spaces = `\t-\r\x{85}\p{Z}`
)

// translate rewrites Rust's syntax into Go's. It refuses what Go would read
// as something else: sets within classes.
func translate(pattern string) (string, error) {
	var out strings.Builder
	inClass := false
	for i := 0; i < len(pattern); i++ {
		rest := pattern[i:]
		switch {
		case rest[0] == '\\' && len(rest) > 1:
			escape, length := translateEscape(rest, inClass)
			out.WriteString(escape)
			i += length - 1
			continue
		case inClass && isSet(rest):
			return "", fmt.Errorf("sets within a class are not supported at %q", rest)
		case inClass && strings.HasPrefix(rest, "[:"):
			if end := strings.Index(rest, ":]"); end > 0 {
				out.WriteString(rest[:end+2])
				i += end + 1
				continue
			}
		case !inClass && rest[0] == '[':
			inClass = true
			// A closing bracket that comes first is meant as itself.
			first := len("[") + len(rest[1:]) - len(strings.TrimPrefix(strings.TrimPrefix(rest[1:], "^"), "]"))
			out.WriteString(rest[:first])
			i += first - 1
			continue
		case inClass && rest[0] == ']':
			inClass = false
		}
		out.WriteByte(rest[0])
	}
	return out.String(), nil
}

func isSet(rest string) bool {
	for _, operator := range []string{"&&", "--", "~~"} {
		if strings.HasPrefix(rest, operator) {
			return true
		}
	}
	return rest[0] == '[' && !strings.HasPrefix(rest, "[:")
}

// translateEscape translates the escape that the text begins with and returns
// how long it is.
func translateEscape(text string, inClass bool) (translated string, length int) {
	class := func(members string) string {
		if inClass {
			return members
		}
		return "[" + members + "]"
	}
	switch text[1] {
	case 'd':
		return digits, 2
	case 'D':
		return `\P{Nd}`, 2
	case 'w':
		return class(word), 2
	case 's':
		return class(spaces), 2
	case 'W', 'S':
		if inClass {
			break // there is no way to write it; ASCII's then
		}
		members := map[byte]string{'W': word, 'S': spaces}[text[1]]
		return "[^" + members + "]", 2
	case 'u', 'U':
		return translateRune(text)
	}
	return text[:2], 2
}

// translateRune translates \u{1F}, \u00E9 and \U000000E9.
func translateRune(text string) (translated string, length int) {
	if strings.HasPrefix(text[2:], "{") {
		return `\x`, 2
	}
	length = 2 + map[byte]int{'u': 4, 'U': 8}[text[1]]
	if len(text) < length {
		return text[:2], 2 // and let Go refuse it
	}
	return `\x{` + text[2:length] + "}", length
}

// literalPrefix returns the text with which a path must begin for the regex to
// match, or "".
func literalPrefix(pattern string) string {
	parsed, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return ""
	}
	parsed = parsed.Simplify()
	if parsed.Op != syntax.OpConcat || parsed.Sub[0].Op != syntax.OpBeginText {
		return ""
	}
	var literal strings.Builder
	for _, part := range parsed.Sub[1:] {
		if part.Op != syntax.OpLiteral || part.Flags&syntax.FoldCase != 0 {
			break
		}
		for _, r := range part.Rune {
			literal.WriteRune(r)
		}
	}
	return literal.String()
}
