// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestContractIsDocumented: docs/contract.md has a row for each clause, with its
// title, and for nothing else.
func TestContractIsDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "contract.md"))
	if err != nil {
		t.Fatal(err)
	}
	rows := make(map[string]string)
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(line, "|")
		if len(cells) != 5 || !strings.HasPrefix(strings.TrimSpace(cells[1]), "G") {
			continue
		}
		rows[strings.TrimSpace(cells[1])] = strings.TrimSpace(cells[2])
		if strings.TrimSpace(cells[3]) == "" {
			t.Errorf("%s: it is not said how it is measured", cells[1])
		}
	}
	for _, c := range allClauses() {
		if rows[c.id] != c.title {
			t.Errorf("%s is documented as %q, want %q", c.id, rows[c.id], c.title)
		}
		delete(rows, c.id)
	}
	for id := range rows {
		t.Errorf("%s is documented and not judged", id)
	}
}
