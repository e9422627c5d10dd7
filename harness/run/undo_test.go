// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package run

import (
	"strings"
	"testing"

	"blackout/harness/fault"
)

func TestEveryUndoIsKnown(t *testing.T) {
	t.Parallel()
	for _, name := range []string{fault.UndoLink, fault.UndoRepoint, fault.UndoScript, fault.UndoPause, fault.UndoNetwork, fault.UndoFullDisk, fault.UndoReadOnlyDisk} {
		if Undoers[name] == nil {
			t.Errorf("nobody knows how to %q", name)
		}
	}
}

func TestUndoOnAnUnknownEngine(t *testing.T) {
	t.Parallel()
	for _, name := range []string{fault.UndoPause, fault.UndoNetwork} {
		err := Undoers[name](t.Context(), map[string]string{"engine": "steam"})
		if err == nil || !strings.Contains(err.Error(), `"steam"`) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
