// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package entity

// defaultWorkspace is the name of the workspace that every gateway has.
const defaultWorkspace = "default"

// Workspaces returns a function that tells which workspace a row of the table is
// in, by its ws_id (Kong Enterprise; open-source Kong has the default one alone):
// "" stands for the default workspace, where rows without a ws_id are, too. Names,
// keys and plugins for everything are those of a workspace; ids are unique.
func (t *Table) Workspaces() func(row Record) string {
	standard := ""
	for _, row := range t.Rows("workspaces") {
		if row.Name() == defaultWorkspace {
			standard = row.ID()
		}
	}
	return func(row Record) string {
		if id := row.Text("ws_id"); id != standard {
			return id
		}
		return ""
	}
}
