// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"

	"blackout/internal/gateway/entity"
	"blackout/internal/gateway/proxy"
)

// decodeTable decodes a config_table.
func decodeTable(table []byte) (map[string]any, error) {
	var sections map[string]any
	if err := json.Unmarshal(table, &sections); err != nil {
		return nil, err
	}
	if sections == nil {
		return nil, errors.New("it is null")
	}
	return sections, nil
}

// hashOf is the configuration's hash. What an exporter notes in the comment is not
// part of it.
func hashOf(sections map[string]any) string {
	comment, commented := sections[commentName]
	delete(sections, commentName)
	defer func() {
		if commented {
			sections[commentName] = comment
		}
	}()
	return entity.Hash(sections).Config
}

// rowsOf are the entities of a table, by kind.
func rowsOf(sections map[string]any) map[string][]entity.Record {
	rows := map[string][]entity.Record{}
	for name, section := range sections {
		list, isList := section.([]any)
		if !isSection(name) || !isList {
			continue
		}
		rows[name] = make([]entity.Record, len(list))
		for i, element := range list {
			row, _ := element.(map[string]any)
			rows[name][i] = row
		}
	}
	return rows
}

// mostBuilt is how many problems are found by building what a data plane builds: each
// costs another attempt.
const mostBuilt = 20

// builtRow is how the parts of a data plane name the row that they cannot build:
// "plugins.3: why", "route 7b1f…: why".
var builtRow = regexp.MustCompile(`^(?:(plugins|certificates|snis|upstreams|keyauth_credentials)\.(\d+)|(route|service) ([^ :]+)): (.*)$`)

// buildProblems builds of a valid table what a data plane builds before it takes it:
// router, plugins, balancer, certificates. They stop at the first row that they cannot
// use, so that it is left out and the rest is built again. The plugins that are named
// are left out from the beginning.
func buildProblems(table []byte, unknown []string) []Finding {
	original, err := decodeTable(table)
	if err != nil {
		return []Finding{{Reason: err.Error()}}
	}
	rows := rowsOf(original)
	rest := leaveOut(original, "plugins", func(row entity.Record) bool { return slices.Contains(unknown, row.Name()) })
	var found []Finding
	for rest != nil && len(found) < mostBuilt {
		parsed, err := entity.ParseTable(rest)
		if err != nil {
			return found // nothing but what was left out
		}
		if err = build(parsed); err == nil {
			return found
		}
		finding, row := blame(parsed, err)
		finding.Row = 1 + slices.IndexFunc(rows[finding.Kind], func(r entity.Record) bool { return row != nil && r.ID() == row.ID() })
		found = append(found, finding)
		if row == nil {
			return found
		}
		rest = leaveOut(parsed.All, finding.Kind, func(r entity.Record) bool { return r.ID() == row.ID() })
	}
	return append(found, Finding{Reason: fmt.Sprintf("no more than %d problems of this kind are looked for: put them right first", mostBuilt)})
}

func build(table *entity.Table) error {
	built := proxy.New(proxy.Options{})
	defer built.Close()
	_, err := built.Build(table)
	return err
}

// blame says which row is wrong; nil if that is not known.
func blame(table *entity.Table, err error) (Finding, entity.Record) {
	match := builtRow.FindStringSubmatch(err.Error())
	if match == nil {
		return Finding{Reason: err.Error()}, nil
	}
	kind := match[1]
	row, _ := strconv.Atoi(match[2])
	if match[3] != "" {
		kind = match[3] + "s"
		row = 1 + slices.IndexFunc(table.Rows(kind), func(r entity.Record) bool { return r.ID() == match[4] })
	}
	rows := table.Rows(kind)
	if row < 1 || row > len(rows) {
		return Finding{Kind: kind, Reason: err.Error()}, nil
	}
	return about(kind, row, rows[row-1], "", match[5]), rows[row-1]
}

// leaveOut is a table without some rows and, as they could not be without them, those
// that refer to them.
func leaveOut(sections map[string]any, kind string, out func(entity.Record) bool) []byte {
	gone := map[string]map[string]bool{}
	rest := maps.Clone(sections)
	for _, schema := range append(entity.All(), entity.Credentials()...) {
		list, _ := sections[schema.Name].([]any)
		if list == nil {
			continue
		}
		gone[schema.Name] = map[string]bool{}
		var kept []any
		for _, element := range list {
			record, _ := element.(map[string]any)
			if (schema.Name == kind && out(record)) || refersTo(schema, record, gone) {
				gone[schema.Name][entity.Record(record).ID()] = true
			} else {
				kept = append(kept, element)
			}
		}
		rest[schema.Name] = kept
	}
	text, err := json.Marshal(rest)
	if err != nil {
		return nil
	}
	return text
}

func refersTo(schema *entity.Schema, record entity.Record, gone map[string]map[string]bool) bool {
	for _, field := range schema.Foreign() {
		if id := record.Reference(field.Name); id != "" && gone[field.Reference][id] {
			return true
		}
	}
	return false
}
