// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package local

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"syscall"

	"blackout/harness/engine"
	"blackout/harness/watchdog/owner"
)

// findMarked lists the running processes whose mark is wanted, the caller's own
// left out.
func findMarked(wanted func(mark) (bool, error)) ([]marked, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	var (
		found []marked
		errs  []error
	)
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		m, err := readMark(pid)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		take, err := wanted(m)
		errs = append(errs, err)
		if take {
			found = append(found, marked{pid: pid, mark: m})
		}
	}
	return found, errors.Join(errs...)
}

// readMark reads a process's mark; it is empty for one that has none, that is
// another user's, or that has ended, collected or not.
func readMark(pid int) (mark, error) {
	environ, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.ESRCH):
		return mark{}, nil
	case err != nil:
		return mark{}, fmt.Errorf("read environment of process %d: %w", pid, err)
	}
	return parseEnviron(environ), nil
}

// parseEnviron finds the mark among NUL-terminated "key=value" texts.
func parseEnviron(environ []byte) mark {
	var m mark
	for pair := range bytes.SplitSeq(environ, []byte{0}) {
		key, value, _ := bytes.Cut(pair, []byte{'='})
		switch string(key) {
		case engine.RunVariable:
			m.run = string(value)
		case owner.Variable:
			m.owner = string(value)
		}
	}
	return m
}
