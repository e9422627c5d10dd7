// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package local

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// stateStopped is SSTOP of <sys/proc.h>.
const stateStopped = 4

// awaitExit waits until a child has ended and leaves it to be collected. It
// reports false when it cannot tell. A system call that waits without
// collecting would not do: on macOS it also returns for a stopped child.
func awaitExit(pid int) bool {
	queue, err := unix.Kqueue()
	if err != nil {
		return false
	}
	defer func() { _ = unix.Close(queue) }() // nothing was written to it
	exit := make([]unix.Kevent_t, 1)
	unix.SetKevent(&exit[0], pid, unix.EVFILT_PROC, unix.EV_ADD|unix.EV_ONESHOT)
	exit[0].Fflags = unix.NOTE_EXIT
	events := make([]unix.Kevent_t, 1)
	for {
		n, err := unix.Kevent(queue, exit, events, nil)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.ESRCH): // ended before it could be watched
			return true
		case err != nil || n != 1:
			return false
		case events[0].Flags&unix.EV_ERROR != 0:
			return unix.Errno(events[0].Data) == unix.ESRCH
		default:
			return true
		}
	}
}

// hasStopped reports whether a child is stopped by a signal.
func hasStopped(pid int) (bool, error) {
	info, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	if err != nil {
		return false, fmt.Errorf("ask whether it stands still: %w", err)
	}
	return info.Proc.P_stat == stateStopped, nil
}
