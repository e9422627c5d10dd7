// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"testing"

	"blackout/scenarios"
)

// TestScenariosAreDocumented: docs/scenarios.md is what the code says.
func TestScenariosAreDocumented(t *testing.T) {
	t.Parallel()
	var want strings.Builder
	if err := catalogue(&want); err != nil {
		t.Fatal(err)
	}
	for _, s := range scenarios.All {
		if !strings.Contains(want.String(), "| **"+s.Name+"**: ") {
			t.Errorf("%s is in no family's table", s.Name)
		}
	}
	if document(t, "docs", "scenarios.md") != want.String() {
		t.Error("docs/scenarios.md is not what the code says: write it with make docs")
	}
}
