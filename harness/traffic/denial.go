// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package traffic

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"syscall"
	"time"

	"blackout/harness/history"
)

const (
	// denialInterval is how often a [Sampler] looks for how long nodes were kept from
	// running: a probe waits for two seconds.
	denialInterval = sampleInterval / 2

	// leastDenial is from when on what was seen at one look is recorded.
	leastDenial = denialInterval / 10
)

// runTime is what the kernel counts of a thread (/proc/PID/task/ID/schedstat): for how
// long it ran, and waited for a processor until it last got one.
type runTime struct{ used, waited time.Duration }

// denial follows for how long the machine kept a process from running.
type denial struct {
	pid     int
	threads map[string]runTime // at the last look, by id
}

// look looks again, in the /proc of a root, and returns for how long it was since the
// last look: a wait counts as a whole when it is over.
func (d *denial) look(root fs.FS, pid int) (time.Duration, error) {
	threads, err := readRunTimes(root, pid)
	if err != nil {
		return 0, err
	}
	last := *d
	d.pid, d.threads = pid, threads
	if last.pid != pid {
		return 0, nil
	}
	return kept(last.threads, threads), nil
}

// kept is the longest that a thread waited in all, less what all of them used: that may be
// what it waited for. It need not be one long wait: on a machine that is shared by too many
// it is some hundred short ones for a few milliseconds of work each second. Where a thread
// ended, it is not known.
func kept(before, now map[string]runTime) time.Duration {
	var used, longest time.Duration
	for id, was := range before {
		if is, there := now[id]; !there || is.used < was.used {
			return 0
		}
	}
	for id, is := range now {
		was := before[id]
		used += is.used - was.used
		longest = max(longest, is.waited-was.waited)
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
		if isGone(err) {
			continue
		}
		var t runTime
		if err == nil {
			_, err = fmt.Sscan(string(text), &t.used, &t.waited)
		}
		if err != nil {
			return nil, fmt.Errorf("read run times of thread %s: %w", task.Name(), err)
		}
		threads[task.Name()] = t
	}
	if len(threads) > 0 {
		return threads, nil
	}
	if _, err := fs.Stat(root, dir); err != nil {
		return nil, fmt.Errorf("read run times: %w", err)
	}
	return nil, errNoRunTimes
}

// errNoRunTimes says that this machine does not tell.
var errNoRunTimes = errors.New("the kernel does not count for how long threads run and wait (no /proc/PID/task/ID/schedstat)")

// isGone says whether an error is that of a process or thread that has ended.
func isGone(err error) bool { return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) }

// denied looks for how long the process of each node was kept from running.
func (s *sampling) denied() {
	for _, node := range slices.Sorted(maps.Keys(s.pids)) {
		d := s.denials[node]
		if d == nil {
			d = new(denial)
			s.denials[node] = d
		}
		now := s.rec.Now()
		kept, err := d.look(s.root, s.pids[node])
		switch {
		case err != nil && !isGone(err):
			s.unknowable(history.Event{Kind: history.NodeDenied, Node: node, Error: err.Error()})
		case kept >= leastDenial:
			s.rec.Event(history.Event{At: now - history.Time(kept), Until: now, Kind: history.NodeDenied, Node: node})
		}
	}
}
