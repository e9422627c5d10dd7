// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package watchdog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"os/signal"
	"slices"
	"sync"
	"syscall"
	"time"

	"blackout/harness/engine"
)

const (
	// quietInterval lies between two passes. A daemon may still be finishing
	// what the harness asked of it last, so that one empty pass proves little.
	quietInterval = 2 * time.Second

	quietPasses = 2

	// sweepLimit is when the watchdog gives up.
	sweepLimit = 60 * time.Second

	// passLimit keeps one sweeper that hangs from holding up the next pass.
	passLimit = 20 * time.Second
)

// Sweeper removes what a run left behind and returns a line for each thing
// that it removed. With run == "" it does so for all runs whose harness is gone.
//
// An error that wraps [engine.ErrUnavailable] counts as nothing found only with
// run == "": a machine need not have every engine. Of a given run it says that
// what the run left cannot be seen just now, for example because a daemon does
// not answer, and the watchdog tries again. For a run that did not use its
// engine, a sweeper therefore returns no such error.
type Sweeper = func(ctx context.Context, run string) (removed []string, err error)

// MaybeRun turns this process into the watchdog if it was started as one, in
// which case it never returns. Call it first in main and in TestMain. The
// sweepers are named for the log.
func MaybeRun(sweepers map[string]Sweeper) {
	run := os.Getenv(Variable)
	if run == "" {
		return
	}
	// Ctrl-C is for the harness; so is a time-out's SIGTERM.
	signal.Ignore(syscall.SIGINT, syscall.SIGHUP, syscall.SIGTERM)
	log := slog.New(slog.NewTextHandler(os.Stderr, nil)).With("run", run)
	if err := watch(run, sweepers, log); err != nil {
		log.Error("watchdog failed", "error", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// watch waits for the harness's end and sweeps unless the harness was done.
func watch(run string, sweepers map[string]Sweeper, log *slog.Logger) error {
	if err := announce(); err != nil {
		log.Warn("the harness did not wait for its watchdog", "error", err) // so it is gone
	}
	log.Info("watching", "pid", os.Getpid())
	done, err := harnessIsDone(os.NewFile(harnessFD, "harness"))
	if err != nil {
		log.Error("lost the harness", "error", err) // as good as its end
	}
	if done {
		log.Info("run is clean")
		return nil
	}
	log.Warn("harness is gone, sweeping")
	ctx, cancel := context.WithTimeoutCause(context.Background(), sweepLimit, fmt.Errorf("not clean after %s", sweepLimit))
	defer cancel()
	if err := sweepUntilQuiet(ctx, run, sweepers, log); err != nil {
		return fmt.Errorf("sweep: %w", err)
	}
	log.Info("swept clean")
	return nil
}

// announce says that the watchdog watches.
func announce() error {
	ready := os.NewFile(readyFD, "ready")
	_, err := ready.Write([]byte{sayReady})
	return errors.Join(err, ready.Close())
}

// harnessIsDone blocks until the harness says that it is done, or is gone.
func harnessIsDone(harness io.Reader) (bool, error) {
	said := make([]byte, 1)
	_, err := io.ReadFull(harness, said)
	if errors.Is(err, io.EOF) {
		return false, nil
	}
	return err == nil && said[0] == sayDone, err
}

// sweepUntilQuiet repeats passes until two in a row found nothing.
func sweepUntilQuiet(ctx context.Context, run string, sweepers map[string]Sweeper, log *slog.Logger) error {
	quiet, told := 0, ""
	for {
		removed, err := pass(ctx, run, sweepers)
		for _, line := range removed {
			log.Info("removed", "what", line)
		}
		if err != nil && err.Error() != told { // one line, not one per pass
			told = err.Error()
			log.Error("pass failed, trying again", "error", err)
		}
		if quiet++; err != nil || len(removed) > 0 {
			quiet = 0
		}
		if quiet == quietPasses {
			return nil
		}
		pause := time.NewTimer(quietInterval)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return errors.Join(context.Cause(ctx), err)
		}
	}
}

// SweepDead removes what runs left behind whose harness is gone: the start of
// every run calls it. It returns a line for each thing that was removed.
func SweepDead(ctx context.Context, sweepers map[string]Sweeper) (removed []string, err error) {
	removed, err = pass(ctx, "", sweepers)
	if err != nil {
		return removed, fmt.Errorf("sweep dead runs: %w", err)
	}
	return removed, nil
}

// pass calls every sweeper once, side by side so that none waits for a hanging
// one.
func pass(ctx context.Context, run string, sweepers map[string]Sweeper) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, passLimit)
	defer cancel()
	names := slices.Sorted(maps.Keys(sweepers))
	removed, errs := make([][]string, len(names)), make([]error, len(names))
	var all sync.WaitGroup
	for i, name := range names {
		all.Go(func() {
			lines, err := sweepers[name](ctx, run)
			removed[i] = lines
			if run == "" && errors.Is(err, engine.ErrUnavailable) {
				err = nil // this machine does not have that engine
			}
			if err != nil {
				errs[i] = fmt.Errorf("%s: %w", name, err)
			}
		})
	}
	all.Wait()
	return slices.Concat(removed...), errors.Join(errs...)
}
