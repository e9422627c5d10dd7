// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// page writes lines for people: a word, and what there is to say of it.
type page struct {
	out strings.Builder
}

const column = 13

// line writes a word at a depth, and a text beside it.
func (p *page) line(depth int, word, format string, arguments ...any) {
	indent := strings.Repeat("  ", depth)
	text := fmt.Sprintf(format, arguments...)
	p.out.WriteString(strings.TrimRight(fmt.Sprintf("%s%-*s%s", indent, column-len(indent), word+" ", printable(text)), " ") + "\n")
}

// item writes a text by itself at a depth.
func (p *page) item(depth int, format string, arguments ...any) {
	p.out.WriteString(strings.Repeat("  ", depth) + printable(fmt.Sprintf(format, arguments...)) + "\n")
}

// printable keeps what an object or an entity is called from moving the cursor of the
// terminal that it is shown on.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return '\ufffd'
		}
		return r
	}, text)
}

func (p *page) to(w io.Writer) error {
	_, err := io.WriteString(w, p.out.String())
	return err
}

// ago is an age in words.
func ago(seconds int64) string { return span(seconds) + " old" }

// span is a number of seconds in its largest whole unit.
func span(seconds int64) string {
	for _, unit := range []struct {
		seconds int64
		name    string
	}{{86400, "d"}, {3600, "h"}, {60, "min"}} {
		if seconds >= 2*unit.seconds {
			return fmt.Sprintf("%d %s", seconds/unit.seconds, unit.name)
		}
	}
	return fmt.Sprintf("%d s", seconds)
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// plural is a number of things.
func plural(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, more)
}

// or is the text, or what to say where there is none.
func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}
