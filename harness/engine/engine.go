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
	"net/netip"
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

// ErrUnsupported is returned, wrapped, for what this engine, machine or user
// cannot do, beside running processes. What needs it is NOT MEASURED.
var ErrUnsupported = errors.New("not supported here")

// ErrUnresolved is returned, wrapped, when a name server was asked and gave no
// address.
var ErrUnresolved = errors.New("name not resolved")

// Engine starts and finds the processes of one run.
type Engine interface {
	// Name is "docker" or "local".
	Name() string

	// Reserve gives a node its place. Ports are the names by which its
	// listeners are asked for later ("proxy", "status").
	Reserve(ctx context.Context, name string, program Program, ports ...string) (Site, error)

	// Start starts the process at a reserved site. A node that was started but
	// did not survive its start is returned together with the error, so that
	// its log can be read. At a site whose process has ended it may be another
	// node than before, with a log of its own.
	Start(ctx context.Context, site Site, process Process) (Node, error)

	// Netfilter opens the network namespace of a running node. It belongs to the
	// node's present life: after a restart, ask again. The error wraps
	// ErrUnsupported where a node has no network namespace of its own.
	Netfilter(ctx context.Context, node Node) (Netfilter, error)

	// Close ends and removes everything of the run and waits for it. It is
	// idempotent, and the caller gives it a context of its own: clean-up runs
	// also after an interrupt.
	Close(ctx context.Context) error
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

	// Disk puts a disk of that many bytes below Dir. It is asked for once, before
	// the first start. The error wraps ErrUnsupported where the harness may not
	// mount, or does not share a machine with the process.
	Disk(ctx context.Context, bytes int64) (Disk, error)

	// Share gives the site a directory of that name, as the process sees it, that
	// all sites of the run have which ask for it. It is asked for before the first
	// start, once per name.
	Share(ctx context.Context, name string) (dir string, err error)
}

// Disk is a file system of its own for a node's files, of a size that it cannot
// outgrow. It outlives restarts of the process.
type Disk struct {
	Dir   string // as the process sees it, below Site.Dir
	Host  string // the same, as the harness sees it
	Bytes int64  // its size; file systems count in pages
}

// Process is what a site runs.
type Process struct {
	Args  []string
	Env   map[string]string
	Files map[string][]byte // relative to Site.Dir, written before the start

	// User is the name of the account that the process runs under, which owns
	// everything in Site.Dir then; empty: the harness's own. The error of a start
	// wraps ErrUnsupported where the engine cannot, or is not root's.
	User string
}

// State is what an engine sees of a process.
type State struct {
	Running  bool
	Paused   bool // it stands still; it runs all the same
	ExitCode int  // valid when not running; −1 when ended by a signal

	// Life names the process among all that ran at the site, by what the system
	// says of its start and not by what the engine asked for: after a restart it
	// is another. It is kept when the process has ended.
	Life string
}

// Handle names a node's process, or something else that an engine made, to a
// program that did not start it: an undo after the harness was killed. Its
// "engine" is the name of the engine that understands it.
type Handle map[string]string

// Node is a started process.
type Node interface {
	Name() string

	// Endpoint is the address at which the harness itself dials a port. It may
	// change when a node restarts: ask, never remember.
	Endpoint(ctx context.Context, port string) (string, error)

	// State reports whether the process runs, and which one it is.
	State(ctx context.Context) (State, error)

	// Handle names the process to [blackout/harness/engine/docker.Resume] or
	// [blackout/harness/engine/local.Resume].
	Handle(ctx context.Context) (Handle, error)

	// Process is the running process's id on this machine. The error wraps
	// ErrUnsupported where it is another machine's, and ErrEnded without one.
	Process(ctx context.Context) (pid int, err error)

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

	// Follow calls each with every line of the log, from its beginning and as
	// lines are written, through all restarts of the node, until ctx ends: that
	// is no error.
	Follow(ctx context.Context, each func(line string)) error

	// Listening are the TCP addresses that the node's processes listen on, in
	// order. The error wraps ErrUnsupported where they cannot be listed.
	Listening(ctx context.Context) ([]netip.AddrPort, error)
}

// Netfilter acts below a node's own notice: in the network namespace that all of
// its packets pass. Ports are named as the node's site does.
type Netfilter interface {
	// Drop lets no packet of a TCP port of the node come or go: connections fall
	// silent, attempts are not answered. Accept ends that. Both may be repeated.
	Drop(ctx context.Context, port string) error
	Accept(ctx context.Context, port string) error

	// DropDNS keeps the node's questions from its name server, unanswered.
	// AcceptDNS ends that. Both may be repeated.
	DropDNS(ctx context.Context) error
	AcceptDNS(ctx context.Context) error

	// Resolve asks the node's name server for the addresses of a name. The error
	// wraps ErrUnresolved if it gave none.
	Resolve(ctx context.Context, name string) ([]netip.Addr, error)

	// Attempts is how often others than this machine have tried to connect to a
	// TCP port of the node since the namespace was opened, whatever came of it:
	// SYNs, those sent again because nobody answered included.
	Attempts(ctx context.Context, port string) (int, error)

	// Handle names it to [blackout/harness/engine/docker.RestoreNetwork].
	Handle() Handle
}
