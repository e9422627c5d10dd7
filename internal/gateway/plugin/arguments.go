// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"net/url"
	"slices"
	"strings"
)

// argument is one of a query or a form. A bare one has no "=".
type argument struct {
	name, value string
	bare        bool
}

type arguments []argument

// argumentLimit is how many arguments are looked at, as in Kong 3.9.
const argumentLimit = 1000

// parseArguments reads a query or a form. Escapes that make no sense stay as
// they are.
func parseArguments(text string) arguments {
	if text == "" {
		return nil
	}
	var list arguments
	for part := range strings.SplitSeq(text, "&") {
		if part == "" {
			continue
		}
		if len(list) == argumentLimit {
			break
		}
		name, value, found := strings.Cut(part, "=")
		list = append(list, argument{unescape(name), unescape(value), !found})
	}
	return list
}

func unescape(text string) string {
	if !strings.ContainsAny(text, "%+") {
		return text
	}
	if plain, err := url.QueryUnescape(text); err == nil {
		return plain
	}
	return text
}

// String returns the arguments as they stand in a query.
func (a arguments) String() string {
	var text strings.Builder
	for i, one := range a {
		if i > 0 {
			text.WriteByte('&')
		}
		text.WriteString(escape(one.name))
		if !one.bare {
			text.WriteByte('=')
			text.WriteString(escape(one.value))
		}
	}
	return text.String()
}

// escape writes a space as %20, as Kong does.
func escape(text string) string {
	return strings.ReplaceAll(url.QueryEscape(text), "+", "%20")
}

// values returns what an argument holds; a bare one is empty.
func (a arguments) values(name string) []string {
	var values []string
	for _, one := range a {
		if one.name == name {
			values = append(values, one.value)
		}
	}
	return values
}

func (a arguments) has(name string) bool {
	return slices.ContainsFunc(a, func(one argument) bool { return one.name == name })
}

func (a arguments) without(name string) arguments {
	return slices.DeleteFunc(slices.Clone(a), func(one argument) bool { return one.name == name })
}

// The changes of a transformer.

func (a *arguments) remove(name string) { *a = a.without(name) }

func (a *arguments) rename(from, to string) {
	if !a.has(from) || from == to {
		return
	}
	a.remove(to)
	for i := range *a {
		if (*a)[i].name == from {
			(*a)[i].name = to
		}
	}
}

func (a *arguments) replace(name, value string) {
	if a.has(name) {
		a.remove(name)
		a.append(name, value)
	}
}

func (a *arguments) add(name, value string) {
	if !a.has(name) {
		a.append(name, value)
	}
}

func (a *arguments) append(name, value string) {
	*a = append(*a, argument{name: name, value: value})
}
