// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package entity

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// FormatVersion is the version of the declarative format that is written. Older
// ones need their paths migrated and are refused.
const FormatVersion = "3.0"

// ErrEmpty is returned, wrapped, for a config_table that holds nothing to serve.
var ErrEmpty = errors.New("the configuration holds no entities")

// Table is a validated config_table: the declarative form in which the control
// plane hands out a configuration, as a whole.
type Table struct {
	Services []Record // complete records
	Routes   []Record // complete records; service is the bare id

	// All is the whole decoded table. The rows of known types are complete;
	// unknown types, and unknown fields, are kept as they came.
	All map[string]any

	// Raw is the JSON text that the table was parsed from.
	Raw []byte

	// Warnings are what is not as it should be but no reason to refuse a
	// configuration, one line each.
	Warnings []string

	rows map[string][]Record
	kept *keptRows // for the table that follows; nil if the rows are as they came
}

// Rows returns the rows of an entity type, complete ones if the type is known;
// references are bare ids.
func (t *Table) Rows(name string) []Record {
	if rows, cached := t.rows[name]; cached {
		return rows
	}
	list, _ := t.All[name].([]any)
	rows := make([]Record, 0, len(list))
	for _, element := range list {
		if row, ok := element.(map[string]any); ok {
			rows = append(rows, row)
		}
	}
	return rows
}

// IsEmpty reports whether the table holds nothing but bookkeeping (workspaces
// and parameters).
func (t *Table) IsEmpty() bool {
	for name := range t.All {
		if name != "workspaces" && name != "parameters" && len(t.Rows(name)) > 0 {
			return false
		}
	}
	return true
}

// Hashes computes the hashes of the table as it came, without the defaults that
// were filled in.
func (t *Table) Hashes() (Hashes, error) { return hashText(t.Raw) }

// HashText computes the hash of a config_table from its text. A top-level
// _comment, which no control plane sends and every exported copy has, counts for
// nothing.
func HashText(raw []byte) (string, error) {
	hashes, err := hashText(raw)
	return hashes.Config, err
}

// ParseTable decodes and validates a config_table whole: it is accepted or
// refused as one. Refused are text that is not exactly one JSON object, another
// _format_version, records that break their schema, duplicate ids and other
// unique values, and references to entities that are not there; the error names
// the section, the position from 1, the field and the reason. Types, fields and
// plugins that this gateway does not know are carried along; a field among them
// is a warning, but an error if it narrows down what its entity applies to. A table without any
// rows but workspaces is refused with [ErrEmpty]: Kong's data planes count it as
// none, whereas parameters, which a control plane always has, make them ready.
func ParseTable(raw []byte) (*Table, error) { return parseTable(raw, nil) }

// ReadTable decodes a config_table and looks at its form alone: exactly one JSON
// object of the right _format_version, whose sections are lists of records with a
// row among them. The rows stay as they came. It is for who hands a configuration
// on that another edition of the gateway made and checked.
func ReadTable(raw []byte) (*Table, error) { return readTable(raw, nil, map[string]*sectionTexts{}) }

// parseTable takes over the rows that are kept; see [Table.Next].
func parseTable(raw []byte, kept map[uint64]keptRow) (*Table, error) {
	texts := map[string]*sectionTexts{}
	table, err := readTable(raw, kept, texts)
	if err != nil {
		return nil, err
	}
	if err := table.complete(texts); err != nil {
		return nil, err
	}
	table.Services, table.Routes = table.rows["services"], table.rows["routes"]
	return table, nil
}

func readTable(raw []byte, kept map[uint64]keptRow, texts map[string]*sectionTexts) (*Table, error) {
	d := newDecoder(raw)
	all, err := d.whole(func() (map[string]any, error) { return d.table(kept, texts) })
	if err != nil {
		return nil, fmt.Errorf("decode config_table: %w", err)
	}
	if err := checkHead(all); err != nil {
		return nil, err
	}
	if err := checkSections(all); err != nil {
		return nil, err
	}
	table := &Table{All: all, Raw: raw}
	table.Services, table.Routes = table.Rows("services"), table.Rows("routes")
	return table, nil
}

// checkHead refuses a table that is none of the format that is read.
func checkHead(all map[string]any) error {
	if len(all) == 0 {
		return ErrEmpty
	}
	if version, _ := all["_format_version"].(string); version != FormatVersion {
		return fmt.Errorf("_format_version is %v, need %q", all["_format_version"], FormatVersion)
	}
	return nil
}

// checkSections refuses a table whose entity types are not lists of objects,
// and one in which no list but workspaces has a row.
func checkSections(all map[string]any) error {
	rows := 0
	for name, value := range all {
		if name == "" || name[0] == '_' || value == nil {
			continue
		}
		list, ok := value.([]any)
		if !ok {
			return fmt.Errorf("%s: expected an array", name)
		}
		for i, element := range list {
			if _, ok := element.(map[string]any); !ok {
				return fmt.Errorf("%s.%d: expected a record", name, i+1)
			}
		}
		if name != "workspaces" {
			rows += len(list)
		}
	}
	if rows == 0 {
		return ErrEmpty
	}
	return nil
}

// complete validates the rows of all known types in place.
func (t *Table) complete(texts map[string]*sectionTexts) error {
	t.rows = make(map[string][]Record, len(t.All))
	index := make(indexes, len(t.All))
	var kept []section
	for _, schema := range append(All(), carriedSchemas()...) {
		rows := t.Rows(schema.Name)
		t.rows[schema.Name] = rows
		if slices.Contains(all, schema) {
			plain, err := t.completeRows(schema, rows, texts[schema.Name])
			if err != nil {
				return err
			}
			if texts[schema.Name] != nil {
				kept = append(kept, section{rows, texts[schema.Name].texts, plain})
			}
		}
		if err := index.check(schema, rows); err != nil {
			return err
		}
	}
	if t.All["_transform"] != false {
		hashPasswords(t.rows["basicauth_credentials"])
	}
	t.kept = keep(kept)
	return nil
}

// carried are the credentials of plugins that this gateway does not run. Their
// rows are kept as they came, but they must belong to somebody.
var carried = []string{"basicauth_credentials", "hmacauth_credentials", "jwt_secrets", "acls", "oauth2_credentials"}

var carriedFields = []Field{{Name: "consumer", Kind: Foreign, Reference: "consumers"}}

func carriedSchema(name string) *Schema { return &Schema{Name: name, Fields: carriedFields} }

func carriedSchemas() []*Schema {
	schemas := make([]*Schema, len(carried))
	for i, name := range carried {
		schemas[i] = carriedSchema(name)
	}
	return schemas
}

// completeRows fills in and validates the rows of one type, but for those that were
// taken over. Fields that the schema does not know are no violation: another
// edition of the gateway may have written them (ws_id). It says which rows may be
// taken over again.
func (t *Table) completeRows(schema *Schema, rows []Record, texts *sectionTexts) (plain []bool, err error) {
	ids, ignored := idMaker{}, map[string]bool{"ws_id": true}
	plain = make([]bool, len(rows))
	for i, row := range rows {
		if texts != nil && texts.taken[i] {
			plain[i] = true
			continue
		}
		plain[i] = isPlain(schema, row)
		if row["id"] == nil {
			row["id"] = ids.make(schema, row)
		}
	}
	judged := judgeRows(schema, rows, texts)
	for _, j := range judged {
		i, row := j.row, rows[j.row]
		if err := j.wrong.err(); err != nil {
			return nil, fmt.Errorf("%s.%d: %w", schema.Name, i+1, err)
		}
		plain[i] = false
		for _, warning := range j.wrong.warnings {
			t.Warnings = append(t.Warnings, fmt.Sprintf("%s.%d: %s", schema.Name, i+1, warning))
		}
		if len(row) <= len(schema.Fields) {
			continue
		}
		if err := t.others(schema, i, row, ignored); err != nil {
			return nil, err
		}
	}
	return plain, nil
}

// others looks at the fields of a row that the schema does not know. They are
// carried; the first row of a type that sets one is a warning.
func (t *Table) others(schema *Schema, i int, row Record, ignored map[string]bool) error {
	for _, name := range unknownFields(schema, row) {
		if slices.Contains(schema.Narrowing, name) {
			return &rowError{schema.Name, i, name, narrows}
		}
		if !ignored[name] {
			ignored[name] = true
			t.Warnings = append(t.Warnings, fmt.Sprintf("%s.%d: %s: %s", schema.Name, i+1, name, unknownIgnored))
		}
	}
	return nil
}

const (
	narrows        = "is not known to this gateway, and the entity would apply to more without it"
	unknownIgnored = "unknown field, ignored"
)

// unknownFields are the fields that a row sets and its schema does not know, sorted.
func unknownFields(schema *Schema, row Record) []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(row)) {
		if row[name] != nil && schema.Field(name) == nil {
			names = append(names, name)
		}
	}
	return names
}
