// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package entity

import (
	"crypto/sha1" // #nosec G505 -- the form in which Kong stores passwords of basic-auth
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/go-json-experiment/json"
)

// ParseDeclarative reads a declarative file of Kong's format 3.0, YAML or JSON:
// rows may be nested in what they refer to (routes in services, targets in
// upstreams, plugins, credentials, SNIs), references are ids or names, ids may be
// left out (they are then made of the name, or of the content of rows that have
// none), services may have a url. Unknown fields, plugins and sections are
// errors. The error is an [*Error] with [CodeDeclarative] whose fields mirror the
// file, in the words of Kong 3.9; text that is no document at all gives another.
//
// Passwords of basic-auth are hashed as Kong does, unless _transform is false.
// Files of the older formats 1.1 and 2.1 are refused: their regex paths don't
// show, so that loading them as they are could open other routes than before.
func ParseDeclarative(text []byte) (*Table, error) {
	document, err := decodeDocument(text)
	if err != nil {
		return nil, fmt.Errorf("decode the declarative configuration: %w", err)
	}
	flat := flattener{rows: map[string][]Record{}, places: map[string][]place{}, ids: idMaker{}, inner: map[*Schema][]Referrer{}}
	others := flat.document(document)
	if err := flat.problems.err(); err != nil {
		return nil, err
	}
	if err := flat.complete(); err != nil {
		return nil, err
	}
	return flat.table(others, document["_transform"] != false)
}

// ParseDeclarative's own keys; the rest of those with an underscore are for the
// tools that write the files.
var ownKeys = []string{"_comment", "_ignore", "_info", "_workspace", "_transform", "_format_version"}

// document takes the document apart and returns the sections that are carried.
func (f *flattener) document(document map[string]any) map[string][]any {
	switch version := document["_format_version"]; version {
	case FormatVersion:
	case nil:
		f.problems.set(place{"_format_version"}, requiredMissing)
	case "1.1", "2.1":
		f.problems.set(place{"_format_version"}, "is older than 3.0: migrate the file, for example with deck file convert")
	default:
		f.problems.set(place{"_format_version"}, "expected one of: "+FormatVersion)
	}
	if _, ok := document["_transform"].(bool); !ok && document["_transform"] != nil {
		f.problems.set(place{"_transform"}, expected[Boolean])
	}
	for _, schema := range all {
		f.section(schema, document[schema.Name], place{schema.Name}, nil, nil)
	}
	for _, name := range carried {
		f.section(carriedSchema(name), document[name], place{name}, nil, nil)
	}
	others := map[string][]any{}
	for _, name := range slices.Sorted(maps.Keys(document)) {
		switch list, isList := document[name].([]any); {
		case Lookup(name) != nil || slices.Contains(carried, name) || slices.Contains(ownKeys, name):
		case slices.Contains(bookkeeping, name) && isList:
			others[name] = list
		default:
			f.problems.set(place{name}, unknownField)
		}
	}
	return others
}

// bookkeeping are sections that every edition writes and this gateway has no use
// for.
var bookkeeping = []string{"workspaces", "parameters", "filter_chains", "licenses"}

// complete validates the rows and resolves their references.
func (f *flattener) complete() error {
	for _, schema := range all {
		for i, row := range f.rows[schema.Name] {
			delete(row, "ws_id")
			var wrong Violations
			schema.complete(row, &wrong, fromFile)
			refuseUngenerated(schema, row, &wrong)
			if found := wrong.all(); found != nil {
				f.problems.set(f.places[schema.Name][i], found)
			} else if schema.derive != nil {
				schema.derive(row)
			}
		}
	}
	if err := f.problems.err(); err != nil {
		return err
	}
	index := make(indexes, len(f.rows))
	for _, schema := range append(All(), carriedSchemas()...) {
		var wrong *rowError
		if errors.As(index.check(schema, f.rows[schema.Name]), &wrong) {
			f.problems.set(wrong.at(f.places[schema.Name][wrong.row]), wrong.problem)
			return f.problems.err()
		}
	}
	return nil
}

// refuseUngenerated wants the secrets that the Admin API would make: made anew at
// each load, they would differ from node to node.
func refuseUngenerated(schema *Schema, row Record, wrong *Violations) {
	for i := range schema.Fields {
		if field := &schema.Fields[i]; field.Auto && field.Secret && row[field.Name] == nil {
			wrong.set(field.Name, requiredMissing)
		}
	}
}

// table puts the rows together.
func (f *flattener) table(others map[string][]any, transform bool) (*Table, error) {
	if transform {
		hashPasswords(f.rows["basicauth_credentials"])
	}
	table := &Table{rows: f.rows, All: map[string]any{"_format_version": FormatVersion, "_transform": false}}
	for name, rows := range f.rows {
		list := make([]any, len(rows))
		for i, row := range rows {
			list[i] = map[string]any(row)
		}
		table.All[name] = list
	}
	for name, rows := range others {
		table.All[name] = rows
	}
	raw, err := json.Marshal(table.All, json.Deterministic(true))
	if err != nil {
		return nil, fmt.Errorf("encode the declarative configuration: %w", err)
	}
	table.Raw = raw
	table.Services, table.Routes = f.rows["services"], f.rows["routes"]
	return table, nil
}

// hashPasswords replaces the passwords of basic-auth credentials.
func hashPasswords(rows []Record) {
	for _, row := range rows {
		HashPassword(row)
	}
}

// HashPassword replaces the password of a basic-auth credential by its hash, as
// Kong 3.9 keeps it: the hexadecimal SHA-1 of the password and the consumer's id.
func HashPassword(credential Record) {
	if password := credential.Text("password"); password != "" {
		sum := sha1.Sum([]byte(password + credential.Reference("consumer"))) // #nosec G401 -- see the import
		credential["password"] = hex.EncodeToString(sum[:])
	}
}

// problems are what is wrong with a file, in a tree that mirrors it.
type problems struct{ root map[string]any }

// set notes a problem at a place; what is noted there already stays.
func (p *problems) set(at place, problem any) {
	if p.root == nil {
		p.root = map[string]any{}
	}
	p.root, _ = insert(p.root, at, problem).(map[string]any)
}

// insert returns the tree with the problem in it.
func insert(tree any, at place, problem any) any {
	if len(at) == 0 {
		if tree != nil {
			return tree
		}
		return problem
	}
	switch step := at[0].(type) {
	case int:
		list, _ := tree.([]any)
		for len(list) <= step {
			list = append(list, nil)
		}
		list[step] = insert(list[step], at[1:], problem)
		return list
	case string:
		fields, ok := tree.(map[string]any)
		if !ok {
			fields = map[string]any{}
		}
		fields[step] = insert(fields[step], at[1:], problem)
		return fields
	}
	return tree
}

func (p *problems) err() error {
	if p.root == nil {
		return nil
	}
	return &Error{Code: CodeDeclarative, Fields: p.root, Message: "declarative config is invalid: " + WriteTable(p.root, "")}
}
