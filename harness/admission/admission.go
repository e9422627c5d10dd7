// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package admission admits runs to a machine that they share, however many processes
// they are of: as many at a time as find a processor when they need one. What a starved
// gateway fails to do in time says nothing about the gateway.
package admission

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// Control admits runs.
type Control struct {
	dir string // of its lock files

	// limit is how many tasks may run or wait for a processor, on the average and for
	// each processor, where a further run is admitted beside others. A machine that does
	// not tell admits all.
	limit float64

	queue   func() (float64, error) // tasks for each processor; replaced by tests
	window  time.Duration
	settled time.Duration
}

const (
	// window is for how long tasks are counted before a run is admitted, looks how often:
	// a run has moments in which it waits itself.
	window = 5 * time.Second
	looks  = 100

	// settling is from when on a run that was admitted has begun to start its nodes.
	settling = 10 * time.Second

	// lockInterval is how often a lock that another one holds is tried again: flock
	// cannot wait for a context as well.
	lockInterval = 100 * time.Millisecond
)

// Limit is how many tasks for each processor leave room for a further run. On Docker a
// run by itself keeps two slow processors at about three each: with three such runs side
// by side they came to fifty, and none of the gateways kept its times.
const Limit = 2

// New is a control for the runs of this user on this machine.
func New(limit float64) (*Control, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, fmt.Errorf("find a place for the locks of runs: %w", err)
	}
	return In(filepath.Join(cache, "blackout", "admission"), limit), nil
}

// In is a control for the runs that share a directory, which is made.
func In(dir string, limit float64) *Control {
	return &Control{dir: dir, limit: limit, queue: queued, window: window, settled: settling}
}

// Admit waits until there is room for a run beside those that go on; one that would be
// the only one always finds room. It leaves when leave is called, or its process dies.
func (c *Control) Admit(ctx context.Context) (leave func(), err error) {
	door, hall, err := c.open()
	if err != nil {
		return nil, err
	}
	defer door.Close()
	err = c.await(ctx, door)
	for admitted := false; err == nil && !admitted; {
		admitted, err = c.try(ctx, door, hall)
	}
	if err == nil {
		now := time.Now()
		err = os.Chtimes(door.Name(), now, now) // the door tells when it last let one in
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("wait for room for a run: %w", err), hall.Close())
	}
	return func() { hall.Close() }, nil
}

// AdmitAlone waits until no other run goes on; none is admitted until it leaves.
func (c *Control) AdmitAlone(ctx context.Context) (leave func(), err error) {
	door, hall, err := c.open()
	if err != nil {
		return nil, err
	}
	defer door.Close()
	if err := c.await(ctx, door); err != nil {
		return nil, errors.Join(fmt.Errorf("wait for the machine: %w", err), hall.Close())
	}
	if err := c.await(ctx, hall); err != nil {
		return nil, errors.Join(fmt.Errorf("wait for the other runs' end: %w", err), hall.Close())
	}
	return func() { hall.Close() }, nil
}

// open opens the lock files: whoever is to be admitted waits at the door, one at a time,
// and shares the hall from then on.
func (c *Control) open() (door, hall *os.File, err error) {
	if err := os.MkdirAll(c.dir, 0o755); err != nil {
		return nil, nil, err
	}
	door, err = os.OpenFile(filepath.Join(c.dir, "door.lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, nil, err
	}
	hall, err = os.OpenFile(filepath.Join(c.dir, "hall.lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, nil, errors.Join(err, door.Close())
	}
	return door, hall, nil
}

// try is one attempt of the run at the door: the hall is empty, or quiet for as long as
// it is looked at.
func (c *Control) try(ctx context.Context, door, hall *os.File) (admitted bool, err error) {
	if admitted, err = acquire(hall, syscall.LOCK_EX); err != nil {
		return false, err
	}
	if !admitted {
		quiet, err := c.quiet(ctx, door)
		if err != nil || !quiet {
			return false, err
		}
	}
	return acquire(hall, syscall.LOCK_SH)
}

// quiet says whether the runs that go on leave room, those admitted last included.
func (c *Control) quiet(ctx context.Context, door *os.File) (bool, error) {
	entered, err := door.Stat()
	if err != nil {
		return false, err
	}
	settled := time.Since(entered.ModTime()) >= c.settled
	look := time.NewTicker(c.window / looks)
	defer look.Stop()
	sum := 0.0
	for range looks {
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-look.C:
		}
		if tasks, err := c.queue(); err == nil {
			sum += tasks
		}
	}
	return settled && sum <= c.limit*looks, nil
}

// await waits for a lock for itself.
func (c *Control) await(ctx context.Context, file *os.File) error {
	retry := time.NewTicker(min(lockInterval, c.window))
	defer retry.Stop()
	for {
		if got, err := acquire(file, syscall.LOCK_EX); got || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-retry.C:
		}
	}
}

// acquire takes a lock if it is free. The kernel gives it up when its holder dies.
func acquire(file *os.File, how int) (bool, error) {
	err := syscall.Flock(int(file.Fd()), how|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) || errors.Is(err, syscall.EINTR) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("lock %s: %w", file.Name(), err)
	}
	return true, nil
}
