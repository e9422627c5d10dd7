// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestCatalogueIsDocumented: docs/faults.md has the catalogue's rows, all of them,
// in its order.
func TestCatalogueIsDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/faults.md")
	if err != nil {
		t.Fatal(err)
	}
	var want, have []string
	for _, e := range Kinds {
		want = append(want, fmt.Sprintf("| `%s` | %s | %s |", e.Kind, e.Family, e.Summary))
	}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "| `") {
			have = append(have, strings.TrimSpace(line))
		}
	}
	if a, b := strings.Join(have, "\n"), strings.Join(want, "\n"); a != b {
		t.Errorf("docs/faults.md has\n%s\nwant\n%s", a, b)
	}
}
