// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package node

import "testing"

// TestMemoryIsBounded: the capacity is what there is, not the address space.
func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	m := readMemory()
	if m.live == 0 || m.limit < m.live || m.limit > 1<<50 {
		t.Errorf("%d bytes of %d are in use", m.live, m.limit)
	}
}
