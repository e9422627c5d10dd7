// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package entity

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// WriteTable writes a JSON value as Kong's messages do, in the notation of Lua
// tables: {name="x",service={id="…"}}. With an indent, every member stands on
// its own line.
func WriteTable(value any, indent string) string {
	w := tableWriter{indent: indent}
	w.write(value, 1)
	return w.out.String()
}

type tableWriter struct {
	out    strings.Builder
	indent string
}

func (w *tableWriter) write(value any, depth int) {
	switch value := value.(type) {
	case nil:
		w.out.WriteString("null")
	case string:
		w.out.WriteString(quoteLua(value))
	case float64:
		w.out.WriteString(strconv.FormatFloat(value, 'g', 14, 64))
	case []any:
		w.writeList(value, depth)
	case Record:
		w.writeMap(value, depth)
	case map[string]any:
		w.writeMap(value, depth)
	default:
		fmt.Fprint(&w.out, value)
	}
}

// writeList writes a list; members after a hole carry their index.
func (w *tableWriter) writeList(list []any, depth int) {
	members := make([]func(), 0, len(list))
	hole := false
	for i, element := range list {
		if element == nil {
			hole = true
			continue
		}
		key := ""
		if hole {
			key = "[" + strconv.Itoa(i+1) + "]"
		}
		members = append(members, w.member(key, element, depth))
	}
	w.block(members, depth)
}

func (w *tableWriter) writeMap(table map[string]any, depth int) {
	members := make([]func(), 0, len(table))
	for _, key := range slices.Sorted(maps.Keys(table)) {
		members = append(members, w.member(luaKey(key), table[key], depth))
	}
	w.block(members, depth)
}

func (w *tableWriter) member(key string, value any, depth int) func() {
	return func() {
		if key != "" {
			w.out.WriteString(key)
			w.out.WriteString(w.spaced("="))
		}
		w.write(value, depth+1)
	}
}

func (w *tableWriter) spaced(sign string) string {
	if w.indent == "" {
		return sign
	}
	return " " + sign + " "
}

func (w *tableWriter) block(members []func(), depth int) {
	w.out.WriteByte('{')
	for i, member := range members {
		if i > 0 {
			w.out.WriteByte(',')
		}
		w.newline(depth)
		member()
	}
	if len(members) > 0 {
		w.newline(depth - 1)
	}
	w.out.WriteByte('}')
}

func (w *tableWriter) newline(depth int) {
	if w.indent != "" {
		w.out.WriteByte('\n')
		w.out.WriteString(strings.Repeat(w.indent, depth))
	}
}

var luaEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", "\\\n", "\r", `\r`, "\x00", `\0`)

func quoteLua(text string) string { return `"` + luaEscapes.Replace(text) + `"` }

// luaKey writes a key bare if it is an identifier.
func luaKey(key string) string {
	for i := range len(key) {
		if c := key[i]; c != '_' && !isAlphanumeric(c) || i == 0 && isDigit(c) {
			return "[" + quoteLua(key) + "]"
		}
	}
	return messageIf(key != "", key)
}
