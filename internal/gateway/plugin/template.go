// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// template is text with expressions in "$(…)". Kong's are Lua; understood here
// are headers, query_params, uri_captures (each by .name, ["name"] or [1]),
// authenticated_consumer, literals, "or", "and", "not", "..", "==", "~=" and
// parentheses. Everything else is refused when the configuration is read.
type template struct {
	parts []part
}

// part is text, or an expression.
type part struct {
	text string
	expr expression
}

// expression computes a value: nil, bool or string.
type expression func(x *Exchange) any

// templateLimit bounds a template, in bytes.
const templateLimit = 64 << 10

// parseTemplate reads a template.
func parseTemplate(text string) (*template, error) {
	if len(text) > templateLimit {
		return nil, fmt.Errorf("the template has %d bytes, more than %d", len(text), templateLimit)
	}
	t := &template{}
	for {
		start := strings.Index(text, "$(")
		if start < 0 {
			t.parts = append(t.parts, part{text: text})
			return t, nil
		}
		t.parts = append(t.parts, part{text: text[:start]})
		p := &parser{rest: text[start+2:]}
		expr, err := p.or()
		if err == nil && !p.take(")") {
			err = fmt.Errorf("expected ) at '%s'", p.rest)
		}
		if err != nil {
			return nil, fmt.Errorf("template expression not supported by this gateway: %w", err)
		}
		t.parts = append(t.parts, part{expr: expr})
		text = p.rest
	}
}

// evaluate returns the text for a request. What there is not is empty.
func (t *template) evaluate(x *Exchange) string {
	if len(t.parts) == 1 {
		return t.parts[0].text
	}
	var text strings.Builder
	for _, p := range t.parts {
		if p.expr == nil {
			text.WriteString(p.text)
		} else {
			text.WriteString(show(p.expr(x)))
		}
	}
	return text.String()
}

func show(value any) string {
	switch value := value.(type) {
	case string:
		return value
	case bool:
		return strconv.FormatBool(value)
	}
	return ""
}

// truth is Lua's: all but nil and false.
func truth(value any) bool { return value != nil && value != false }

// parser reads one expression. depth bounds its recursion.
type parser struct {
	rest  string
	depth int
}

const depthLimit = 50

var errDepth = errors.New("nested too deeply")

func (p *parser) space() { p.rest = strings.TrimLeft(p.rest, " \t\r\n") }

// take reads a symbol if it is next.
func (p *parser) take(symbol string) bool {
	p.space()
	rest, found := strings.CutPrefix(p.rest, symbol)
	if found {
		p.rest = rest
	}
	return found
}

// word reads a keyword if it is next.
func (p *parser) word(keyword string) bool {
	p.space()
	if rest, found := strings.CutPrefix(p.rest, keyword); found && (rest == "" || !isWord(rest[0])) {
		p.rest = rest
		return true
	}
	return false
}

func isWord(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

func (p *parser) or() (expression, error) {
	if p.depth++; p.depth > depthLimit {
		return nil, errDepth
	}
	defer func() { p.depth-- }()
	return p.chain(p.and, func() bool { return p.word("or") }, func(a, b expression) expression {
		return func(x *Exchange) any {
			if value := a(x); truth(value) {
				return value
			}
			return b(x)
		}
	})
}

func (p *parser) and() (expression, error) {
	return p.chain(p.compare, func() bool { return p.word("and") }, func(a, b expression) expression {
		return func(x *Exchange) any {
			if value := a(x); !truth(value) {
				return value
			}
			return b(x)
		}
	})
}

func (p *parser) compare() (expression, error) {
	equal := true
	operator := func() bool {
		equal = p.take("==")
		return equal || p.take("~=")
	}
	return p.chain(p.concat, operator, func(a, b expression) expression {
		want := equal
		return func(x *Exchange) any { return (a(x) == b(x)) == want }
	})
}

func (p *parser) concat() (expression, error) {
	return p.chain(p.unary, func() bool { return p.take("..") }, func(a, b expression) expression {
		return func(x *Exchange) any { return show(a(x)) + show(b(x)) }
	})
}

// chain reads operands with an operator between them, from the left. How many
// there may be is bounded, because evaluation nests as deep.
func (p *parser) chain(operand func() (expression, error), operator func() bool, join func(a, b expression) expression) (expression, error) {
	left, err := operand()
	for n := 0; err == nil && operator(); n++ {
		if n > depthLimit {
			return nil, errDepth
		}
		var right expression
		if right, err = operand(); err == nil {
			left = join(left, right)
		}
	}
	return left, err
}

func (p *parser) unary() (expression, error) {
	if p.depth++; p.depth > depthLimit {
		return nil, errDepth
	}
	defer func() { p.depth-- }()
	if p.word("not") {
		operand, err := p.unary()
		return func(x *Exchange) any { return !truth(operand(x)) }, err
	}
	if p.take("(") {
		inner, err := p.or()
		if err == nil && !p.take(")") {
			err = fmt.Errorf("expected ) at '%s'", p.rest)
		}
		return inner, err
	}
	return p.primary()
}

func (p *parser) primary() (expression, error) {
	for word, value := range map[string]any{"nil": nil, "true": true, "false": false} {
		if p.word(word) {
			return func(*Exchange) any { return value }, nil
		}
	}
	p.space()
	if p.rest != "" && (p.rest[0] == '"' || p.rest[0] == '\'') {
		text, err := p.quoted()
		return func(*Exchange) any { return text }, err
	}
	if number := p.number(); number != "" {
		return func(*Exchange) any { return number }, nil
	}
	return p.variable()
}

func (p *parser) quoted() (string, error) {
	quote := p.rest[:1]
	text, rest, closed := strings.Cut(p.rest[1:], quote)
	if !closed || strings.Contains(text, `\`) {
		return "", fmt.Errorf("a text that does not end or has escapes at '%s'", p.rest)
	}
	p.rest = rest
	return text, nil
}

func (p *parser) number() string {
	end := 0
	for end < len(p.rest) && p.rest[end] >= '0' && p.rest[end] <= '9' {
		end++
	}
	number := p.rest[:end]
	p.rest = p.rest[end:]
	return number
}
