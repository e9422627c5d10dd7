// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package local

// unforked does something. Package net takes syscall.ForkLock itself here, which must not
// be taken twice.
func unforked(do func()) { do() }
