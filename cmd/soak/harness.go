// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"blackout/harness/residue"
)

// The limits of a trial.
const (
	runLimit     = 10 * time.Minute // a run, building included
	endLimit     = 2 * time.Minute  // the end of one that was interrupted
	residueEvery = 250 * time.Millisecond
)

// harness is one process of the harness, with a directory for its run's files and
// a temporary directory that is nobody else's: what is left in it, it has left.
type harness struct {
	engine     string
	home, temp string
	cmd        *exec.Cmd
	output     *os.File
	ended      chan struct{} // closed when it has ended
	began      time.Time
}

// launch starts the harness. What it prints goes to a file in home.
func launch(ctx context.Context, home, engine, program string, args ...string) (h *harness, err error) {
	h = &harness{engine: engine, home: home, ended: make(chan struct{})}
	if h.temp, err = os.MkdirTemp("", "soak-"); err != nil {
		return nil, err
	}
	if h.output, err = os.Create(filepath.Join(home, "output.log")); err != nil {
		return nil, err
	}
	args = append(args, "--engine", engine, "--out", filepath.Join(home, "runs"))
	h.cmd = exec.CommandContext(ctx, program, args...)
	h.cmd.Env = append(os.Environ(), "TMPDIR="+h.temp)
	h.cmd.Stdout, h.cmd.Stderr = h.output, h.output
	h.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for the soak, which passes it on
	h.cmd.Cancel = func() error { return h.cmd.Process.Signal(os.Interrupt) }
	h.cmd.WaitDelay = endLimit
	h.began = time.Now()
	if err := h.cmd.Start(); err != nil {
		return nil, errors.Join(err, h.output.Close())
	}
	go func() { // ends with the process, which every caller waits for
		defer close(h.ended)
		_ = h.cmd.Wait() // how it ended is for the caller to judge
	}()
	return h, nil
}

// killAt kills the harness at a moment since its start, or when ctx ends, and says
// whether it was still there.
func (h *harness) killAt(ctx context.Context, moment time.Duration) bool {
	timer := time.NewTimer(time.Until(h.began.Add(moment)))
	defer timer.Stop()
	select {
	case <-h.ended:
		return false
	case <-ctx.Done():
	case <-timer.C:
	}
	_ = h.cmd.Process.Kill() // if it has just ended, its state says so
	<-h.ended
	status, ok := h.cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}

// run is the run's id, or empty if it had none yet.
func (h *harness) run() string {
	dirs, err := filepath.Glob(filepath.Join(h.home, "runs", "*"))
	if err != nil || len(dirs) == 0 {
		return ""
	}
	return filepath.Base(dirs[0])
}

// residue is what the harness has left, by its run's id and in its temporary
// directory.
func (h *harness) residue(ctx context.Context) ([]string, error) {
	var left []string
	if id := h.run(); id != "" {
		var err error
		if left, err = residue.Of(ctx, h.engine, id); err != nil {
			return nil, err
		}
	}
	files, err := os.ReadDir(h.temp)
	if err != nil {
		return nil, fmt.Errorf("look for residue: %w", err)
	}
	for _, f := range files {
		left = append(left, "file "+filepath.Join(h.temp, f.Name()))
	}
	return left, nil
}

// awaitClean waits until nothing of the harness is left, and returns what still is
// when the time is over, but for empty networks that Docker does not let go.
func (h *harness) awaitClean(ctx context.Context, within time.Duration) (left []string, err error) {
	over := time.NewTimer(within)
	defer over.Stop()
	tick := time.NewTicker(residueEvery)
	defer tick.Stop()
	for {
		left, err := h.residue(ctx)
		if err != nil || len(left) == 0 {
			return nil, err
		}
		select {
		case <-over.C:
			return residue.WithoutStuck(ctx, left)
		case <-tick.C:
		}
	}
}

// printed is what the harness printed, and its last line.
func (h *harness) printed() (all []byte, last string) {
	all, err := os.ReadFile(h.output.Name())
	if err != nil {
		return nil, err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(all)), "\n")
	return all, strings.Join(strings.Fields(lines[len(lines)-1]), " ")
}

// taken is how Go, Docker and the kernel say that somebody else has a port or a
// name.
var taken = regexp.MustCompile(`(?i)address already in use|port is already allocated|already in use by container|name .{1,80} is already in use|already exists in network|network with name .{1,80} already exists`)

// clash is the first sign, in what the harness and its nodes wrote, that they
// wanted what somebody else had.
func (h *harness) clash() string {
	logs, err := filepath.Glob(filepath.Join(h.home, "runs", "*", "logs", "*"))
	if err != nil {
		return ""
	}
	for _, path := range append(logs, h.output.Name()) {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // removed with its run
		}
		for line := range bytes.Lines(text) {
			if taken.Match(line) {
				return filepath.Base(path) + ": " + strings.TrimSpace(string(line))
			}
		}
	}
	return ""
}

// discard removes the harness's files, which are evidence of nothing.
func (h *harness) discard() error {
	return errors.Join(h.output.Close(), os.RemoveAll(h.temp), os.RemoveAll(h.home))
}
