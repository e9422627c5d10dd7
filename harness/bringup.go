// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"blackout/fixtures"
	"blackout/harness/engine"
	"blackout/harness/fault"
	"blackout/harness/store"
	"blackout/harness/topology"
	"blackout/harness/traffic"
)

// The ports of the nodes that are not gateways.
const (
	portS3     = "s3"
	portEvents = "events"
	portAPI    = "api"
	portHTTP   = "http"
)

// bringUpTimeout bounds the start of one part of the environment.
const bringUpTimeout = 60 * time.Second

// rootAccount is the stores' administrator, made up for one run.
type rootAccount struct {
	user, password string
	encryption     string // the key by which a store encrypts, base64
}

func newRootAccount() (rootAccount, error) {
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		return rootAccount{}, err
	}
	return rootAccount{user: "root-" + rand.Text()[:8], password: rand.Text(), encryption: base64.StdEncoding.EncodeToString(key)}, nil
}

// BringUp starts everything that the plan's topology holds and waits until each
// part answers with the right content. Parts that can start together do.
type BringUp struct{}

// Name implements plan.Action.
func (BringUp) Name() string { return "bring-up" }

// Title implements plan.Action.
func (BringUp) Title() string {
	return "start store, Toxiproxy, upstream, control plane and data planes"
}

// Do implements Action.
func (BringUp) Do(ctx context.Context, c *Cluster) error {
	if err := c.reserveAll(ctx); err != nil {
		return fmt.Errorf("%w: %w", ErrEnvironment, err)
	}
	if cp, _ := c.topology.Node(c.topology.ControlPlane()); cp.Routes > 0 {
		c.routes = fixtures.Routes(cp.Routes)
	}
	err := carryOut(ctx, c.tasks())
	if errors.Is(err, engine.ErrEnded) && !errors.Is(err, ErrEnvironment) {
		return fmt.Errorf("%w: %w", ErrUnsteady, err)
	}
	return err
}

// The names of tasks that are not nodes.
const (
	taskEdges        = "edges"
	taskDatabaseEdge = "edge to the database"
)

func taskBucket(store string) string { return "bucket of " + store }

// tasks is the bring-up as a graph. A data plane starts when all that it will
// dial is there, because one that finds its control plane missing is an
// experiment of its own. Upstreams and fronts, which no start waits for, start
// after the rest of the environment: on a machine with few cores they would hold
// up those that others wait for.
func (c *Cluster) tasks() []task {
	t := c.topology
	first := []string{topology.Toxiproxy, t.ControlPlane()}
	tasks := []task{
		{topology.Toxiproxy, nil, environment(c.startToxiproxy)},
		{taskEdges, []string{topology.Toxiproxy}, environment(c.openWitnessEdges)},
	}
	for _, name := range t.UpstreamNames() {
		tasks = append(tasks, task{name, first, environment(func(ctx context.Context) error { return c.startUpstream(ctx, name) })})
	}
	for _, name := range t.StoreNames() {
		front := topology.FrontOf(name)
		tasks = append(tasks,
			task{name, nil, environment(func(ctx context.Context) error { return c.startStore(ctx, name) })},
			task{front, first, environment(func(ctx context.Context) error { return c.startFront(ctx, name) })},
			task{taskBucket(name), []string{name}, environment(func(ctx context.Context) error { return c.openStore(ctx, name) })})
	}
	if t.Postgres {
		tasks = append(tasks,
			task{topology.Database, nil, environment(c.startDatabase)},
			task{taskDatabaseEdge, []string{topology.Toxiproxy, topology.Database}, environment(c.openDatabaseEdge)})
	}
	if c.injects(fault.ControlPlanes) {
		tasks = append(tasks, task{impostorName, first, environment(func(ctx context.Context) error { _, err := c.impostor(ctx); return err })})
	}
	for _, n := range t.Nodes {
		tasks = append(tasks, c.nodeTask(n))
	}
	return tasks
}

// nodeTask is the start of a gateway node.
func (c *Cluster) nodeTask(n topology.Node) task {
	var after []string
	for _, edge := range c.topology.Edges(n) {
		after = append(after, taskEdges)
		switch {
		case edge.ToDatabase():
			after = append(after, taskDatabaseEdge)
		case c.topology.ToStore(edge):
			after = append(after, taskBucket(edge.To))
			if n.StoreTLS {
				after = append(after, topology.FrontOf(edge.To)) // which opens an endpoint for it
			}
		default:
			after = append(after, edge.To)
		}
	}
	return task{n.Name, after, func(ctx context.Context) error { return c.addNode(ctx, n, nil) }}
}

// environment makes the failure of a task the environment's.
func environment(do func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		if err := do(ctx); err != nil {
			return fmt.Errorf("%w: %w", ErrEnvironment, err)
		}
		return nil
	}
}

// reserveAll gives every part its place, side by side: each must know where the
// others are before it starts.
func (c *Cluster) reserveAll(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	reserve := func(name, program string, ports ...string) {
		group.Go(func() error { return c.reserve(ctx, name, program, ports...) })
	}
	reserve(topology.Toxiproxy, "toxiproxy", portAPI)
	for _, name := range c.topology.UpstreamNames() {
		reserve(name, "upstream", portHTTP)
	}
	for _, name := range c.topology.StoreNames() {
		reserve(name, "store", portS3)
		reserve(topology.FrontOf(name), "storefront", portS3, portEvents)
	}
	for _, n := range c.topology.Nodes {
		reserve(n.Name, "gateway", gatewayPorts(n)...)
	}
	return group.Wait()
}

// reserve gives a part its place, unless it has one.
func (c *Cluster) reserve(ctx context.Context, name, program string, ports ...string) error {
	if c.has.site(name) != nil {
		return nil
	}
	p, ok := c.programs[program]
	if !ok {
		return fmt.Errorf("no program for %s", program)
	}
	site, err := c.engine.Reserve(ctx, name, p, ports...)
	if err != nil {
		return err
	}
	c.has.addSite(site)
	return nil
}

// start starts a part of the environment and waits until it answers at a path of
// one of its ports.
func (c *Cluster) start(ctx context.Context, name string, process engine.Process, port, health string) error {
	node, err := c.startProcess(ctx, c.has.site(name), process, nil)
	if node != nil {
		c.has.addNode(node)
	}
	if err != nil {
		return fmt.Errorf("start %s: %w", name, err)
	}
	return c.awaitAnswer(ctx, node, port, health)
}

func (c *Cluster) startUpstream(ctx context.Context, name string) error {
	site := c.has.site(name)
	if err := c.start(ctx, name, engine.Process{Args: []string{"--listen", site.Listen(portHTTP)}}, portHTTP, "/.health"); err != nil {
		return err
	}
	endpoint, err := c.trafficTo(ctx, name, portHTTP)
	if err != nil {
		return err
	}
	c.background(func(ctx context.Context) { traffic.Control{Upstream: name, Endpoint: endpoint}.Run(ctx, c.rec) })
	return nil
}

func (c *Cluster) startToxiproxy(ctx context.Context) error {
	site := c.has.site(topology.Toxiproxy)
	if err := c.start(ctx, site.Name(), engine.Process{Args: []string{"--listen", site.Listen(portAPI)}}, portAPI, "/version"); err != nil {
		return err
	}
	api, err := c.endpoint(ctx, topology.Toxiproxy, portAPI)
	if err != nil {
		return err
	}
	c.links = fault.NewEdges(api, c.rec)
	c.background(c.links.Poll)
	return nil
}

// openWitnessEdges opens the harness's own edge to each control plane, which is
// never cut.
func (c *Cluster) openWitnessEdges(ctx context.Context) error {
	for _, cp := range c.topology.ControlPlanes() {
		if _, err := c.openEdge(ctx, topology.Edge{From: topology.Witness, To: cp.Name}, c.has.site(cp.Name).Peer(portCluster)); err != nil {
			return err
		}
	}
	return nil
}

func (c *Cluster) startFront(ctx context.Context, storeName string) error {
	front := topology.FrontOf(storeName)
	site := c.has.site(front)
	err := c.start(ctx, front, engine.Process{Args: []string{
		"--listen", site.Listen(portS3), "--upstream", c.has.site(storeName).Peer(portS3), "--events", site.Listen(portEvents),
	}}, portEvents, "/health")
	if err != nil {
		return err
	}
	events, err := c.endpoint(ctx, front, portEvents)
	if err != nil {
		return err
	}
	c.background(func(ctx context.Context) { c.followStore(ctx, events) })
	return nil
}

func (c *Cluster) startStore(ctx context.Context, name string) error {
	site := c.has.site(name)
	if c.kind == MinIO {
		return c.start(ctx, name, engine.Process{
			Args: []string{"server", "--address", site.Listen(portS3), site.Dir() + "/objects"},
			Env: map[string]string{
				"MINIO_ROOT_USER": c.root.user, "MINIO_ROOT_PASSWORD": c.root.password,
				"MINIO_BROWSER": "off", "MINIO_UPDATE": "off", "HOME": site.Dir(),
				// It collects garbage for a sixth of its start, which data planes wait for.
				"GOGC": "off", "GOMEMLIMIT": "256MiB",
				// It encrypts nothing without a key to do so by.
				"MINIO_KMS_SECRET_KEY": "blackout:" + c.root.encryption,
			},
		}, portS3, store.MinIOHealth)
	}
	return c.start(ctx, name, engine.Process{
		Args: []string{"--listen", site.Listen(portS3), "--dir", site.Dir() + "/objects"},
		Env:  map[string]string{"STORE_ROOT_USER": c.root.user, "STORE_ROOT_PASSWORD": c.root.password},
	}, portS3, "/.health")
}

// openStore makes the harness's client of a store, and the bucket.
func (c *Cluster) openStore(ctx context.Context, name string) error {
	address, err := c.endpoint(ctx, name, portS3)
	if err != nil {
		return err
	}
	s, err := c.storeAt(address)
	if err != nil {
		return err
	}
	c.mu.Lock()
	c.stores[name] = s
	c.mu.Unlock()
	// A store that reports itself healthy may still be setting up its own state.
	err = await(ctx, bringUpTimeout, "bucket "+bucket+" is made", func(ctx context.Context) error {
		return s.CreateBucket(ctx, bucket)
	})
	if err == nil {
		c.background(func(ctx context.Context) { c.pollStore(ctx, name) })
	}
	return err
}

// store is the harness's client of a store, as its administrator.
func (c *Cluster) store(name string) store.Store {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stores[name]
}

// firstStore is the harness's client of the store that the backup lives in.
func (c *Cluster) firstStore() store.Store { return c.store(c.topology.StoreNames()[0]) }

// storeAt is a store as its administrator reaches it at an address.
func (c *Cluster) storeAt(address string) (store.Store, error) {
	if c.kind == MinIO {
		return store.NewMinIO(address, c.root.user, c.root.password)
	}
	return store.NewEmbedded(address, c.root.user, c.root.password)
}
