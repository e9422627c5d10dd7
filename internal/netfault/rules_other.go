// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package netfault

import "fmt"

// openRules needs a kernel that this is not.
func openRules() (Filter, error) { return nil, fmt.Errorf("%w: it needs Linux", ErrUnsupported) }
