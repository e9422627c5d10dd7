// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package owner

import (
	"errors"
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"
)

// stateZombie is SZOMB of <sys/proc.h>.
const stateZombie = 5

// none stands for a Boot or a Namespace where the system has no such thing.
const none = "-"

// whereabouts are unknown here. A start time tells boots apart by itself, and
// there are no process id namespaces.
func whereabouts() (boot, namespace string, err error) { return none, none, nil }

// Started is the start time of a process, in microseconds since the epoch. It
// is an opaque text that differs between two processes with the same id.
// It returns ErrGone for a process that ended, collected or not.
func Started(pid int) (string, error) {
	info, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	if errors.Is(err, unix.ESRCH) || errors.Is(err, unix.EIO) {
		return "", ErrGone // EIO: the kernel answered with an empty list
	}
	if err != nil {
		return "", fmt.Errorf("read start time of process %d: %w", pid, err)
	}
	if info.Proc.P_stat == stateZombie {
		return "", ErrGone
	}
	at := info.Proc.P_starttime
	return strconv.FormatInt(at.Nano()/1000, 10), nil
}
