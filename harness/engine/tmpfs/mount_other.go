// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package tmpfs

import (
	"fmt"

	"blackout/harness/engine"
)

var errLinux = fmt.Errorf("%w: disks of a fixed size need Linux", engine.ErrUnsupported)

// Mount returns [engine.ErrUnsupported], wrapped.
func Mount(string, int64, Mark) error { return errLinux }

// Remount returns [engine.ErrUnsupported], wrapped.
func Remount(string, bool) error { return errLinux }

// Sweep finds nothing.
func Sweep(func(Mark) (bool, error)) ([]string, error) { return nil, nil }
