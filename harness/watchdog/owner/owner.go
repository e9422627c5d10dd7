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
//	label := mine.String() // "build-7/ffdfe13f-…/4026531836/4711/889021"
//	…
//	theirs, err := owner.Parse(label)
//	gone, err := theirs.Gone()
//
// Harnesses in containers may have one host name and one container daemon, and
// yet not see each other's processes. So an owner also says in which process id
// namespace and since which boot its id is valid.
package owner

import (
	"errors"
	"fmt"
	"os"
	"slices"
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
	Host      string
	Boot      string // id of the kernel's boot; "-" outside Linux
	Namespace string // id of the process id namespace; "-" outside Linux
	PID       int
	Started   string // as returned by Started
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
	self := Owner{Host: host, PID: os.Getpid(), Started: started}
	if self.Boot, self.Namespace, err = whereabouts(); err != nil {
		return Owner{}, fmt.Errorf("name the harness process: %w", err)
	}
	return self, nil
}

// String is "<host>/<boot>/<namespace>/<pid>/<start time>".
func (o Owner) String() string {
	return strings.Join([]string{o.Host, o.Boot, o.Namespace, strconv.Itoa(o.PID), o.Started}, "/")
}

// Parse reads what String wrote.
func Parse(text string) (Owner, error) {
	parts := strings.Split(text, "/")
	if len(parts) != 5 || slices.Contains(parts, "") {
		return Owner{}, fmt.Errorf("parse owner %q: want host/boot/namespace/pid/start time", text)
	}
	pid, err := strconv.Atoi(parts[3])
	if err != nil || pid <= 0 {
		return Owner{}, fmt.Errorf("parse owner %q: %q is not a process id", text, parts[3])
	}
	return Owner{Host: parts[0], Boot: parts[1], Namespace: parts[2], PID: pid, Started: parts[4]}, nil
}

// Gone reports whether the process has ended. One of another host or of another
// process id namespace is never called gone: it cannot be judged from here. One
// of another boot of this host has ended with that boot; so machines that share
// a container daemon need host names of their own.
func (o Owner) Gone() (bool, error) {
	here, err := Self()
	if err != nil {
		return false, fmt.Errorf("judge owner %s: %w", o, err)
	}
	switch {
	case o.Host != here.Host:
		return false, nil
	case o.Boot != here.Boot:
		return true, nil
	case o.Namespace != here.Namespace:
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
