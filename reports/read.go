// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// Read reads the report.json of a finished run's directory. The error names the
// file, and what is wrong with it.
func Read(dir string) (Model, error) {
	path := filepath.Join(dir, JSONFile)
	text, err := os.ReadFile(path)
	if err != nil {
		return Model{}, fmt.Errorf("read report: %w", err)
	}
	m, err := Decode(text)
	if err != nil {
		return Model{}, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}

// Decode reads the text of a report.json. Fields that a later program of the same
// schema added are skipped.
func Decode(text []byte) (Model, error) {
	var m Model
	if err := json.Unmarshal(text, &m); err != nil {
		return Model{}, fmt.Errorf("it is no report: %w", err)
	}
	if m.Schema < 1 || m.Schema > Schema {
		return Model{}, fmt.Errorf("it is no report that this program reads: its schema is %d, and 1 to %d are known", m.Schema, Schema)
	}
	return m, nil
}

// Plain is text of a run that is safe to show on a terminal: one line of valid UTF-8,
// without characters that move a cursor or turn the direction of writing.
func Plain(s string) string { return clean(s) }
