// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"blackout/fixtures"
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
	Plan      plan.Plan
	Engine    engine.Engine
	Programs  map[string]engine.Program // "gateway", "toxiproxy", "upstream", "storefront", "store"
	StoreKind StoreKind
	Recording *history.Writer
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
	plan     plan.Plan
	topology topology.Topology // grows when nodes are added
	engine   engine.Engine
	programs map[string]engine.Program
	kind     StoreKind
	rec      *history.Writer
	control  Control
	abort    context.CancelCauseFunc
	progress func(format string, args ...any)

	identity fixtures.Identity
	root     rootAccount
	store    store.Store
	links    *fault.Links
	sites    map[string]engine.Site
	nodes    map[string]engine.Node
	faults   []*fault.Fault
	probers  map[string]*traffic.Prober

	authorsMu sync.Mutex
	authors   map[string]string // access key → node

	watchers  sync.WaitGroup
	stopWatch context.CancelFunc
	watchCtx  context.Context //nolint:containedctx // owned: bounds the cluster's own goroutines, ended by Close
	routes    int             // beside the probed one
}

// New prepares a cluster. Nothing is started yet; the plan's first step does that.
// Close must be called, whatever happens.
func New(ctx context.Context, s Setup) (*Cluster, error) {
	identity, err := fixtures.NewIdentity()
	if err != nil {
		return nil, err
	}
	root, err := newRootAccount()
	if err != nil {
		return nil, err
	}
	watchCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
	return &Cluster{
		plan: s.Plan, topology: s.Plan.Topology, engine: s.Engine, programs: s.Programs, kind: s.StoreKind,
		rec: s.Recording, control: s.Control, abort: s.Abort,
		progress: func(format string, args ...any) { s.Progress(fmt.Sprintf(format, args...)) },
		identity: identity, root: root,
		sites: make(map[string]engine.Site), nodes: make(map[string]engine.Node),
		probers:  make(map[string]*traffic.Prober),
		authors:  map[string]string{root.user: topology.Witness},
		watchCtx: watchCtx, stopWatch: stop,
	}, nil
}

// Do carries out one step and records its beginning and end.
func (c *Cluster) Do(ctx context.Context, step plan.Step) error {
	title := step.Action.Title()
	c.progress("%2d  %s", step.Number, title)
	c.rec.Event(history.Event{Kind: history.StepBegin, Step: step.Number, Text: title})
	err := step.Action.(Action).Do(ctx, c)
	end := history.Event{Kind: history.StepEnd, Step: step.Number, Text: title, OK: err == nil}
	if err != nil {
		end.Error = err.Error()
		err = fmt.Errorf("step %d (%s): %w", step.Number, title, err)
	}
	c.rec.Event(end)
	return err
}

// Close heals what is still cut, ends traffic and watching, and records which
// processes had ended. It does not end the nodes: that is the engine's.
func (c *Cluster) Close(ctx context.Context) error {
	// Deaths first: a dead control plane makes healing slow to witness.
	err := errors.Join(c.recordDeaths(ctx), c.heal(ctx))
	c.stopTraffic()
	c.stopWatch()
	c.watchers.Wait()
	return err
}

// Logs hands out what every node wrote so far.
func (c *Cluster) Logs(ctx context.Context, each func(node string, log io.Reader) error) error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(c.nodes)) {
		log, err := c.nodes[name].Log(ctx)
		if err != nil {
			errs = append(errs, fmt.Errorf("log of %s: %w", name, err))
			continue
		}
		errs = append(errs, each(name, log), log.Close())
	}
	return errors.Join(errs...)
}

// background runs f until the cluster is closed. A panic in it ends the run like
// any other failure of the harness: healed, cleaned up and reported.
func (c *Cluster) background(f func(context.Context)) {
	c.watchers.Go(func() {
		defer func() {
			if p := recover(); p != nil {
				c.abort(fmt.Errorf("%w: %v\n%s", ErrPanic, p, debug.Stack()))
			}
		}()
		f(c.watchCtx)
	})
}

// endpoint is where the harness dials a node's port right now.
func (c *Cluster) endpoint(ctx context.Context, node, port string) (string, error) {
	n := c.nodes[node]
	if n == nil {
		return "", fmt.Errorf("node %s was never started", node)
	}
	return n.Endpoint(ctx, port)
}

// bound is how long a good gateway may take for something that needs one
// reconnect and one apply, with room for a busy machine.
func (c *Cluster) bound() time.Duration {
	p := c.plan.Profile
	return 2*(p.ReconnectMax+p.DialTimeout) + p.NoConfiguration + 10*time.Second
}
