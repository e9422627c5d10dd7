// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package watchdog cleans up after a harness that was killed. Its central type
// is [Watchdog]: a process of its own that outlives the harness and, when that
// ends without having said that all is clean, removes what the run left behind.
//
// The watchdog is the harness's own program, executed again. So main, and
// TestMain of a test that starts runs, begin with
//
//	watchdog.MaybeRun(map[string]watchdog.Sweeper{"docker": docker.Sweep, "local": local.Sweep})
//
// and a run begins, before it makes anything, and ends with
//
//	dog, err := watchdog.Start(ctx, run, stateDir)
//	…
//	if err := engine.Close(cleanup); err == nil {
//		err = dog.Done()
//	}
//
// A run whose clean-up failed does not call Done: the watchdog then tries once
// more when the harness ends. What nobody was left to clean up, because the
// machine went down or the watchdog was killed too, the next start finds with
// [SweepDead].
//
// The harness's end is seen on a pipe, of which only the harness holds the
// writing end: it closes with the harness, however that ends.
package watchdog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Variable carries the run's id to the watchdog process. It is not
// engine.RunVariable: by that, the watchdog's own sweep would find itself.
const Variable = "BLACKOUT_WATCHDOG"

// What passes through the two pipes between the harness and its watchdog, and
// the descriptors that the watchdog has them at.
const (
	sayDone  = 'd' // harness to watchdog: all is clean
	sayReady = 'r' // watchdog to harness: from now on I watch

	harnessFD = 3
	readyFD   = 4
)

const (
	readyLimit = 15 * time.Second // for a loaded machine; usually milliseconds
	doneLimit  = 10 * time.Second
)

// Watchdog is a running watchdog process, as the harness sees it.
type Watchdog struct {
	run     string
	cmd     *exec.Cmd
	harness io.WriteCloser // its closing tells the watchdog of the harness's end
	ended   chan struct{}  // closed when the process was collected
	exit    error          // valid once ended is closed

	once sync.Once
	done error
}

// Start starts the watchdog of a run and returns when it watches. It writes
// <stateDir>/watchdog.log. The context bounds the start, not the watch.
func Start(ctx context.Context, run, stateDir string) (*Watchdog, error) {
	if run == "" {
		return nil, errors.New("start watchdog: no run id")
	}
	if os.Getenv(Variable) != "" {
		return nil, fmt.Errorf("start watchdog: this process is one (%s is set): call watchdog.MaybeRun first in main or TestMain", Variable)
	}
	w, ready, err := launch(run, stateDir)
	if err != nil {
		return nil, fmt.Errorf("start watchdog: %w", err)
	}
	if err := w.awaitReady(ctx, ready); err != nil {
		return nil, fmt.Errorf("start watchdog: %w", errors.Join(err, w.kill()))
	}
	return w, nil
}

// launch starts the process; ready is where it will say that it watches.
func launch(run, stateDir string) (w *Watchdog, ready *os.File, err error) {
	program, err := os.Executable()
	if err != nil {
		return nil, nil, fmt.Errorf("find this program: %w", err)
	}
	log, err := openLog(stateDir)
	if err != nil {
		return nil, nil, err
	}
	watched, harness, err := os.Pipe()
	if err != nil {
		return nil, nil, errors.Join(err, log.Close())
	}
	ready, readyEnd, err := os.Pipe()
	if err != nil {
		return nil, nil, errors.Join(err, log.Close(), watched.Close(), harness.Close())
	}
	// Not bound to a context: it has to outlive everything.
	cmd := exec.Command(program, "watchdog", run) // the arguments are for the reader of a process list
	cmd.Env = append(environment(os.Environ()), Variable+"="+run)
	cmd.Dir = string(filepath.Separator) // keeps no directory in use
	cmd.Stdout, cmd.Stderr = log, log
	cmd.ExtraFiles = []*os.File{watched, readyEnd} // harnessFD, readyFD
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = cmd.Start()
	closeErr := errors.Join(log.Close(), watched.Close(), readyEnd.Close()) // the process has its own
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("execute %s: %w", program, err), closeErr, harness.Close(), ready.Close())
	}
	w = &Watchdog{run: run, cmd: cmd, harness: harness, ended: make(chan struct{})}
	go w.collect() // ends with the process, which Done and kill wait for
	if closeErr != nil {
		return nil, nil, errors.Join(closeErr, ready.Close(), w.kill())
	}
	return w, ready, nil
}

func openLog(stateDir string) (*os.File, error) {
	if err := os.MkdirAll(stateDir, 0o755); err != nil {
		return nil, fmt.Errorf("make directory for its log: %w", err)
	}
	log, err := os.OpenFile(filepath.Join(stateDir, "watchdog.log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open its log: %w", err)
	}
	return log, nil
}

// environment keeps what the sweepers need to find a container engine and the
// ledgers of processes, and nothing else: with engine.RunVariable among it, the
// watchdog would be part of a run.
func environment(all []string) []string {
	var kept []string
	for _, pair := range all {
		key, _, _ := strings.Cut(pair, "=")
		switch key {
		case "PATH", "HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR":
			kept = append(kept, pair)
		default:
			if strings.HasPrefix(key, "DOCKER_") || strings.HasPrefix(key, "TESTCONTAINERS_") {
				kept = append(kept, pair)
			}
		}
	}
	return kept
}

func (w *Watchdog) collect() {
	defer close(w.ended)
	w.exit = w.cmd.Wait()
}

// awaitReady reads the one byte that the watchdog sends once it watches.
func (w *Watchdog) awaitReady(ctx context.Context, ready *os.File) error {
	said := make(chan error, 1)
	go func() { // ends with the byte, or with the process, or when ready is closed
		_, err := io.ReadFull(ready, make([]byte, 1))
		said <- err
	}()
	limit := time.NewTimer(readyLimit)
	defer limit.Stop()
	var err error
	select {
	case err = <-said:
		if err != nil {
			err = fmt.Errorf("it ended before it watched: call watchdog.MaybeRun first in main or TestMain: %w", err)
		}
	case <-limit.C:
		err = fmt.Errorf("it does not watch after %s: call watchdog.MaybeRun first in main or TestMain", readyLimit)
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	return errors.Join(err, ready.Close())
}

// Done tells the watchdog that the run left nothing behind, and waits for its
// end. It returns an error if the watchdog had ended before, in which case
// nobody watched. It is idempotent.
func (w *Watchdog) Done() error {
	w.once.Do(func() {
		if err := w.sayDone(); err != nil {
			w.done = fmt.Errorf("end watchdog of run %s: %w", w.run, err)
		}
	})
	return w.done
}

func (w *Watchdog) sayDone() error {
	_, err := w.harness.Write([]byte{sayDone})
	err = errors.Join(err, w.harness.Close())
	limit := time.NewTimer(doneLimit)
	defer limit.Stop()
	select {
	case <-w.ended:
		return errors.Join(err, w.exit)
	case <-limit.C:
		return errors.Join(err, fmt.Errorf("it is still there after %s", doneLimit), w.kill())
	}
}

// kill ends the process without a sweep.
func (w *Watchdog) kill() error {
	err := w.cmd.Process.Kill()
	if errors.Is(err, os.ErrProcessDone) {
		err = nil
	}
	<-w.ended
	if closeErr := w.harness.Close(); !errors.Is(closeErr, os.ErrClosed) {
		err = errors.Join(err, closeErr)
	}
	return err
}
