// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package docker runs a topology in containers on one bridge network per run.
// Its central type is [Engine], an [engine.Engine].
//
//	if err := docker.Available(ctx); err != nil { … }
//	e, err := docker.New(ctx, docker.Options{Run: "r42"})
//	defer func() { err = errors.Join(err, e.Close(cleanup)) }()
//	site, err := e.Reserve(ctx, "dp-1", engine.Program{Name: "gateway", Binary: path}, "proxy", "status")
//	node, err := e.Start(ctx, site, engine.Process{Args: args})
//	address, err := node.Endpoint(ctx, "proxy")
//
// A program given as a static Linux executable becomes an image of that one
// file, named by its content and so made once; images stay as a cache. A node's
// directory is a volume, and its disk, if it has one, a tmpfs that is mounted in
// it from outside. Nodes reach each other by name, over the network's own
// resolver. A node has one address in the network for the whole run, dead or
// alive, so that nobody ever takes another for it. The harness dials a container's own address on the bridge, because
// behind a published port Docker's proxy accepts connections although nothing
// listens; where the bridge cannot be reached from here (Docker Desktop, a
// remote daemon) ports are published and [Engine.Routable] says so.
//
// What needs a node's network namespace ([Engine.Netfilter]) is done by a helper
// container that joins it.
//
// Containers, networks and volumes carry the run, the node and the owning
// process as labels from their creation on, and disks as their source, so that
// [Sweep] finds what a killed harness has left. Testcontainers' own reaper is switched off: it needs an
// image that may not be at hand, and knows nothing of runs.
package docker

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"runtime"
	"sync"
	"time"

	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"

	"blackout/harness/engine"
	"blackout/harness/watchdog/owner"
)

var _ engine.Engine = (*Engine)(nil)

// The labels of everything a run makes.
const (
	LabelRun   = "blackout.run"   // the run's id
	LabelNode  = "blackout.node"  // the node's name, on containers and volumes
	LabelOwner = "blackout.owner" // the harness process, as owner.Owner writes it
)

// ErrNotClean is returned, wrapped, by a New that failed and could not remove
// what it had made: the run has left something, which [Sweep] finds.
var ErrNotClean = errors.New("something of the run may be left")

// cleanUpLimit bounds the clean-up after a failed New.
const cleanUpLimit = 30 * time.Second

// ErrClosed is returned, wrapped, by what would make something after Close.
var ErrClosed = errors.New("engine is closed")

// validName is what Docker takes in the names of containers and volumes.
var validName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,99}$`)

// Options say for which run an Engine works.
type Options struct {
	// Run is the run's id: letters, digits, dots, dashes and underscores.
	Run string

	// Netfault is cmd/netfault, which acts in the network of a node. Without it
	// [Engine.Netfilter] is not supported.
	Netfault engine.Program

	// Progress, if set, is told in one line of what takes time. It may be
	// called from several goroutines at once.
	Progress func(line string)
}

// Engine runs the containers of one run. It is safe for concurrent use.
type Engine struct {
	options Options
	owner   owner.Owner
	daemon  *client.Client
	// containers makes them. It is one for the run: each finds out about the daemon
	// first, which takes a tenth of the time of a start.
	containers testcontainers.ContainerProvider
	network    *testcontainers.DockerNetwork
	routable   bool
	gateways   []netip.Addr // of the network: this machine in it
	subnet     netip.Prefix // of the network

	stop context.CancelFunc
	life context.Context // ends with Close, and with it what is under way

	mu     sync.Mutex
	closed bool
	calls  int           // under way that make something
	idle   chan struct{} // closed when the engine is closed and no call is under way
	cut    bool          // a call was cut short: the daemon may yet make what it asked for
	sites  map[string]*site
	last   netip.Addr                // that a site was given
	images map[engine.Program]string // references, as found

	helpers map[*helper]bool // that run
}

// New connects to the daemon and makes the run's network. If it fails, nothing
// is left, unless the error wraps [ErrNotClean].
func New(ctx context.Context, options Options) (*Engine, error) {
	if !validName.MatchString(options.Run) {
		return nil, fmt.Errorf("make docker engine: run id %q: use up to 100 letters, digits, '.', '-' and '_'", options.Run)
	}
	self, err := owner.Self()
	if err != nil {
		return nil, fmt.Errorf("make docker engine: %w", err)
	}
	daemon, err := connect(ctx)
	if err != nil {
		return nil, err
	}
	containers, err := newProvider()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make docker engine: %w", err), daemon.Close())
	}
	// The engine outlives the call that makes it: Close ends its life.
	life, stop := context.WithCancel(context.WithoutCancel(ctx))
	e := &Engine{
		options: options, owner: self, daemon: daemon, containers: containers,
		life: life, stop: stop, idle: make(chan struct{}), sites: make(map[string]*site),
		images: make(map[engine.Program]string), helpers: make(map[*helper]bool),
	}
	if err := e.makeNetwork(ctx); err != nil {
		return nil, e.abandon(ctx, fmt.Errorf("make docker engine: %w", err))
	}
	return e, nil
}

// abandon cleans up after a New that failed with err, also if ctx is over.
func (e *Engine) abandon(ctx context.Context, err error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUpLimit)
	defer cancel()
	if closeErr := e.Close(ctx); closeErr != nil {
		return errors.Join(err, fmt.Errorf("%w: docker objects with the label %s=%s: %w", ErrNotClean, LabelRun, e.options.Run, closeErr))
	}
	return err
}

// labels are put on what the run makes; node is empty for what has none.
func (e *Engine) labels(node string) map[string]string {
	labels := map[string]string{LabelRun: e.options.Run, LabelOwner: e.owner.String()}
	if node != "" {
		labels[LabelNode] = node
	}
	return labels
}

// Name implements [engine.Engine].
func (e *Engine) Name() string { return "docker" }

// Routable reports whether the harness dials containers on their own addresses.
// Where it does not, a connection that is accepted proves nothing.
func (e *Engine) Routable() bool { return e.routable }

// StartsAtOnce is how many containers are to be started side by side at most. A start
// takes a processor for half a second, and those that run need it meanwhile.
func (e *Engine) StartsAtOnce() int { return runtime.NumCPU() }

// Reserve implements [engine.Engine]. It makes the node's volume.
func (e *Engine) Reserve(ctx context.Context, name string, program engine.Program, ports ...string) (engine.Site, error) {
	ctx, end, err := e.begin(ctx)
	if err != nil {
		return nil, fmt.Errorf("reserve %s: %w", name, err)
	}
	defer end()
	s, err := e.newSite(name, program, ports)
	if err != nil {
		return nil, fmt.Errorf("reserve %s: %w", name, err)
	}
	_, err = e.daemon.VolumeCreate(ctx, client.VolumeCreateOptions{Name: s.object(), Labels: e.labels(name)})
	if err != nil {
		return nil, fmt.Errorf("reserve %s: make volume: %w", name, err)
	}
	return s, nil
}

// newSite enters a site under its name, which must be new.
func (e *Engine) newSite(name string, program engine.Program, ports []string) (*site, error) {
	if !validName.MatchString(name) {
		return nil, fmt.Errorf("node name %q: use up to 100 letters, digits, '.', '-' and '_'", name)
	}
	s := &site{engine: e, name: name, program: program, ports: make(map[string]uint16), next: firstFreePort}
	for _, port := range ports {
		if err := s.AddPort(port); err != nil {
			return nil, err
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.sites[name] != nil {
		return nil, errors.New("the name is taken")
	}
	var err error
	if s.ip, err = e.nextAddress(); err != nil {
		return nil, err
	}
	e.sites[name] = s
	return s, nil
}

// progress tells the user what is going on.
func (e *Engine) progress(format string, args ...any) {
	if e.options.Progress != nil {
		e.options.Progress(fmt.Sprintf(format, args...))
	}
}
