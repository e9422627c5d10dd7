// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"blackout/fixtures"
	"blackout/harness/database"
	"blackout/harness/engine"
	"blackout/harness/fault"
	"blackout/harness/history"
	"blackout/harness/plan"
	"blackout/harness/store"
	"blackout/harness/topology"
	"blackout/harness/traffic"
)

// Setup is what a cluster is made from.
type Setup struct {
	Run       string // its id
	Plan      plan.Plan
	Engine    engine.Engine
	Host      Host
	Programs  map[string]engine.Program // "gateway", "toxiproxy", "upstream", "storefront", "store"
	StoreKind StoreKind
	Recording *history.Writer
	Ledger    *fault.Ledger
	Control   Control
	Progress  func(line string)
	Abort     context.CancelCauseFunc // ends the run's context
}

// StoreKind is the kind of object store that a run uses.
type StoreKind string

// The kinds of stores.
const (
	MinIO    StoreKind = "minio"
	Embedded StoreKind = "embedded" // cmd/store, for machines without Docker
)

// Cluster is a running topology. Its methods belong to one goroutine, the one
// that carries out the plan.
type Cluster struct {
	run      string
	plan     plan.Plan
	topology topology.Topology // grows when nodes are added
	engine   engine.Engine
	host     Host
	programs map[string]engine.Program
	kind     StoreKind
	rec      *history.Writer
	control  Control
	abort    context.CancelCauseFunc
	progress func(format string, args ...any)

	identity  fixtures.Identity   // the cluster's
	authority *fixtures.Authority // of the certificates of stores, and of the entities'
	witnessID string              // as a data plane of the control planes
	root      rootAccount
	links     *fault.Edges
	database  *database.Server // nil if control planes keep theirs in files
	missing   error            // why, though the topology asks for one
	ledger    *fault.Ledger
	has       *inventory
	slots     *semaphore.Weighted // of nodes that start
	probers   []*traffic.Prober
	sampler   traffic.Sampler

	watched  atomic.Int64 // data planes that are looked at
	starting sync.Mutex   // of what is started when first needed
	counting bool         // attempts are counted by their packets, or cannot be; guarded by starting

	mu         sync.Mutex
	accounts   map[string]store.Account     // of the stores, by node
	identities map[string]fixtures.Identity // of nodes that have another than the cluster's
	parameters map[string]map[string]string // of nodes, by name, beyond their topology
	stores     map[string]store.Store
	faults     []numbered
	intended   []fault.Spec // that are being prepared and put in force
	lastFault  int
	looks      map[string]*looks // at gateway nodes
	watching   map[string]bool   // data planes whose watcher was begun
	authors    map[string]string // access key → node
	snapshots  snapshots

	watchers  sync.WaitGroup
	stopWatch context.CancelFunc
	watchCtx  context.Context  // owned: bounds the cluster's own goroutines, ended by Close
	routes    []fixtures.Route // of the configuration that was loaded last
	guarded   bool             // it has a route that needs a key
	key       string           // that it needs
	entities  bool             // it has an entity of every kind
	plugin    string           // that it has beside, or none
	padded    int              // pieces of padding that it has
	needs     []string         // what it needs that not every data plane has
	step      int              // in progress
}

// New prepares a cluster. No node is started yet; the plan's first step does that.
// Close must be called, whatever happens.
func New(ctx context.Context, s Setup) (*Cluster, error) {
	identity, err := fixtures.NewIdentity()
	if err != nil {
		return nil, err
	}
	authority, err := fixtures.NewAuthority("store authority")
	if err != nil {
		return nil, err
	}
	root, err := newRootAccount()
	if err != nil {
		return nil, err
	}
	key := rand.Text()
	s.Recording.Redact(string(identity.Key), root.password, root.encryption, key)
	watchCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
	c := &Cluster{
		run: s.Run, plan: s.Plan, topology: s.Plan.Topology, engine: s.Engine, host: s.Host, programs: s.Programs, kind: s.StoreKind,
		rec: s.Recording, ledger: s.Ledger, control: s.Control, abort: s.Abort,
		identity: identity, authority: authority, witnessID: newWitnessID(), root: root, key: key,
		accounts: make(map[string]store.Account), identities: make(map[string]fixtures.Identity), parameters: make(map[string]map[string]string),
		has: newInventory(), slots: newSlots(s.Engine), stores: make(map[string]store.Store), looks: make(map[string]*looks), watching: make(map[string]bool),
		authors:  map[string]string{root.user: topology.Witness},
		watchCtx: watchCtx, stopWatch: stop,
	}
	c.progress = func(format string, args ...any) { s.Progress(c.scrub(fmt.Sprintf(format, args...))) }
	c.sampler.Processes = c.processes
	c.background(func(ctx context.Context) { c.sampler.Run(ctx, c.rec) })
	return c, nil
}

// Do carries out one step and records its beginning, beside the planned one if
// there is one, and its end.
func (c *Cluster) Do(ctx context.Context, step plan.Step, planned history.Time) error {
	title := step.Action.Title()
	c.step = step.Number
	c.progress("%2d  %s", step.Number, title)
	c.rec.Event(history.Event{Kind: history.StepBegin, Step: step.Number, Text: title, Planned: planned})
	err := step.Action.(Action).Do(ctx, c)
	end := history.Event{Kind: history.StepEnd, Step: step.Number, Text: title, OK: err == nil}
	if err != nil {
		end.Error = err.Error()
		err = fmt.Errorf("step %d (%s): %w", step.Number, title, err)
	}
	c.rec.Event(end)
	return c.shown(err)
}

// Close heals what is still cut, ends traffic and watching, and records which
// processes had ended. It does not end the nodes: that is the engine's.
func (c *Cluster) Close(ctx context.Context) error {
	// Deaths first: a dead control plane makes healing slow to witness.
	err := errors.Join(c.recordDeaths(ctx), c.heal(ctx, everyFault), c.cleanFaults(ctx))
	c.stopTraffic()
	c.stopWatch()
	c.watchers.Wait()
	return c.shown(err)
}

// Logs hands out what every node wrote so far, in all of its lives.
func (c *Cluster) Logs(ctx context.Context, each func(node string, log io.Reader) error) error {
	var errs []error
	for _, name := range c.has.started() {
		errs = append(errs, c.log(ctx, name, func(log io.Reader) error { return each(name, log) }))
	}
	return errors.Join(errs...)
}

// log hands out what all nodes at one's site wrote. What can be read is handed out
// also where a part cannot.
func (c *Cluster) log(ctx context.Context, name string, each func(io.Reader) error) error {
	var errs []error
	var parts []io.Reader
	for _, node := range c.has.lifetimes(name) {
		part, err := node.Log(ctx)
		if err != nil {
			errs = append(errs, fmt.Errorf("log of %s: %w", name, err))
			continue
		}
		defer part.Close()
		parts = append(parts, part)
	}
	if len(parts) > 0 {
		errs = append(errs, each(io.MultiReader(parts...)))
	}
	return errors.Join(errs...)
}

// background runs f until the cluster is closed. A panic in it ends the run like
// any other failure of the harness: healed, cleaned up and reported.
func (c *Cluster) background(f func(context.Context)) {
	c.watchers.Go(func() {
		defer func() {
			if p := recover(); p != nil {
				c.abort(c.shown(fmt.Errorf("%w: %v\n%s", ErrPanic, p, debug.Stack())))
			}
		}()
		f(c.watchCtx)
	})
}

// endpoint is where the harness dials a node's port. The engine is asked once in
// each of the node's lives: that costs more than to ask the node.
func (c *Cluster) endpoint(ctx context.Context, node, name string) (string, error) {
	p := port{node, name}
	address, life := c.has.address(p)
	if address != "" {
		return address, nil
	}
	n := c.has.node(node)
	if n == nil {
		return "", fmt.Errorf("node %s was never started", node)
	}
	address, err := n.Endpoint(ctx, name)
	if err == nil {
		c.has.setAddress(p, life, address)
	}
	return address, err
}

// bound is how long a good gateway may take for something that needs one
// reconnect and one apply, with room for a busy machine.
func (c *Cluster) bound() time.Duration {
	p := c.plan.Profile
	return 2*(p.ReconnectMax+p.DialTimeout) + p.NoConfiguration + 10*time.Second
}
