// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package entity

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"go.yaml.in/yaml/v3"
)

// maxDepth is how deep a YAML document may be nested; a declarative file needs
// about ten levels.
const maxDepth = 100

// decodeDocument decodes a declarative file, JSON or YAML, into what JSON would
// decode to.
func decodeDocument(text []byte) (map[string]any, error) {
	if trimmed := bytes.TrimLeft(text, " \t\r\n"); len(trimmed) > 0 && trimmed[0] == '{' {
		var document map[string]any
		if err := json.Unmarshal(text, &document); err == nil {
			return document, nil
		}
		// A YAML flow mapping begins with a brace as well.
	}
	var root yaml.Node
	if err := yaml.Unmarshal(text, &root); err != nil {
		return nil, withoutText(err)
	}
	if root.Kind != yaml.DocumentNode || len(root.Content) != 1 {
		return nil, errors.New("the document is empty")
	}
	reader := yamlReader{budget: len(text) + 100_000}
	value, err := reader.read(root.Content[0], 0)
	if err != nil {
		return nil, err
	}
	document, ok := value.(map[string]any)
	if !ok {
		return nil, errors.New("expected a map at the top")
	}
	return document, nil
}

// withoutText keeps what the file says out of an error: a password that starts
// with an asterisk and is not in quotes is an alias to YAML, and its error names
// it.
func withoutText(err error) error {
	if strings.Contains(err.Error(), "unknown anchor") {
		return errors.New("an alias without its anchor; put text that starts with * in quotes")
	}
	return err
}

// yamlReader turns YAML nodes into values. Aliases are copied out, as far as the
// budget of values goes: a few lines of them can stand for billions.
type yamlReader struct{ budget int }

func (r *yamlReader) read(node *yaml.Node, depth int) (any, error) {
	if r.budget--; r.budget < 0 {
		return nil, fail(node, "the aliases stand for too many values")
	}
	if depth > maxDepth {
		return nil, fail(node, "nested too deeply")
	}
	switch node.Kind {
	case yaml.AliasNode:
		return r.read(node.Alias, depth+1)
	case yaml.ScalarNode:
		return readScalar(node)
	case yaml.SequenceNode:
		list := make([]any, 0, len(node.Content))
		for _, child := range node.Content {
			value, err := r.read(child, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, value)
		}
		return list, nil
	case yaml.MappingNode:
		return r.readMap(node, depth)
	}
	return nil, fail(node, "unknown kind of value")
}

func fail(node *yaml.Node, problem string) error {
	return fmt.Errorf("line %d: %s", node.Line, problem)
}

func (r *yamlReader) readMap(node *yaml.Node, depth int) (any, error) {
	values := make(map[string]any, len(node.Content)/2)
	var merged []*yaml.Node
	for i := 0; i+1 < len(node.Content); i += 2 {
		key := node.Content[i]
		if key.ShortTag() == "!!merge" {
			merged = append(merged, node.Content[i+1])
			continue
		}
		for key.Kind == yaml.AliasNode {
			key = key.Alias
		}
		if key.Kind != yaml.ScalarNode {
			return nil, fail(key, "expected a plain key")
		}
		if _, twice := values[key.Value]; twice {
			return nil, fail(key, "the key "+strconv.Quote(key.Value)+" is there twice")
		}
		value, err := r.read(node.Content[i+1], depth+1)
		if err != nil {
			return nil, err
		}
		values[key.Value] = value
	}
	for _, from := range merged {
		if err := r.merge(values, from, depth); err != nil {
			return nil, err
		}
	}
	return values, nil
}

// merge adds what a merge key ("<<") brings: a map, or a list of maps of which
// the first has precedence. Keys that are there stay.
func (r *yamlReader) merge(values map[string]any, from *yaml.Node, depth int) error {
	value, err := r.read(from, depth+1)
	if err != nil {
		return err
	}
	list, ok := value.([]any)
	if !ok {
		list = []any{value}
	}
	for _, element := range list {
		others, ok := element.(map[string]any)
		if !ok {
			return fail(from, "expected a map to merge")
		}
		for key, other := range others {
			if _, there := values[key]; !there {
				values[key] = other
			}
		}
	}
	return nil
}

func readScalar(node *yaml.Node) (any, error) {
	switch node.ShortTag() {
	case "!!null":
		return nil, nil
	case "!!bool":
		var flag bool
		if node.Decode(&flag) != nil { // the error quotes the text, which may be a secret
			return nil, fail(node, "expected a boolean")
		}
		return flag, nil
	case "!!int", "!!float":
		var number float64
		if node.Decode(&number) != nil {
			return nil, fail(node, "expected a number")
		}
		if math.IsNaN(number) || math.IsInf(number, 0) {
			return nil, fail(node, "expected a finite number")
		}
		return number, nil
	}
	return node.Value, nil // strings, and times, which no field has
}
