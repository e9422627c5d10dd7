// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package traffic

import (
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// alarm wakes the Go runtime when a slot is due. An idle runtime sleeps in
// epoll_wait, which counts in whole milliseconds, so that its timers fire half a
// millisecond late on average. A timerfd among what it polls ends that sleep on
// time, whatever it is for, and the worker's own timer then fires. Nothing
// depends on it: without one, requests leave a little later, and say so.
type alarm struct {
	file    *os.File
	reading *sync.WaitGroup
}

// minAlarm is the shortest interval that gets an alarm. A faster schedule is
// sent a millisecond's worth at a time: waking for each request would double
// what it costs.
const minAlarm = time.Millisecond

func newAlarm(first time.Time, interval time.Duration) alarm {
	if interval < minAlarm {
		return alarm{}
	}
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return alarm{}
	}
	a := alarm{file: os.NewFile(uintptr(fd), "timerfd"), reading: new(sync.WaitGroup)}
	spec := unix.ItimerSpec{
		Value:    unix.NsecToTimespec(max(time.Until(first), 1).Nanoseconds()),
		Interval: unix.NsecToTimespec(interval.Nanoseconds()),
	}
	if err := unix.TimerfdSettime(fd, 0, &spec, nil); err != nil {
		a.close()
		return alarm{}
	}
	a.reading.Go(func() {
		var expirations [8]byte
		for {
			if _, err := a.file.Read(expirations[:]); err != nil {
				return // closed
			}
		}
	})
	return a
}

func (a alarm) close() {
	if a.file != nil {
		_ = a.file.Close()
		a.reading.Wait()
	}
}
