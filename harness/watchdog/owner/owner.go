// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package owner names the harness process that a run belongs to and says
// whether that process is gone. Its central type is [Owner].
//
// A process id alone does not identify a process, because ids are used again.
// Together with the time at which the process started it does. The engines
// write the owner's text form onto everything they make (a container label, an
// environment variable), so that a later start can tell the leavings of a dead
// harness from the work of a live one:
//
//	mine, err := owner.Self()
//	label := mine.String()          // "build-7/4711/889021"
//	…
//	theirs, err := owner.Parse(label)
//	gone, err := theirs.Gone()
package owner

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Variable is the environment variable that carries the owner's text form in
// every process of a run.
const Variable = "BLACKOUT_OWNER"

// ErrGone is returned by [Started] for a process that does not exist or has
// ended and only waits for its parent to collect it.
var ErrGone = errors.New("process is gone")

// Owner identifies one process on one host.
type Owner struct {
	Host    string
	PID     int
	Started string // as returned by Started
}

// Self is the calling process.
func Self() (Owner, error) {
	host, err := os.Hostname()
	if err != nil {
		return Owner{}, fmt.Errorf("name the harness process: %w", err)
	}
	started, err := Started(os.Getpid())
	if err != nil {
		return Owner{}, fmt.Errorf("name the harness process: %w", err)
	}
	return Owner{Host: host, PID: os.Getpid(), Started: started}, nil
}

// String is "<host>/<pid>/<start time>".
func (o Owner) String() string {
	return o.Host + "/" + strconv.Itoa(o.PID) + "/" + o.Started
}

// Parse reads what String wrote.
func Parse(text string) (Owner, error) {
	parts := strings.Split(text, "/")
	if len(parts) != 3 || parts[0] == "" || parts[2] == "" {
		return Owner{}, fmt.Errorf("parse owner %q: want host/pid/start time", text)
	}
	pid, err := strconv.Atoi(parts[1])
	if err != nil || pid <= 0 {
		return Owner{}, fmt.Errorf("parse owner %q: %q is not a process id", text, parts[1])
	}
	return Owner{Host: parts[0], PID: pid, Started: parts[2]}, nil
}

// Gone reports whether the process has ended. A process of another host is
// never called gone: it cannot be judged from here.
func (o Owner) Gone() (bool, error) {
	host, err := os.Hostname()
	if err != nil {
		return false, fmt.Errorf("judge owner %s: %w", o, err)
	}
	if o.Host != host {
		return false, nil
	}
	alive, err := Alive(o.PID, o.Started)
	if err != nil {
		return false, fmt.Errorf("judge owner %s: %w", o, err)
	}
	return !alive, nil
}

// Alive reports whether the process with this id and start time still runs.
func Alive(pid int, started string) (bool, error) {
	now, err := Started(pid)
	if errors.Is(err, ErrGone) {
		return false, nil
	}
	return err == nil && now == started, err
}
