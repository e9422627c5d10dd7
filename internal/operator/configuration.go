// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/google/uuid"

	"blackout/internal/gateway/entity"
)

// Configuration is one that is compared with a snapshot, or written as one.
type Configuration struct {
	From  string        // where it is from: a control plane's URL, a file's path
	Table *entity.Table // valid
	Hash  string        // canonical; see [entity.Hash]
}

// maxFile is the largest file that is read, in bytes.
const maxFile = 256 << 20

// ReadFile reads a declarative file, YAML or JSON, and makes of it what a control plane
// would hand out: ids that follow from the names, defaults, a workspace; disabled
// entities are left out with what refers to them. The same file always gives the same
// configuration, byte for byte. What is wrong with the file is [ErrInput], or, where its
// content is no valid configuration, an [*Invalid].
func ReadFile(path string) (*Configuration, error) {
	text, err := readInput(path)
	if err != nil {
		return nil, err
	}
	declared, err := entity.ParseDeclarative(text)
	if err != nil {
		return nil, invalidFile(path, err)
	}
	rows := map[string][]entity.Record{}
	for name := range declared.All {
		if isSection(name) {
			rows[name] = declared.Rows(name)
		}
	}
	return made(path, rows)
}

// ReadTable reads a file that holds a config_table as a node exports it, JSON. It is
// taken as it is, byte for byte.
func ReadTable(path string) (*Configuration, error) {
	text, err := readInput(path)
	if err != nil {
		return nil, err
	}
	if !bytes.HasPrefix(bytes.TrimLeft(text, " \t\r\n"), []byte("{")) {
		return nil, fmt.Errorf("the file %w: %s is no JSON object, as a config_table is; a declarative file is written by blackout fallback seed", ErrInput, path)
	}
	return parsed(path, text)
}

func readInput(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, fmt.Errorf("the file %w: %w", ErrInput, err) // which names it
	case info.Size() > maxFile:
		return nil, fmt.Errorf("the file %w: %s has %d bytes, more than %d", ErrInput, path, info.Size(), int64(maxFile))
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("the file %w: %w", ErrInput, err)
	}
	return text, nil
}

// Invalid is a configuration that no node would take, with all that is wrong with it.
type Invalid struct {
	From     string    `json:"from"`
	Problems []Finding `json:"problems"`
}

// Error is one line.
func (i *Invalid) Error() string {
	const shown = 3
	words := make([]string, 0, shown)
	for _, f := range i.Problems[:min(shown, len(i.Problems))] {
		words = append(words, f.String())
	}
	if more := len(i.Problems) - shown; more > 0 {
		words = append(words, fmt.Sprintf("and %d more", more))
	}
	return fmt.Sprintf("%s is no valid configuration: %s", i.From, strings.Join(words, "; "))
}

// invalidFile is what is wrong with a declarative file.
func invalidFile(path string, err error) error {
	var refusal *entity.Error
	if !errors.As(err, &refusal) || len(refusal.Fields) == 0 {
		return fmt.Errorf("the file %w: %s: %w", ErrInput, path, err)
	}
	wrong := &Invalid{From: path}
	for _, f := range entity.Flat(refusal.Fields) {
		wrong.Problems = append(wrong.Problems, Finding{Field: f.Field, Reason: f.Reason})
	}
	return wrong
}

// parsed is a configuration of a table's text.
func parsed(from string, text []byte) (*Configuration, error) {
	table, err := entity.ParseTable(text)
	if err != nil {
		wrong := &Invalid{From: from, Problems: findings(entity.AuditTable(text).Problems)}
		if len(wrong.Problems) == 0 {
			wrong.Problems = []Finding{{Reason: err.Error()}} // which the audit should have found
		}
		return nil, wrong
	}
	sections, err := decodeTable(text)
	if err != nil {
		return nil, err
	}
	return &Configuration{From: from, Table: table, Hash: hashOf(sections)}, nil
}

// made is a configuration of complete entities, as a control plane exports it.
func made(from string, rows map[string][]entity.Record) (*Configuration, error) {
	if len(rows["workspaces"]) == 0 {
		rows["workspaces"] = []entity.Record{defaultWorkspace()}
	}
	for kind := range rows {
		sorted := slices.Clone(rows[kind])
		for i, row := range sorted {
			sorted[i] = withoutUnsetTimes(row)
		}
		slices.SortStableFunc(sorted, func(a, b entity.Record) int { return strings.Compare(a.ID(), b.ID()) })
		rows[kind] = sorted
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(entity.NewTable(rows)); err != nil {
		return nil, fmt.Errorf("encode the configuration of %s: %w", from, err)
	}
	return parsed(from, bytes.TrimSuffix(text.Bytes(), []byte("\n")))
}

// withoutUnsetTimes leaves out the times of a row that was never stored: a node that
// reads it sets them itself.
func withoutUnsetTimes(row entity.Record) entity.Record {
	row = maps.Clone(row)
	for _, name := range []string{"created_at", "updated_at"} {
		if value, given := row[name]; given && value == nil {
			delete(row, name)
		}
	}
	return row
}

// workspaceSpace is the name space of the ids of workspaces.
var workspaceSpace = uuid.MustParse("5d2b9d0e-3a55-5c1f-9d3c-0f6b1c8f7f11")

// defaultWorkspace is the one that every control plane has. Its id does not change from
// one call to the next.
func defaultWorkspace() entity.Record {
	return entity.Record{"id": uuid.NewSHA1(workspaceSpace, []byte("default")).String(), "name": "default", "comment": nil,
		"meta": map[string]any{}, "config": map[string]any{}}
}

// Text writes the problems for people.
func (i *Invalid) Text(w io.Writer) error {
	var p page
	p.item(0, "%s is no valid configuration", i.From)
	list(&p, "problem", i.Problems)
	return p.to(w)
}
