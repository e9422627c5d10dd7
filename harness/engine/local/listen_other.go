// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package local

import (
	"context"
	"fmt"
	"net/netip"

	"blackout/harness/engine"
)

// Listening returns [engine.ErrUnsupported], wrapped.
func (n *node) Listening(context.Context) ([]netip.AddrPort, error) {
	return nil, fmt.Errorf("list what %s listens on: %w: it needs Linux", n.Name(), engine.ErrUnsupported)
}
