// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package slo

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// part is one YAML document of a file.
type part struct {
	file string
	node *yaml.Node
}

// split reads the documents of a file. One in which a mapping names a key twice is
// refused: which of the two is meant is anybody's guess.
func split(file string, text []byte) ([]part, error) {
	var parts []part
	for dec := yaml.NewDecoder(bytes.NewReader(text)); ; {
		var node yaml.Node
		err := dec.Decode(&node)
		if errors.Is(err, io.EOF) {
			return parts, nil
		}
		if err != nil {
			return nil, unreadable(file, err)
		}
		if len(node.Content) == 0 || node.Content[0].Tag == "!!null" {
			continue
		}
		p := part{file, node.Content[0]}
		if p.node.Kind != yaml.MappingNode {
			return nil, p.errorf("", "a document is a mapping with apiVersion, kind, metadata and spec")
		}
		if err := p.twice(p.node, ""); err != nil {
			return nil, err
		}
		parts = append(parts, p)
	}
}

// lineOf finds the line in an error of the YAML parser.
var lineOf = regexp.MustCompile(`line (\d+)`)

// unreadable words an error of the YAML parser.
func unreadable(file string, err error) error {
	line := 1
	if found := lineOf.FindStringSubmatch(err.Error()); found != nil {
		if n, convErr := strconv.Atoi(found[1]); convErr == nil {
			line = n
		}
	}
	return &Error{File: file, Line: line, Problem: "it is not YAML: " + strings.TrimPrefix(err.Error(), "yaml: ")}
}

// twice refuses a key that stands twice in one mapping.
func (p part) twice(n *yaml.Node, at string) error {
	if n.Kind != yaml.MappingNode {
		for i, below := range n.Content {
			if err := p.twice(below, fmt.Sprintf("%s[%d]", at, i)); err != nil {
				return err
			}
		}
		return nil
	}
	seen := make(map[string]bool)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		field := join(at, key.Value)
		if seen[key.Value] {
			return &Error{File: p.file, Line: key.Line, Field: field, Problem: "it is there twice: keep one"}
		}
		seen[key.Value] = true
		if err := p.twice(n.Content[i+1], field); err != nil {
			return err
		}
	}
	return nil
}

// join is the path of a key below another.
func join(at, key string) string {
	switch {
	case strings.ContainsAny(key, "./[]"):
		return at + "[" + strconv.Quote(key) + "]"
	case at == "":
		return key
	}
	return at + "." + key
}

// errorf says what is wrong with a field.
func (p part) errorf(field, format string, args ...any) error {
	at := p.position(field)
	return &Error{File: at.file, Line: at.line, Field: field, Problem: fmt.Sprintf(format, args...)}
}

// segment is one step of a path: a name, a quoted name or an index.
var segment = regexp.MustCompile(`^\.?([A-Za-z0-9_-]+)|^\[(\d+)\]|^\[("(?:[^"\\]|\\.)*"|'[^']*')\]`)

// position is where a field stands or, if it is not there, what it would stand in.
func (p part) position(field string) position {
	n, line := p.node, p.node.Line
	for rest := field; n != nil; {
		found := segment.FindStringSubmatch(rest)
		if found == nil {
			break
		}
		rest = rest[len(found[0]):]
		switch {
		case found[2] != "":
			i, err := strconv.Atoi(found[2])
			if err != nil || n.Kind != yaml.SequenceNode || i >= len(n.Content) {
				return position{p.file, line}
			}
			n = n.Content[i]
			line = n.Line
		default:
			name := found[1] + strings.Trim(found[3], `"'`)
			key, value := lookUp(n, name)
			if key != nil {
				line = key.Line
			}
			n = value
		}
	}
	return position{p.file, line}
}

// lookUp finds a key of a mapping; both are nil if it is not there.
func lookUp(n *yaml.Node, name string) (key, value *yaml.Node) {
	if n.Kind != yaml.MappingNode {
		return nil, nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			return n.Content[i], n.Content[i+1]
		}
	}
	return nil, nil
}

// What the SDK's decoder complains of.
var (
	unknownField = regexp.MustCompile(`unknown field "([^"]+)"`)
	unknownKind  = regexp.MustCompile(`unsupported openslo\.Kind: (\S+)`)
	wrongType    = regexp.MustCompile(`cannot unmarshal (\S+) into Go struct field \S+?\.([a-z]\S*) of type (\S+)`)
)

// undecoded words an error of the SDK's decoder, which knows no lines.
func (p part) undecoded(err error) error {
	if found := unknownField.FindStringSubmatch(err.Error()); found != nil {
		if field, ok := find(p.node, found[1], ""); ok {
			return p.errorf(field, "OpenSLO v1 has no such field")
		}
	}
	if found := unknownKind.FindStringSubmatch(err.Error()); found != nil {
		return p.errorf("kind", "%q is no kind of OpenSLO v1: write SLO, SLI, Service, DataSource, AlertPolicy, AlertCondition or AlertNotificationTarget", found[1])
	}
	if found := wrongType.FindStringSubmatch(err.Error()); found != nil {
		return p.errorf(found[2], "it is a %s, and should be a %s", found[1], strings.TrimPrefix(found[3], "v1."))
	}
	for _, field := range []string{"apiVersion", "kind"} {
		if key, _ := lookUp(p.node, field); key == nil {
			return p.errorf(field, "it is missing: a document of OpenSLO has apiVersion: openslo/v1 and a kind")
		}
	}
	return p.errorf("apiVersion", "not read: %v", err)
}

// find is the path of the first field of a name.
func find(n *yaml.Node, name, at string) (string, bool) {
	for i, below := range n.Content {
		var path string
		switch {
		case n.Kind == yaml.SequenceNode:
			path = fmt.Sprintf("%s[%d]", at, i)
		case i%2 == 1:
			continue
		default:
			path = join(at, below.Value)
			if below.Value == name {
				return path, true
			}
			below = n.Content[i+1]
		}
		if found, ok := find(below, name, path); ok {
			return found, true
		}
	}
	return "", false
}
