// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package fallback

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"blackout/internal/fallback/bucket"
	"blackout/internal/fallback/election"
)

// commentMember is the top-level member of a config_table that holds a text for
// people. Kong knows it and ignores it, so it is where the epoch goes that makes
// the bytes of every snapshot different from those of any other.
const commentMember = "_comment"

// layout is where the members of a config_table stand in its text, its comments
// left out: runs of members with the commas between them.
type layout struct {
	runs    []span
	cluster string // see [Bookkeeping]
}

// span is a part of a text.
type span struct{ from, to int }

// survey finds the members of a config_table that may replace a backup: it is one
// complete JSON object that holds an entity. Workspaces and parameters alone are
// what a control plane with a lost database has, and Kong's data planes count a
// configuration of only them as none. No member but a comment, which is left out, may
// be there twice: which of the two a reader takes is its own affair.
func survey(table []byte) (layout, error) {
	if err := requireBrace(table); err != nil {
		return layout{}, err
	}
	s := surveyor{Decoder: newScanner(table), names: map[string]bool{}}
	if _, err := s.ReadToken(); err != nil {
		return layout{}, err
	}
	for s.PeekKind() != '}' {
		if err := s.member(); err != nil {
			return layout{}, err
		}
	}
	if _, err := s.ReadToken(); err != nil {
		return layout{}, err
	}
	if _, err := s.ReadToken(); !errors.Is(err, io.EOF) {
		return layout{}, errors.New("something follows the JSON object")
	}
	if !s.entity {
		return layout{}, errors.New("it holds no entity")
	}
	return s.found, nil
}

// newScanner reads a text that it does not copy. It takes what encoding/json takes.
func newScanner(text []byte) *jsontext.Decoder {
	return jsontext.NewDecoder(bytes.NewBuffer(text), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
}

// surveyor reads a config_table once.
type surveyor struct {
	*jsontext.Decoder
	found    layout
	names    map[string]bool
	entity   bool // there was one
	detached bool // the member before was a comment
}

// member takes the next member.
func (s *surveyor) member() error {
	quoted, err := s.ReadValue()
	if err != nil {
		return err
	}
	from := int(s.InputOffset()) - len(quoted)
	unquoted, err := jsontext.AppendUnquote(nil, quoted)
	if err != nil {
		return err
	}
	name := string(unquoted)
	value, err := s.ReadValue()
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if name == commentMember {
		s.detached = true
		return nil
	}
	if s.names[name] {
		return fmt.Errorf("the member %q is there twice", name)
	}
	s.names[name] = true
	if name == "parameters" {
		s.found.cluster = clusterOf(value)
	}
	bookkeeping := strings.HasPrefix(name, "_") || name == "workspaces" || name == "parameters"
	s.entity = s.entity || !bookkeeping && holdsEntity(json.RawMessage(value))
	s.keep(span{from, int(s.InputOffset())})
	return nil
}

// clusterOf is the cluster's id among the parameters of a database.
func clusterOf(parameters []byte) string {
	var rows []struct{ Key, Value string }
	if json.Unmarshal(parameters, &rows) != nil {
		return "" // an empty list of Lua may be an object
	}
	for _, row := range rows {
		if row.Key == "cluster_id" {
			return row.Value
		}
	}
	return ""
}

// keep adds a member to the last run, or begins another.
func (s *surveyor) keep(member span) {
	if runs := s.found.runs; len(runs) > 0 && !s.detached {
		runs[len(runs)-1].to = member.to
		return
	}
	s.found.runs, s.detached = append(s.found.runs, member), false
}

// stamp is the table with a comment as its first member, and without those it had.
// Everything else is as it was, byte for byte.
func (l layout) stamp(table []byte, comment string) (bucket.Body, error) {
	quoted, err := json.Marshal(comment)
	if err != nil {
		return bucket.Body{}, fmt.Errorf("encode the comment: %w", err)
	}
	parts := [][]byte{[]byte(`{"` + commentMember + `":`), quoted}
	for _, run := range l.runs {
		parts = append(parts, []byte{','}, table[run.from:run.to])
	}
	return bucket.BodyOf(append(parts, []byte{'}'})...), nil
}

// The form of the comment, without the values.
const (
	commentTitle    = "blackout"
	commentEpoch    = "epoch="
	commentExporter = "exporter="
	commentLife     = "life="
)

// comment is the part of the bookkeeping that goes into the object's body.
func (b Bookkeeping) comment() string {
	return strings.Join([]string{commentTitle, commentEpoch + b.Epoch.String(), commentExporter + b.Exporter, commentLife + b.Life}, " ")
}

// readComment reads back what an exporter wrote into a snapshot's body; it is zero
// where none did. It tells what the metadata would have told that a copy of the
// object lost.
func readComment(table []byte) Bookkeeping {
	scanner := newScanner(table)
	var comment string
	for _, take := range []func(jsontext.Token) bool{
		func(t jsontext.Token) bool { return t.Kind() == '{' },
		func(t jsontext.Token) bool { return t.Kind() == '"' && t.String() == commentMember },
		func(t jsontext.Token) bool { comment = t.String(); return t.Kind() == '"' },
	} {
		if token, err := scanner.ReadToken(); err != nil || !take(token) {
			return Bookkeeping{}
		}
	}
	words := strings.Split(comment, " ")
	if len(words) != 4 || words[0] != commentTitle {
		return Bookkeeping{}
	}
	epochText, hasEpoch := strings.CutPrefix(words[1], commentEpoch)
	exporter, hasExporter := strings.CutPrefix(words[2], commentExporter)
	life, hasLife := strings.CutPrefix(words[3], commentLife)
	epoch, err := election.ParseEpoch(epochText)
	if err != nil || !hasEpoch || !hasExporter || !hasLife {
		return Bookkeeping{}
	}
	return Bookkeeping{Epoch: epoch, Exporter: exporter, Life: life}
}
