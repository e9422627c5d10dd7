// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package local

// endSharedMemory finds nothing: who made a segment is not told here.
func endSharedMemory([]started) (int, error) { return 0, nil }
