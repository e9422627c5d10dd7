// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package entitytest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// unworkspaced are the sections whose rows are in no workspace. A real control
// plane once gave them a ws_id all the same (Kong Enterprise before 3.15), and
// nobody could read the backup any more.
var unworkspaced = []string{"workspaces", "parameters"}

// Foreign returns a config_table as a control plane of another edition and version
// would send it: with workspaces, and with fields, nulls and entity types that this
// gateway does not know. The table is not changed.
func Foreign(source Source, table map[string]any) map[string]any {
	foreign := copied(table).(map[string]any)
	for _, name := range sections(foreign) {
		for _, row := range rowsOf(foreign, name) {
			if row["ws_id"] == nil && !slices.Contains(unworkspaced, name) {
				row["ws_id"] = DefaultWorkspace
			}
			if source.once(3) {
				row["tls_sans"] = nil
			}
			if source.once(3) {
				row["x_"+words[source(2)]] = anything(source, 2)
			}
		}
	}
	for _, name := range []string{"consumer_groups", "rbac_roles", "degraphql_routes", "größen"} {
		if !source.once(2) {
			continue
		}
		var rows []any
		for i := range 1 + source(3) {
			rows = append(rows, map[string]any{"id": fmt.Sprintf("0000000f-0000-4000-8000-%012x", i), "name": words[source(len(words))],
				"ws_id": DefaultWorkspace, "config": anything(source, 3)})
		}
		foreign[name] = rows
	}
	return foreign
}

// anything is a JSON value.
func anything(source Source, depth int) any {
	kind := source(9)
	if depth == 0 && kind > 6 {
		kind = 1
	}
	switch kind {
	case 0:
		return nil
	case 1:
		return words[source(len(words))]
	case 2:
		return true
	case 3:
		return []any{0.0, -1.0, 0.1, 1e15, 1700000000.123, 1e300, 5e-324}[source(7)]
	case 4:
		return []any{}
	case 5:
		return map[string]any{}
	case 6:
		return ""
	case 7:
		list := make([]any, source(8)) // the hash joins more than five in another way
		for i := range list {
			list[i] = anything(source, depth-1)
		}
		return list
	}
	members := map[string]any{}
	for range source(5) {
		members[words[source(len(words))]] = anything(source, depth-1)
	}
	return members
}

// OtherWorkspace is the id of the second workspace of [TwoWorkspaces].
const OtherWorkspace = "b7e9fc0d-34c0-429a-899d-6d8ca78fd9ec"

// TwoWorkspaces returns a table that holds everything twice, in two workspaces,
// under the same names, keys and usernames. Ids and what clients ask for are
// different: paths of the second begin with "/b", and its upstreams get another Host.
// If bare, the second has no plugins for everything. The table is not changed.
func TwoWorkspaces(table map[string]any, bare bool) map[string]any {
	both, other := copied(table).(map[string]any), copied(table).(map[string]any)
	ids := map[string]string{}
	shared := append(slices.Clone(unworkspaced), "ca_certificates", "snis")
	for _, name := range sections(both) {
		for _, row := range rowsOf(both, name) {
			if !slices.Contains(shared, name) {
				row["ws_id"] = DefaultWorkspace
				id, _ := row["id"].(string)
				ids[id] = id[:len(id)-1-12] + "-b" + id[len(id)-11:]
			}
		}
	}
	both["workspaces"] = append(both["workspaces"].([]any), map[string]any{"id": OtherWorkspace, "name": "other", "meta": map[string]any{}})
	for _, name := range sections(other) {
		if slices.Contains(shared, name) {
			continue
		}
		for _, row := range rowsOf(other, name) {
			if bare && name == "plugins" && row["route"] == nil && row["service"] == nil && row["consumer"] == nil {
				continue
			}
			for field, value := range row {
				if id, isText := value.(string); isText && ids[id] != "" {
					row[field] = ids[id]
				}
			}
			row["ws_id"] = OtherWorkspace
			move(name, row)
			both[name] = append(both[name].([]any), row)
		}
	}
	return both
}

// move gives what a row of the second workspace serves another place.
func move(section string, row map[string]any) {
	switch section {
	case "upstreams":
		row["host_header"] = "b.example.com"
	case "services":
		if path, isText := row["path"].(string); isText {
			row["path"] = "/b" + path
		}
	case "routes":
		prefixed := func(field, prefix string) {
			list, _ := row[field].([]any)
			for i, element := range list {
				text, regex := strings.CutPrefix(element.(string), "~")
				if list[i] = prefix + text; regex {
					list[i] = "~" + prefix + text
				}
			}
		}
		prefixed("paths", "/b")
	}
}

func sections(table map[string]any) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(table)), func(name string) bool { return strings.HasPrefix(name, "_") })
}

func rowsOf(table map[string]any, section string) []map[string]any {
	list, _ := table[section].([]any)
	rows := make([]map[string]any, 0, len(list))
	for _, element := range list {
		rows = append(rows, element.(map[string]any))
	}
	return rows
}

func copied(value any) any {
	switch value := value.(type) {
	case []any:
		list := make([]any, len(value))
		for i, element := range value {
			list[i] = copied(element)
		}
		return list
	case map[string]any:
		members := make(map[string]any, len(value))
		for name, member := range value {
			members[name] = copied(member)
		}
		return members
	}
	return value
}
