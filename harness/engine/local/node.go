// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	"blackout/harness/engine"
	"blackout/harness/watchdog/owner"
)

var _ engine.Node = (*node)(nil)

var (
	errRunning    = errors.New("it still runs: kill or stop it first")
	errNotRunning = errors.New("it does not run")
)

// node is a started process and those that follow it at the same site.
type node struct {
	site *site

	mu      sync.Mutex
	spec    engine.Process
	current *process
}

// Name is the node's name.
func (n *node) Name() string { return n.site.name }

// Endpoint is the same as the site's Listen, while the process runs.
func (n *node) Endpoint(_ context.Context, port string) (string, error) {
	address := n.site.Listen(port)
	if address == "" {
		return "", fmt.Errorf("find endpoint of %s: port %q was not reserved", n.Name(), port)
	}
	if err := n.runs(); err != nil {
		return "", fmt.Errorf("find endpoint of %s: %w", n.Name(), err)
	}
	return address, nil
}

// State reports whether the process runs. A paused process runs. Its Life is its
// id and start time.
func (n *node) State(context.Context) (engine.State, error) {
	p := n.process()
	state := p.state()
	state.Life = strconv.Itoa(p.cmd.Process.Pid) + "/" + p.started
	if state.Running {
		still, err := p.standsStill()
		state.Paused = err == nil && still // the error is that it is just ending
	}
	return state, nil
}

// Handle names the process by its id and start time.
func (n *node) Handle(context.Context) (engine.Handle, error) {
	p := n.process()
	return engine.Handle{"engine": n.site.engine.Name(), "pid": strconv.Itoa(p.cmd.Process.Pid), "started": p.started}, nil
}

// Process implements [engine.Node].
func (n *node) Process(context.Context) (int, error) {
	if err := n.runs(); err != nil {
		return 0, fmt.Errorf("find process of %s: %w", n.Name(), err)
	}
	return n.process().cmd.Process.Pid, nil
}

// Resume lets the paused process group that a handle names go on. One that is
// gone is no error.
func Resume(_ context.Context, process engine.Handle) error {
	pid, err := strconv.Atoi(process["pid"])
	if err != nil || pid <= 1 {
		return fmt.Errorf("resume process %q: not a process id", process["pid"])
	}
	alive, err := owner.Alive(pid, process["started"])
	if err != nil || !alive {
		return err
	}
	if err := syscall.Kill(-pid, syscall.SIGCONT); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("resume process %d: %w", pid, err)
	}
	return nil
}

// Kill ends the node's process group with SIGKILL, also when it is paused. A
// process that has ended already is no error.
func (n *node) Kill(ctx context.Context) error {
	p := n.process()
	if err := p.signalGroup(syscall.SIGKILL); err != nil && !errors.Is(err, errNotRunning) {
		return fmt.Errorf("kill %s: %w", n.Name(), err)
	}
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("kill %s: wait for its end: %w", n.Name(), context.Cause(ctx))
	}
}

// Stop sends SIGTERM to the node's first process, as a container engine does.
// A paused process cannot act on it and is killed after the grace. When ctx
// ends first the process is left as it is.
func (n *node) Stop(ctx context.Context, grace time.Duration) error {
	p := n.process()
	if err := p.signal(syscall.SIGTERM); err != nil && !errors.Is(err, errNotRunning) {
		return fmt.Errorf("stop %s: %w", n.Name(), err)
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-p.done:
		return nil
	case <-timer.C:
		return n.Kill(ctx)
	case <-ctx.Done():
		return fmt.Errorf("stop %s: wait for its end: %w", n.Name(), context.Cause(ctx))
	}
}

// Restart starts the ended process again. Files are not written again: the
// process finds its directory as it left it.
func (n *node) Restart(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("restart %s: %w", n.Name(), err)
	}
	n.site.mu.Lock()
	defer n.site.mu.Unlock()
	if n.running() {
		return fmt.Errorf("restart %s: %w", n.Name(), errRunning)
	}
	n.mu.Lock()
	spec := n.spec
	n.mu.Unlock()
	if _, err := n.launch(spec); err != nil {
		return fmt.Errorf("restart %s: %w", n.Name(), err)
	}
	return nil
}

// Pause stops the process group with SIGSTOP and waits until the node's first
// process stands still with all its threads.
func (n *node) Pause(ctx context.Context) error {
	p := n.process()
	if err := p.signalGroup(syscall.SIGSTOP); err != nil {
		return fmt.Errorf("pause %s: %w", n.Name(), err)
	}
	if err := p.awaitStopped(ctx); err != nil {
		return fmt.Errorf("pause %s: %w", n.Name(), err)
	}
	return nil
}

// Resume lets a paused process group go on.
func (n *node) Resume(context.Context) error {
	if err := n.process().signalGroup(syscall.SIGCONT); err != nil {
		return fmt.Errorf("resume %s: %w", n.Name(), err)
	}
	return nil
}

// Log returns the output of all of the node's processes up to now.
func (n *node) Log(context.Context) (io.ReadCloser, error) {
	file, err := os.Open(n.site.logPath())
	if err != nil {
		return nil, fmt.Errorf("open log of %s: %w", n.Name(), err)
	}
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("open log of %s: %w", n.Name(), errors.Join(err, file.Close()))
	}
	return logReader{Reader: io.LimitReader(file, info.Size()), Closer: file}, nil
}

// logReader ends where the log ended when it was opened, so that reading the
// log of a talkative node comes to an end.
type logReader struct {
	io.Reader
	io.Closer
}

// process is the latest one. A node always has one: it is made by its start.
func (n *node) process() *process {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.current
}

func (n *node) running() bool { return n.process().state().Running }

// runs returns an error if the process has ended.
func (n *node) runs() error {
	state := n.process().state()
	if state.Running {
		return nil
	}
	return fmt.Errorf("%w with code %d; its log says why", engine.ErrEnded, state.ExitCode)
}

// kill ends the process without waiting for its end.
func (n *node) kill() error {
	if err := n.process().signalGroup(syscall.SIGKILL); err != nil && !errors.Is(err, errNotRunning) {
		return fmt.Errorf("kill %s: %w", n.Name(), err)
	}
	return nil
}
