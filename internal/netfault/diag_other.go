// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package netfault

// askKernel is answered by Linux alone.
func askKernel() ([]Listener, error) { return nil, ErrUnsupported }
