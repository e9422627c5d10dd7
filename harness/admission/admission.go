// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package admission admits a user's runs to a machine that they share, the suite's of
// several processes and those of cmd/defects: as many at a time as find a processor when
// they need one. What a starved gateway fails to do in time says nothing about the
// gateway. A run that is started by hand does not ask.
package admission

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// Control admits runs.
type Control struct {
	dir string // of its lock files

	limits  Limits
	queue   func() (queue, error) // replaced by tests
	window  time.Duration
	settled time.Duration
	retry   time.Duration
}

const (
	// window is how long the average of tasks goes back by which a run is admitted, looks
	// how often they are counted in it: a run has moments in which it waits itself.
	window = 5 * time.Second
	looks  = 100

	// settling is from when on a run that was admitted has been seen to start its nodes.
	settling = 6 * time.Second

	// lockInterval is how often a lock that another one holds is tried again: flock
	// cannot wait for a context as well.
	lockInterval = 100 * time.Millisecond
)

// Limits are how many tasks may run or wait for a processor, on the average and for each
// processor, where a further run is admitted beside others. A machine that does not tell
// admits all.
type Limits struct {
	Now    float64 // in the last seconds
	Lately float64 // in about the last minute
}

var (
	// Processes are the limits of a run whose nodes are processes, which start at once.
	Processes = Limits{Now: 3, Lately: math.Inf(1)}

	// Containers are the limits of a run on Docker among others there, where it takes a
	// slow machine's processors seconds to start a node: a run that is quiet now may be
	// about to start ten, and so may the one that comes. By itself such a run keeps two
	// slow processors at about three tasks each, and is mostly alone there: with three side
	// by side they came to fifty, and no gateway kept its times.
	Containers = Limits{Now: 2, Lately: 2}
)

// New is a control for the runs of this user on this machine.
func New(limits Limits) (*Control, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, fmt.Errorf("find a place for the locks of runs: %w", err)
	}
	return In(filepath.Join(cache, "blackout", "admission"), limits), nil
}

// In is a control for the runs that share a directory, which is made.
func In(dir string, limits Limits) *Control {
	return &Control{dir: dir, limits: limits, queue: queued, window: window, settled: settling, retry: lockInterval}
}

// Admit waits until there is room for a run beside those that go on; one that would be
// the only one always finds room. It leaves when leave is called, or its process dies.
func (c *Control) Admit(ctx context.Context) (leave func(), err error) {
	door, hall, err := c.open()
	if err != nil {
		return nil, err
	}
	defer door.Close()
	if err = c.await(ctx, door); err == nil {
		err = c.enter(ctx, door, hall)
	}
	if err == nil {
		_, err = door.WriteAt([]byte{'\n'}, 0) // its time tells when it last let one in
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

// enter waits until the hall is empty, or has been quiet and who was admitted last has
// settled.
func (c *Control) enter(ctx context.Context, door, hall *os.File) error {
	last, err := door.Stat()
	if err != nil {
		return err
	}
	look := time.NewTicker(c.window / looks)
	defer look.Stop()
	var tasks [looks]float64 // of the latest looks
	sum := 0.0
	for n := 0; ; n++ {
		if empty, err := acquire(hall, syscall.LOCK_EX); err != nil || empty {
			return errors.Join(err, share(hall))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-look.C:
		}
		now, err := c.queue()
		if err != nil {
			now = queue{} // this machine does not tell
		}
		sum += now.now - tasks[n%looks]
		tasks[n%looks] = now.now
		loud := sum > c.limits.Now*looks || now.lately > c.limits.Lately
		if n < looks-1 || time.Since(last.ModTime()) < c.settled || loud {
			continue
		}
		// That fails where a run is alone.
		if in, err := acquire(hall, syscall.LOCK_SH); err != nil || in {
			return err
		}
	}
}

// share lets others in beside the one that has the hall for itself. Nobody else can come
// in before: whoever waits is at the door.
func share(hall *os.File) error {
	if in, err := acquire(hall, syscall.LOCK_SH); err != nil || !in {
		return errors.Join(err, fmt.Errorf("share %s: somebody else has it", hall.Name()))
	}
	return nil
}

// await waits for a lock for itself.
func (c *Control) await(ctx context.Context, file *os.File) error {
	retry := time.NewTicker(c.retry)
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
