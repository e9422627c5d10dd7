// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package traffic

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"time"

	"blackout/harness/history"
)

// denial follows for how long the machine kept a process from running, at the least.
// Between two looks that is the longest wait of one of its threads for a processor, less
// what its threads used of one: those may have been what that thread waited for.
type denial struct {
	pid     int
	threads map[string]runTime // at the last look, by id
	total   time.Duration
}

// runTime is what the kernel says of a thread (/proc/PID/task/ID/schedstat).
type runTime struct{ used, waited time.Duration }

// look looks again, in the /proc of a root, and returns the total. A process that was
// started anew goes on with the total of the one before it.
func (d *denial) look(root fs.FS, pid int) (time.Duration, error) {
	threads, err := readRunTimes(root, pid)
	if err != nil {
		return 0, err
	}
	if d.pid == pid {
		d.total += kept(d.threads, threads)
	}
	d.pid, d.threads = pid, threads
	return d.total, nil
}

// kept is for how long threads were kept from running between two looks at them. Of one
// that ended meanwhile nothing is known.
func kept(before, now map[string]runTime) time.Duration {
	var used, longest time.Duration
	for id, t := range now {
		used += t.used - before[id].used
		longest = max(longest, t.waited-before[id].waited)
	}
	return max(0, longest-used)
}

// readRunTimes reads what the kernel counts of each thread of a process.
func readRunTimes(root fs.FS, pid int) (map[string]runTime, error) {
	dir := fmt.Sprintf("proc/%d/task", pid)
	tasks, err := fs.ReadDir(root, dir)
	if err != nil {
		return nil, fmt.Errorf("list threads: %w", err)
	}
	threads := make(map[string]runTime, len(tasks))
	for _, task := range tasks {
		text, err := fs.ReadFile(root, dir+"/"+task.Name()+"/schedstat")
		if errors.Is(err, fs.ErrNotExist) && len(tasks) > 1 {
			continue // it has ended
		}
		if err != nil {
			return nil, fmt.Errorf("read run times: %w", err)
		}
		var t runTime
		if _, err := fmt.Sscan(string(text), &t.used, &t.waited); err != nil {
			return nil, fmt.Errorf("read run times %q of thread %s: %w", text, task.Name(), err)
		}
		threads[task.Name()] = t
	}
	return threads, nil
}

// denied samples for how long the process of each node was kept from running.
func (s *sampling) denied() {
	for _, node := range slices.Sorted(maps.Keys(s.pids)) {
		d := s.denials[node]
		if d == nil {
			d = new(denial)
			s.denials[node] = d
		}
		total, err := d.look(s.root, s.pids[node])
		if errors.Is(err, fs.ErrNotExist) && d.pid != 0 {
			continue // it has ended
		}
		s.metric(node, history.ProcessDenied, total.Seconds(), err)
	}
}
