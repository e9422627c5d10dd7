// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"

	"blackout/harness/engine"
	"blackout/harness/watchdog/owner"
)

// process is one life of a node: from its start to its end.
type process struct {
	cmd     *exec.Cmd
	started string        // as of owner.Started; empty if it had ended by then
	done    chan struct{} // closed when the process was collected

	// mu keeps signals away from a process that was collected: its id may by
	// then be somebody else's.
	mu    sync.Mutex
	ended bool
}

// launch starts a process for the node and reports, also together with an error,
// whether it ran. The caller holds the site's lock.
func (n *node) launch(spec engine.Process) (ran bool, err error) {
	e := n.site.engine
	e.mu.Lock() // Close sees every process that was started, or this sees Close
	defer e.mu.Unlock()
	if e.closed {
		return false, ErrClosed
	}
	p, err := n.site.execute(spec)
	if p == nil {
		return false, err
	}
	n.mu.Lock()
	n.spec, n.current = spec, p
	n.mu.Unlock()
	e.reapers.Go(p.reap)
	if err != nil {
		return true, err
	}
	return true, e.enter(p)
}

// enter notes a started process in the ledger. A process that cannot be noted
// is ended: a sweep might not find it.
func (e *Engine) enter(p *process) error {
	if p.started == "" {
		return nil
	}
	err := e.ledger.add(entry{PID: p.cmd.Process.Pid, Started: p.started})
	if err == nil {
		return nil
	}
	if killErr := p.signalGroup(syscall.SIGKILL); !errors.Is(killErr, errNotRunning) {
		err = errors.Join(err, killErr)
	}
	return err
}

// execute forks the site's program with its output appended to the log. The
// process is there, with the error, if it was started and is being ended again.
func (s *site) execute(spec engine.Process) (*process, error) {
	as, err := credential(spec.User)
	if err != nil {
		return nil, err
	}
	output, err := os.OpenFile(s.logPath(), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	// Without a context: a process's life is Kill's, Stop's and Close's business,
	// not that of the call which started it.
	cmd := exec.Command(s.binary, spec.Args...)
	cmd.Dir = s.Dir()
	cmd.Env = s.environment(spec)
	cmd.Stdout, cmd.Stderr = output, output
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: as}
	err = cmd.Start()
	closeErr := output.Close() // the process has its own descriptor
	if err != nil {
		return nil, fmt.Errorf("%w: execute %s: %w: build it for this machine (make build)", engine.ErrUnavailable, s.binary, err)
	}
	p := &process{cmd: cmd, done: make(chan struct{})}
	p.started, err = owner.Started(cmd.Process.Pid)
	if errors.Is(err, owner.ErrGone) {
		err = nil
	}
	if err := errors.Join(err, closeErr); err != nil {
		return p, fmt.Errorf("execute %s: %w", s.binary, errors.Join(err, p.signalGroup(syscall.SIGKILL)))
	}
	return p, nil
}

// reap waits for the process's end, ends what it leaves in its group, and
// collects it. How the process ended is kept in cmd.ProcessState: a failing
// exit is a result here, not an error.
func (p *process) reap() {
	defer close(p.done)
	if !awaitExit(p.cmd.Process.Pid) {
		_ = p.cmd.Wait()
		p.mu.Lock()
		defer p.mu.Unlock()
		p.ended = true
		return
	}
	// While the first process is dead but not collected, its id stays taken and
	// the group can be named safely.
	p.mu.Lock()
	defer p.mu.Unlock()
	// Fails when nothing but the dead process is in the group.
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	_ = p.cmd.Wait()
	p.ended = true
}

// state is safe while the process is being collected. What only a look at the
// process itself tells is not in it.
func (p *process) state() engine.State {
	select {
	case <-p.done:
		return engine.State{ExitCode: p.cmd.ProcessState.ExitCode()}
	default:
		return engine.State{Running: true}
	}
}

// signal sends to the first process alone.
func (p *process) signal(sig syscall.Signal) error { return p.send(p.cmd.Process.Pid, sig) }

// signalGroup sends to the process and all its descendants that stayed with it.
func (p *process) signalGroup(sig syscall.Signal) error { return p.send(-p.cmd.Process.Pid, sig) }

func (p *process) send(target int, sig syscall.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return errNotRunning
	}
	err := syscall.Kill(target, sig)
	// macOS refuses to signal a group in which all have ended.
	if errors.Is(err, syscall.ESRCH) || runtime.GOOS == "darwin" && errors.Is(err, syscall.EPERM) {
		return errNotRunning
	}
	if err != nil {
		return fmt.Errorf("send %s: %w", sig, err)
	}
	return nil
}

// awaitStopped waits until SIGSTOP has taken effect.
func (p *process) awaitStopped(ctx context.Context) error {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		still, err := p.standsStill()
		if err != nil || still {
			return err
		}
		select {
		case <-p.done:
			return errNotRunning
		case <-ctx.Done():
			return fmt.Errorf("wait for it to stand still: %w", context.Cause(ctx))
		case <-tick.C:
		}
	}
}

func (p *process) standsStill() (bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return false, errNotRunning
	}
	return hasStopped(p.cmd.Process.Pid)
}
