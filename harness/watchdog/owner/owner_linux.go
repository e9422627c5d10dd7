// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package owner

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"syscall"
)

// Fields of /proc/<pid>/stat counted from the one after the command's closing
// parenthesis (proc_pid_stat(5), fields 3 and 22).
const (
	statState   = 0
	statStarted = 19
)

// whereabouts are the id of the kernel's boot, and the inode of the calling
// process's process id namespace, which is unique among those that exist.
func whereabouts() (boot, namespace string, err error) {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", "", fmt.Errorf("read the id of the boot: %w", err)
	}
	var info syscall.Stat_t
	const path = "/proc/self/ns/pid"
	if err := syscall.Stat(path, &info); err != nil {
		return "", "", fmt.Errorf("find process id namespace: %w", &os.PathError{Op: "stat", Path: path, Err: err})
	}
	return string(bytes.TrimSpace(id)), strconv.FormatUint(info.Ino, 10), nil
}

// Started is the start time of a process, in clock ticks since boot. It is an
// opaque text that differs between two processes with the same id.
// It returns ErrGone for a process that ended, collected or not.
func Started(pid int) (string, error) {
	line, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
		return "", ErrGone
	}
	if err != nil {
		return "", fmt.Errorf("read start time of process %d: %w", pid, err)
	}
	return parseStat(line)
}

// parseStat takes the start time out of a line of /proc/<pid>/stat. The
// command in it is written by the process itself and may hold anything, also
// parentheses and newlines: only the last ")" ends it.
func parseStat(line []byte) (string, error) {
	end := bytes.LastIndexByte(line, ')')
	if end < 0 {
		return "", fmt.Errorf("parse process status %q: no command", line)
	}
	fields := bytes.Fields(line[end+1:])
	if len(fields) <= statStarted {
		return "", fmt.Errorf("parse process status %q: %d fields after the command, want more than %d", line, len(fields), statStarted)
	}
	switch string(fields[statState]) {
	case "Z", "X", "x":
		return "", ErrGone
	}
	return string(fields[statStarted]), nil
}
