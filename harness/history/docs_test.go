// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package history

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// declared are the kinds of events in the source.
func declared(t *testing.T) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "history.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if name, ok := spec.Type.(*ast.Ident); ok && name.Name == "Kind" {
			kind, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			kinds = append(kinds, kind)
		}
		return true
	})
	slices.Sort(kinds)
	return kinds
}

func documentation(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "recording.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var quoted = regexp.MustCompile("`([a-z_.]+)`")

// names are the words in backticks of a text.
func names(text string) []string {
	var out []string
	for _, m := range quoted.FindAllStringSubmatch(text, -1) {
		out = append(out, m[1])
	}
	return out
}

// documented are the kinds of events in docs/recording.md, with their fields.
func documented(t *testing.T) map[string][]string {
	t.Helper()
	_, text, _ := strings.Cut(documentation(t), "## Events")
	out := make(map[string][]string)
	for line := range strings.Lines(text) {
		cells := strings.Split(line, "|")
		if len(cells) < 4 || len(names(cells[1])) != 1 {
			continue
		}
		kind := names(cells[1])[0]
		if out[kind] != nil {
			t.Errorf("%s is documented twice", kind)
		}
		out[kind] = names(cells[2])
	}
	return out
}

func jsonNames(typ reflect.Type) []string {
	var out []string
	for i := range typ.NumField() {
		name, _, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ",")
		out = append(out, name)
	}
	return out
}

func TestEveryKindIsDocumented(t *testing.T) {
	t.Parallel()
	kinds, docs := declared(t), documented(t)
	if len(kinds) < 30 {
		t.Fatalf("only %d kinds were found in the source", len(kinds))
	}
	if got := slices.Sorted(maps.Keys(docs)); !slices.Equal(got, kinds) {
		t.Errorf("documented %v\nwant       %v", got, kinds)
	}
	used := make(map[string]bool)
	for kind, fields := range docs {
		for _, name := range fields {
			used[name] = true
			if !slices.Contains(jsonNames(reflect.TypeFor[Event]()), name) {
				t.Errorf("%s has no field %s", kind, name)
			}
		}
	}
	for _, name := range jsonNames(reflect.TypeFor[Event]()) {
		if !used[name] && name != "t" && name != "kind" {
			t.Errorf("no kind of event has the field %s", name)
		}
	}
}

func TestEveryFieldOfTheHeaderIsDocumented(t *testing.T) {
	t.Parallel()
	_, text, _ := strings.Cut(documentation(t), "## Header")
	text, _, _ = strings.Cut(text, "## Requests")
	docs := names(text)
	for _, typ := range []reflect.Type{reflect.TypeFor[Header](), reflect.TypeFor[Profile](), reflect.TypeFor[Node](), reflect.TypeFor[Stream]()} {
		for _, name := range jsonNames(typ) {
			if !slices.Contains(docs, name) {
				t.Errorf("the %s's %s is not documented", typ.Name(), name)
			}
		}
	}
}
