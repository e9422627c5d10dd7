// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package traffic

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"time"
)

// readWait is for how long the threads of a process, those that run now, have waited for
// a processor, in the /proc of a root: the second figure of /proc/<pid>/task/<tid>/schedstat,
// see the kernel's Documentation/scheduler/sched-stats.rst, in nanoseconds.
func readWait(root fs.FS, pid int) (time.Duration, error) {
	dir := fmt.Sprintf("proc/%d/task", pid)
	threads, err := fs.ReadDir(root, dir)
	if err != nil {
		return 0, fmt.Errorf("read waits: %w", err)
	}
	var sum time.Duration
	for _, t := range threads {
		text, err := fs.ReadFile(root, dir+"/"+t.Name()+"/schedstat")
		if errors.Is(err, syscall.ESRCH) || errors.Is(err, fs.ErrNotExist) && ended(root, dir+"/"+t.Name()) {
			continue // before it was opened, or after
		}
		if err != nil {
			return 0, fmt.Errorf("read waits: %w", err)
		}
		var ran, waited time.Duration
		if _, err := fmt.Sscan(string(text), &ran, &waited); err != nil {
			return 0, fmt.Errorf("read waits: %s/%s/schedstat: %q: %w", dir, t.Name(), text, err)
		}
		sum += waited
	}
	return sum, nil
}

// ended says whether a thread is no more. One that is there and has no schedstat is of a
// kernel that does not tell.
func ended(root fs.FS, dir string) bool {
	_, err := fs.Stat(root, dir)
	return errors.Is(err, fs.ErrNotExist)
}
