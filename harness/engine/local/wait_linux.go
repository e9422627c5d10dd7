// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package local

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// awaitExit waits until a child has ended and leaves it to be collected. It
// reports false when it cannot tell.
func awaitExit(pid int) bool {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			return err == nil
		}
	}
}

// hasStopped reports whether all threads of a child stand still: only then does
// the kernel tell its parent.
func hasStopped(pid int) (bool, error) {
	var info unix.Siginfo
	err := unix.Waitid(unix.P_PID, pid, &info, unix.WSTOPPED|unix.WNOWAIT|unix.WNOHANG, nil)
	if err != nil {
		return false, fmt.Errorf("ask whether it stands still: %w", os.NewSyscallError("waitid", err))
	}
	return info.Signo != 0, nil
}
