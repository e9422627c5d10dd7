// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package netfault

// askKernel and askOf are answered by Linux alone.
func askKernel() ([]Listener, error)   { return nil, ErrUnsupported }
func askOf(string) ([]Listener, error) { return nil, ErrUnsupported }
