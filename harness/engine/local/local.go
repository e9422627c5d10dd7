// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package local runs a topology as processes of this machine on loopback, for
// machines without Docker and for tests that want speed. Its central type is
// [Engine], an [engine.Engine]; it needs Linux or macOS.
//
//	e, err := local.New(ctx, local.Options{Run: "r42", Dir: dir})
//	defer func() { err = errors.Join(err, e.Close(cleanup)) }()
//	site, err := e.Reserve(ctx, "dp-1", program, "proxy", "status")
//	node, err := e.Start(ctx, site, engine.Process{Env: env})
//
// A node behaves like a container as far as processes can: it has a directory
// and a process group of its own, an environment made from scratch, and when
// its first process ends, the rest of its group is ended too. What it shares
// with the machine is the network: a node's addresses are ports of one address,
// 127.0.0.1 unless the options name another, and Listen, Peer and Endpoint are
// the same.
//
// Nothing outlives [Engine.Close]. What outlives a harness that was itself
// killed is found by [Sweep]: by the marks in the processes' environment
// (Linux), and by a ledger of what was started, kept in the user's cache
// directory. Shared memory that they made is found by who made it. Without the marks (macOS) one gap is left: a process started in
// the very moment in which the harness is killed, before the ledger has its id.
package local

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"sync"

	"blackout/harness/engine"
	"blackout/harness/watchdog/owner"
)

var _ engine.Engine = (*Engine)(nil)

// validName is what may become part of a path: the names of runs and nodes.
var validName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)

// loopback is what nodes listen on if nobody says otherwise.
var loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// ErrClosed is returned, wrapped, by what would start something after Close.
var ErrClosed = errors.New("engine is closed")

// Options say where and for which run an Engine works.
type Options struct {
	// Run is the run's id: letters, digits, dots, dashes and underscores.
	Run string

	// Dir is an existing directory. Nodes get <Dir>/<node>, removed by Close,
	// and write <Dir>/<node>.log, which stays.
	Dir string

	// Address is what the nodes listen on, an address of this machine; invalid:
	// 127.0.0.1. With that of a container network, the containers reach them.
	Address netip.Addr

	// Race is the directory for the reports of Go's race detector, one file
	// <Race>/<node>.<pid> per process that has something to report. Empty: the
	// detector of a process built with it writes to the node's log.
	Race string
}

// Engine runs the processes of one run. It is safe for concurrent use.
type Engine struct {
	options Options
	owner   owner.Owner
	ledger  *ledger
	ports   *ports

	closing sync.Mutex     // one Close at a time
	reapers sync.WaitGroup // one per started process

	mu     sync.Mutex
	closed bool
	sites  map[string]*site
	shared map[string]bool // directories that several nodes have
}

// New makes an engine and the run's ledger. It starts nothing.
func New(ctx context.Context, options Options) (*Engine, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("make local engine: %w", err)
	}
	if !validName.MatchString(options.Run) {
		return nil, fmt.Errorf("make local engine: run id %q: use up to 100 letters, digits, '.', '-' and '_'", options.Run)
	}
	if err := resolveDirs(&options); err != nil {
		return nil, fmt.Errorf("make local engine: %w", err)
	}
	if !options.Address.IsValid() {
		options.Address = loopback
	}
	self, err := owner.Self()
	if err != nil {
		return nil, fmt.Errorf("make local engine: %w", err)
	}
	book, err := newLedger(options.Run, self)
	if err != nil {
		return nil, fmt.Errorf("make local engine: %w", err)
	}
	return &Engine{
		options: options,
		owner:   self,
		ledger:  book,
		ports:   newPorts(options.Address, options.Run+" "+self.String()),
		sites:   make(map[string]*site),
		shared:  make(map[string]bool),
	}, nil
}

// resolveDirs makes the directories absolute, because a node's working
// directory is not the harness's, and checks that they are there.
func resolveDirs(options *Options) error {
	dir, err := filepath.Abs(options.Dir)
	if err != nil {
		return fmt.Errorf("resolve directory %q: %w", options.Dir, err)
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return fmt.Errorf("directory for nodes %s: not an existing directory: create it first", dir)
	}
	options.Dir = dir
	if options.Race == "" {
		return nil
	}
	if options.Race, err = filepath.Abs(options.Race); err != nil {
		return fmt.Errorf("resolve directory for race reports: %w", err)
	}
	if err := os.MkdirAll(options.Race, 0o755); err != nil {
		return fmt.Errorf("make directory for race reports: %w", err)
	}
	return nil
}

// Name is "local".
func (e *Engine) Name() string { return "local" }

// Netfilter returns [engine.ErrUnsupported], wrapped: nodes share the machine's
// network.
func (e *Engine) Netfilter(_ context.Context, n engine.Node) (engine.Netfilter, error) {
	return nil, fmt.Errorf("open the network of %s: %w: processes share the machine's: run with --engine docker", n.Name(), engine.ErrUnsupported)
}

// Reserve makes the node's directory and sets ports aside for it. A program
// that is only an image, or whose file cannot be executed, is an
// [engine.ErrUnavailable].
func (e *Engine) Reserve(ctx context.Context, name string, program engine.Program, ports ...string) (engine.Site, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("reserve %s: %w", name, err)
	}
	if !validName.MatchString(name) {
		return nil, fmt.Errorf("reserve node %q: use up to 100 letters, digits, '.', '-' and '_'", name)
	}
	binary, err := executable(program)
	if err != nil {
		return nil, fmt.Errorf("reserve %s: %w", name, err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, fmt.Errorf("reserve %s: %w", name, ErrClosed)
	}
	if e.sites[name] != nil {
		return nil, fmt.Errorf("reserve %s: the name is taken", name)
	}
	s := &site{engine: e, name: name, binary: binary, addresses: make(map[string]string)}
	for _, port := range ports {
		if err := s.AddPort(port); err != nil {
			return nil, err
		}
	}
	if err := e.makeDir(s.Dir()); err != nil {
		return nil, fmt.Errorf("reserve %s: %w", name, err)
	}
	e.sites[name] = s
	return s, nil
}

// executable is the absolute path of a program's binary.
func executable(program engine.Program) (string, error) {
	if program.Image != "" {
		return "", fmt.Errorf("%w: program %s is the image %s, which needs the docker engine: run with --engine docker",
			engine.ErrUnavailable, program.Name, program.Image)
	}
	path, err := filepath.Abs(program.Binary)
	if err != nil {
		return "", fmt.Errorf("resolve program %s: %w", program.Name, err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("%w: program %s: %w: build it first (make build)", engine.ErrUnavailable, program.Name, err)
	}
	if !info.Mode().IsRegular() || info.Mode()&0o111 == 0 {
		return "", fmt.Errorf("%w: program %s: %s is not an executable file: build it again (make build)",
			engine.ErrUnavailable, program.Name, path)
	}
	return path, nil
}

// makeDir makes a node's directory, entered in the ledger before it exists so
// that a harness killed in between leaves nothing unknown. A directory that was
// there before is refused: what the ledger names, a sweep removes.
func (e *Engine) makeDir(dir string) error {
	if _, err := os.Lstat(dir); !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("make directory %s: something is there already: give every run an empty directory", dir)
	}
	if err := e.ledger.add(entry{Dir: dir}); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return fmt.Errorf("make node directory: %w", err)
	}
	if err := os.Mkdir(filepath.Join(dir, tempDir), 0o755); err != nil {
		return fmt.Errorf("make node directory: %w", err)
	}
	return nil
}

// Start writes the process's files and starts it. A site whose process has
// ended may be started again with another process; the node stays the same.
// Whether the process survived its start is looked at once.
func (e *Engine) Start(ctx context.Context, place engine.Site, process engine.Process) (engine.Node, error) {
	s, ok := place.(*site)
	if !ok || s.engine != e {
		return nil, fmt.Errorf("start %s: the site was not reserved with this engine", place.Name())
	}
	for _, mark := range []string{engine.RunVariable, owner.Variable} {
		if _, taken := process.Env[mark]; taken {
			return nil, fmt.Errorf("start %s: %s is set by the engine: leave it out", s.name, mark)
		}
	}
	n, err := s.start(ctx, process)
	switch {
	case err == nil:
		return n, nil
	case n == nil: // not the nil *node: that would be a Node
		return nil, fmt.Errorf("start %s: %w", s.name, err)
	}
	return n, fmt.Errorf("start %s: %w", s.name, err)
}

// Close ends every process of the run, waits for them, and removes the nodes'
// directories and the ledger. Logs stay. A Close that was cut short by its
// context can be called again.
func (e *Engine) Close(ctx context.Context) error {
	e.closing.Lock()
	defer e.closing.Unlock()
	e.mu.Lock()
	e.closed = true // from here on nothing starts
	sites := e.sites
	e.mu.Unlock()

	var errs []error
	for _, s := range sites {
		errs = append(errs, s.kill())
	}
	if err := e.awaitReapers(ctx); err != nil {
		return fmt.Errorf("close local engine: %w", errors.Join(append(errs, err)...))
	}
	// What left its process group is found by its marks, as after a crash.
	_, err := Sweep(ctx, e.options.Run)
	errs = append(errs, err, e.ports.release())
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close local engine: %w", err)
	}
	return nil
}

// awaitReapers waits until every started process has been collected.
func (e *Engine) awaitReapers(ctx context.Context) error {
	done := make(chan struct{})
	go func() { // ends with the reapers: their processes were sent SIGKILL
		e.reapers.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for the nodes to end: %w", context.Cause(ctx))
	}
}
