// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package scenarios

import (
	"testing"

	"blackout/harness/fault"
	"blackout/harness/oracle"
)

// TestOraclesKnowEveryFault: oracles name the kinds in words of their own.
func TestOraclesKnowEveryFault(t *testing.T) {
	t.Parallel()
	for _, k := range fault.Kinds {
		if !oracle.Knows(string(k.Kind)) {
			t.Errorf("oracles do not know %s", k.Kind)
		}
	}
	if oracle.Knows("bad-weather") {
		t.Error("oracles know a fault that there is not")
	}
}
