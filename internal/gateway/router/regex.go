// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package router

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
	"sync/atomic"
	"unicode/utf8"
)

// regex is a regex that was written for Rust's regex crate, Kong's. Both it and
// Go's regexp descend from RE2 and differ little. It is compiled when it is first
// asked: a hundred thousand compiled ones take a second and hundreds of megabytes.
type regex struct {
	literal string // what every match begins with, at the text's own beginning

	// Rust's classes know Unicode, and are large if written out in Go. For an
	// ASCII text, which almost all are, Go's small ones say the same.
	ascii, unicode lazy
}

// lazy is a regex in Go's syntax, compiled on demand.
type lazy struct {
	pattern  string
	compiled atomic.Pointer[regexp.Regexp]
}

// newRegex checks the pattern's syntax.
func newRegex(pattern string) (*regex, error) {
	ascii, err := translate(pattern, asciiClasses)
	if err != nil {
		return nil, fmt.Errorf("regex %q: %w", pattern, err)
	}
	parsed, err := syntax.Parse(ascii, syntax.Perl)
	if err != nil {
		return nil, fmt.Errorf("regex %q: %w", pattern, err)
	}
	unicode, err := translate(pattern, unicodeClasses)
	if err != nil {
		return nil, fmt.Errorf("regex %q: %w", pattern, err)
	}
	r := &regex{literal: literalPrefix(parsed)}
	r.ascii.pattern, r.unicode.pattern = ascii, unicode
	return r, nil
}

// newPathRegex is a path's regex, anchored as Kong 3.9 anchors it: by a "^" put
// before its text, so that of "a|b" only a is.
func newPathRegex(pattern string) (*regex, error) { return newRegex("^" + pattern) }

// on returns the compiled form for a text.
func (r *regex) on(text string) *regexp.Regexp {
	if r.ascii.pattern != r.unicode.pattern && !isASCII(text) {
		if wide := r.unicode.get(); wide != nil {
			return wide
		}
	}
	if plain := r.ascii.get(); plain != nil {
		return plain
	}
	return never // newRegex has parsed it, so this is not reached
}

// never matches nothing.
var never = regexp.MustCompile(`[^\x00-\x{10FFFF}]`)

// get returns nil if the pattern does not compile: written out in Unicode, it may
// be too large for Go.
func (l *lazy) get() *regexp.Regexp {
	if compiled := l.compiled.Load(); compiled != nil {
		return compiled
	}
	compiled, err := regexp.Compile(l.pattern)
	if err != nil {
		return nil
	}
	l.compiled.Store(compiled)
	return compiled
}

func isASCII(text string) bool {
	for i := range len(text) {
		if text[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// classes are what \d, \w and \s stand for.
type classes struct{ digits, word, spaces string }

var (
	asciiClasses   = classes{`0-9`, `0-9A-Za-z_`, `\t-\r `}
	unicodeClasses = classes{`\p{Nd}`, `\p{L}\p{M}\p{Nd}\p{Nl}\p{Pc}\x{200C}\x{200D}`, `\t-\r\x{85}\p{Z}`}
)

// translate rewrites Rust's syntax into Go's. It refuses what Go would read
// as something else: sets within classes.
func translate(pattern string, as classes) (string, error) {
	var out strings.Builder
	inClass := false
	for i := 0; i < len(pattern); i++ {
		rest := pattern[i:]
		switch {
		case rest[0] == '\\' && len(rest) > 1:
			escape, length := translateEscape(rest, as, inClass)
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
func translateEscape(text string, as classes, inClass bool) (translated string, length int) {
	if text[1] == 'u' || text[1] == 'U' {
		return translateRune(text)
	}
	members := map[byte]string{'d': as.digits, 'D': as.digits, 'w': as.word, 'W': as.word, 's': as.spaces, 'S': as.spaces}[text[1]]
	switch negated := text[1] < 'a'; {
	case members == "":
		return text[:2], 2
	case inClass && negated:
		return text[:2], 2 // what is not in a class can't be written in another: ASCII's then
	case inClass:
		return members, 2
	case negated:
		return "[^" + members + "]", 2
	}
	return "[" + members + "]", 2
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
func literalPrefix(parsed *syntax.Regexp) string {
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
			if r == utf8.RuneError {
				return literal.String() // stands for broken UTF-8, too
			}
			literal.WriteRune(r)
		}
	}
	return literal.String()
}
