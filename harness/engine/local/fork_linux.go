// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package local

import "syscall"

// unforked does something while this process starts no other. One that is started has all
// open files of this one until it runs its program, and with them what they listen on.
func unforked(do func()) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	do()
}
