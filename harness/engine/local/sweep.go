// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"

	"blackout/harness/engine/tmpfs"
	"blackout/harness/watchdog/owner"
)

const (
	// sweepLimit bounds the wait for processes that were sent SIGKILL. One that
	// hangs in the kernel for longer is reported instead.
	sweepLimit = 10 * time.Second

	sweepInterval = 10 * time.Millisecond
)

// Sweep ends every process of a run and removes the shared memory that they made,
// its nodes' disks, their directories and its ledger; logs stay. With run == "" it does so for every run whose harness is
// gone, and leaves the runs of living ones alone. It returns a line for each
// thing that it ended or removed, also together with an error.
func Sweep(ctx context.Context, run string) (ended []string, err error) {
	records, err := readLedgers(run)
	if err != nil {
		return nil, fmt.Errorf("sweep: %w", err)
	}
	s := sweeper{run: run, owners: make(map[string]string), seen: make(map[int]bool)}
	var errs []error
	for _, r := range records {
		s.owners[r.run] = r.owner
		take, err := s.wants(mark{run: r.run, owner: r.owner})
		errs = append(errs, err)
		if take {
			s.records = append(s.records, r)
		}
	}
	left, err := s.endProcesses(ctx)
	disks, diskErr := tmpfs.Sweep(func(m tmpfs.Mark) (bool, error) { return s.wants(mark{run: m.Run, owner: m.Owner}) })
	s.ended = append(s.ended, disks...)
	errs = append(errs, err, diskErr)
	if left == 0 && diskErr == nil { // otherwise the ledger is still needed
		for _, r := range s.records {
			errs = append(errs, s.remove(r))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return s.ended, fmt.Errorf("sweep: %w", err)
	}
	return s.ended, nil
}

// mark is what a process's environment says of the run it belongs to.
type mark struct {
	run   string
	owner string
}

// marked is a process found by its mark.
type marked struct {
	pid  int
	mark mark
}

// sweeper is one sweep.
type sweeper struct {
	run     string
	records []record          // of the runs to sweep
	owners  map[string]string // of all runs with a ledger
	seen    map[int]bool      // processes named in ended
	ended   []string
}

// wants reports whether what carries the mark is to be swept.
func (s *sweeper) wants(m mark) (bool, error) {
	if m.run == "" {
		return false, nil
	}
	if s.run != "" {
		return m.run == s.run, nil
	}
	if m.owner == "" {
		m.owner = s.owners[m.run]
	}
	if m.owner == "" {
		return false, nil // nobody can say that its harness is gone
	}
	who, err := owner.Parse(m.owner)
	if err != nil {
		return false, fmt.Errorf("judge run %s: %w", m.run, err)
	}
	return who.Gone()
}

// endProcesses kills until nothing is left to kill: a process may start another
// while it is being looked for. It returns how many are left when it gives up.
func (s *sweeper) endProcesses(ctx context.Context) (left int, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, sweepLimit, errors.New("processes outlive SIGKILL"))
	defer cancel()
	tick := time.NewTicker(sweepInterval)
	defer tick.Stop()
	for {
		left, err = s.killOnce()
		if left == 0 {
			return 0, err
		}
		select {
		case <-ctx.Done():
			return left, errors.Join(err, fmt.Errorf("wait for %d processes to end: %w", left, context.Cause(ctx)))
		case <-tick.C:
		}
	}
}

// killOnce sends SIGKILL to what runs now and counts it, together with the shared
// memory that is still there. That goes when the last process does that uses it,
// whoever that is: PostgreSQL's children have left their parent's group and
// overwritten their marks.
func (s *sweeper) killOnce() (int, error) {
	processes, err := findMarked(s.wants)
	errs := []error{err}
	for _, p := range processes {
		errs = append(errs, s.killMarked(p))
	}
	count := len(processes)
	for _, r := range s.records {
		for _, p := range r.processes {
			alive, err := s.killNoted(r.run, p)
			errs = append(errs, err)
			if alive {
				count++
			}
		}
		segments, err := endSharedMemory(r.processes)
		errs = append(errs, err)
		count += segments
	}
	return count, errors.Join(errs...)
}

// killMarked holds on to the process before it reads the mark once more, so
// that no successor with the same id is hit (where the system allows it:
// os.FindProcess uses a handle on Linux 5.3 and later).
func (s *sweeper) killMarked(p marked) error {
	handle, err := os.FindProcess(p.pid)
	if err != nil {
		return fmt.Errorf("find process %d: %w", p.pid, err)
	}
	defer func() { _ = handle.Release() }() // only frees the handle
	if again, err := readMark(p.pid); err != nil || again != p.mark {
		return err
	}
	if err := handle.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill process %d of run %s: %w", p.pid, p.mark.run, err)
	}
	s.note(p.pid, p.mark.run)
	return nil
}

// killNoted ends a process of the ledger with its group and reports whether it
// was alive. It also meets processes that have overwritten their environment,
// as nginx does to set its title.
func (s *sweeper) killNoted(run string, p started) (alive bool, err error) {
	alive, err = owner.Alive(p.pid, p.at)
	if err != nil || !alive {
		return false, err
	}
	if err := syscall.Kill(-p.pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return true, fmt.Errorf("kill process %d of run %s: %w", p.pid, run, err)
	}
	s.note(p.pid, run)
	return true, nil
}

// note adds a process to the result once.
func (s *sweeper) note(pid int, run string) {
	if !s.seen[pid] {
		s.seen[pid] = true
		s.ended = append(s.ended, fmt.Sprintf("process %d of run %s", pid, run))
	}
}

// remove removes a run's directories, and when they are gone its ledger.
func (s *sweeper) remove(r record) error {
	for _, dir := range r.dirs {
		if _, err := os.Lstat(dir); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err := os.RemoveAll(dir); err != nil {
			return fmt.Errorf("remove directory of run %s: %w", r.run, err)
		}
		s.ended = append(s.ended, fmt.Sprintf("directory %s of run %s", dir, r.run))
	}
	if err := os.Remove(r.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove ledger of run %s: %w", r.run, err)
	}
	return nil
}
