// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package entity

import (
	"bytes"
	"hash/maphash"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// A configuration mostly repeats the one before: of 100 000 routes one has changed.
// A row that is there byte for byte was decoded and validated before, and is taken
// over as it is.

// takenOver are the collections whose rows may be taken over: what makes them valid
// is in them alone. Certificates and keys may have expired since.
var takenOver = []*Schema{Services, Routes, Consumers, Plugins, Upstreams, Targets}

// seed is of the hashes by which rows are found again.
var seed = maphash.MakeSeed()

// keptRow is a complete row with the text that it was read from.
type keptRow struct {
	text []byte
	row  map[string]any
}

// sectionTexts are the rows of a section as text, with those that were taken over.
type sectionTexts struct {
	texts [][]byte
	taken []bool
}

// Next parses the configuration that follows t, as [ParseTable] does, and takes
// over the rows that have not changed. The two tables share them: the rows of a
// table are never written to. t may be nil.
func (t *Table) Next(raw []byte) (*Table, error) {
	if t == nil || t.kept == nil {
		return parseTable(raw, nil)
	}
	<-t.kept.found
	return parseTable(raw, t.kept.rows)
}

// section is a collection's rows with their texts. Plain are the rows whose text alone
// says what they are: not those that were given an id, refer to others by name, or had
// a warning.
type section struct {
	rows  []Record
	texts [][]byte
	plain []bool
}

// keptRows are plain rows by the hash of their text.
type keptRows struct {
	rows  map[uint64]keptRow
	found chan struct{} // closed once rows is there
}

// keep remembers the plain rows. That takes a while, for which nobody has to wait who
// wants to serve with the table.
func keep(sections []section) *keptRows {
	size := 0
	for _, s := range sections {
		size += len(s.rows)
	}
	kept := &keptRows{rows: make(map[uint64]keptRow, size), found: make(chan struct{})}
	go func() {
		defer close(kept.found)
		for _, s := range sections {
			for i, row := range s.rows {
				if s.plain[i] {
					kept.rows[maphash.Bytes(seed, s.texts[i])] = keptRow{s.texts[i], row}
				}
			}
		}
	}()
	return kept
}

// isPlain says whether a row that was just read, and not completed yet, may be
// taken over once it is valid.
func isPlain(schema *Schema, row Record) bool {
	if row["id"] == nil {
		return false
	}
	for i := range schema.Fields {
		if field := &schema.Fields[i]; field.Kind == Foreign && row[field.Name] != nil {
			if id, isText := row[field.Name].(string); !isText || !isUUID(id) {
				return false
			}
		}
	}
	return true
}

// table reads the object at the top. The rows of its sections are looked up among
// those kept; texts gets what they were read from.
func (d *decoder) table(kept map[uint64]keptRow, texts map[string]*sectionTexts) (map[string]any, error) {
	return d.top(func(name string) (any, error) {
		if d.text.PeekKind() == '[' && isTakenOver(name) {
			texts[name] = &sectionTexts{}
			return d.section(kept, texts[name])
		}
		return d.value()
	})
}

// top reads an object whose members are read by a function of their names.
func (d *decoder) top(member func(name string) (any, error)) (map[string]any, error) {
	if _, err := d.text.ReadToken(); err != nil {
		return nil, err
	}
	members := map[string]any{}
	for d.text.PeekKind() != '}' {
		name, err := d.name()
		if err != nil {
			return nil, err
		}
		value, err := member(name)
		if err != nil {
			return nil, err
		}
		if _, twice := members[name]; twice {
			return nil, d.twice(name)
		}
		members[name] = value
	}
	_, err := d.text.ReadToken()
	return members, err
}

func isTakenOver(name string) bool {
	return slices.ContainsFunc(takenOver, func(s *Schema) bool { return s.Name == name })
}

// section reads the rows of one.
func (d *decoder) section(kept map[uint64]keptRow, texts *sectionTexts) ([]any, error) {
	if _, err := d.text.ReadToken(); err != nil {
		return nil, err
	}
	list, size := []any{}, 0
	for kind := d.text.PeekKind(); kind != ']'; kind = d.text.PeekKind() {
		var element any
		var text []byte
		var known bool
		var err error
		switch {
		case kind != '{':
			element, err = d.value()
		case len(kept) == 0:
			element, text, err = d.row(size)
		default:
			element, text, known, err = d.find(kept, size)
		}
		if err != nil {
			return nil, err
		}
		if row, isRow := element.(map[string]any); isRow {
			size = len(row)
		}
		list = append(list, element)
		texts.texts, texts.taken = append(texts.texts, text), append(texts.taken, known)
	}
	_, err := d.text.ReadToken()
	return list, err
}

// row reads a row, and returns its text, too.
func (d *decoder) row(size int) (row any, text []byte, err error) {
	begin := d.text.InputOffset()
	row, err = d.object(size)
	text = d.raw[begin:d.text.InputOffset()]
	return row, text[max(bytes.IndexByte(text, '{'), 0):], err // what came before it was a comma at most
}

// find looks a row up by its text, and reads it if it is not known.
func (d *decoder) find(kept map[uint64]keptRow, size int) (row any, text []byte, known bool, err error) {
	value, err := d.text.ReadValue()
	if err != nil {
		return nil, nil, false, err
	}
	end := d.text.InputOffset()
	text = d.raw[int(end)-len(value) : end]
	if same, is := kept[maphash.Bytes(seed, text)]; is && bytes.Equal(same.text, text) {
		return same.row, text, true, nil
	}
	inner := *d // shares the tables of what repeats
	inner.text = jsontext.NewDecoder(bytes.NewBuffer(text), jsontext.AllowDuplicateNames(true))
	inner.raw, inner.base = text, d.base+int(end)-len(text)
	row, err = inner.object(size)
	return row, text, false, err
}
