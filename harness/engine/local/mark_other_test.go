// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package local_test

// findsByMark says whether a sweep reads the environment of processes.
const findsByMark = false

// systemRoles are node programs that need Linux.
var systemRoles map[string]func() int
