// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package engine runs a topology's processes somewhere: engine/docker in
// containers, engine/local as processes on loopback. Its central type is
// [Engine]. Nothing here knows what a gateway is; a process is a program with
// arguments, environment, files, named ports and a directory.
//
// A node is first reserved, which fixes its addresses and directory, so that
// its own configuration and that of its peers can name them, and then started.
// Everything an engine makes carries the run's id (a container label, or
// BLACKOUT_RUN in a process's environment), so that [Engine.Close], the
// watchdog and the next start can find and remove it.
package engine

import (
	"context"
	"errors"
	"io"
	"time"
)

// RunVariable is the environment variable that marks every process, and the
// suffix of the label that marks every container, network and volume, of a run.
const RunVariable = "BLACKOUT_RUN"

// ErrUnavailable is returned, wrapped, when an engine cannot be used on this
// machine at all: no Docker daemon, no image, no program. It is an environment
// error, never a gateway's.
var ErrUnavailable = errors.New("engine unavailable")

// ErrEnded is returned, wrapped, by Start for a process that ran and had ended
// when Start looked at it, and by Endpoint for one that does not run. It is the
// program's doing. Every other failure to start is the environment's.
var ErrEnded = errors.New("process has ended")

// Engine starts and finds the processes of one run.
type Engine interface {
	// Name is "docker" or "local".
	Name() string

	// Reserve gives a node its place. Ports are the names by which its
	// listeners are asked for later ("proxy", "status").
	Reserve(ctx context.Context, name string, program Program, ports ...string) (Site, error)

	// Start starts the process at a reserved site. A node that was started but
	// did not survive its start is returned together with the error, so that
	// its log can be read.
	Start(ctx context.Context, site Site, process Process) (Node, error)

	// Close ends and removes everything of the run and waits for it. It is
	// idempotent, and the caller gives it a context of its own: clean-up runs
	// also after an interrupt.
	Close(ctx context.Context) error
}

// Program says what to run.
type Program struct {
	Name   string // "gateway", "toxiproxy", "store" …; names the image
	Binary string // path of a static executable on this machine
	Image  string // docker only: run this image instead of one made from Binary
}

// Site is a node's place: fixed before it starts, unchanged by restarts.
type Site interface {
	Name() string

	// Dir is the node's writable directory as the process sees it. It outlives
	// restarts of the process.
	Dir() string

	// Listen is the address that the process itself binds for a port,
	// "host:port".
	Listen(port string) string

	// Peer is the address under which the run's other nodes reach the port.
	Peer(port string) string

	// AddPort adds a named port to a site, also to a running one.
	AddPort(port string) error
}

// Process is what a site runs.
type Process struct {
	Args  []string
	Env   map[string]string
	Files map[string][]byte // relative to Site.Dir, written before the start
}

// State is what an engine knows of a process.
type State struct {
	Running  bool
	ExitCode int // valid when not running; −1 when ended by a signal
}

// Node is a started process.
type Node interface {
	Name() string

	// Endpoint is the address at which the harness itself dials a port. It may
	// change when a node restarts: ask, never remember.
	Endpoint(ctx context.Context, port string) (string, error)

	// State reports whether the process runs.
	State(ctx context.Context) (State, error)

	// Kill ends the process with SIGKILL and waits for its end.
	Kill(ctx context.Context) error

	// Stop asks the process to end with SIGTERM, waits up to grace, then kills.
	Stop(ctx context.Context, grace time.Duration) error

	// Restart starts an ended process again with the same directory, files,
	// environment and site.
	Restart(ctx context.Context) error

	// Pause freezes the process; Resume lets it go on.
	Pause(ctx context.Context) error
	Resume(ctx context.Context) error

	// Log returns what the process wrote to standard output and error so far.
	Log(ctx context.Context) (io.ReadCloser, error)
}
