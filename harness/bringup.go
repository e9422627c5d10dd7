// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"blackout/harness/engine"
	"blackout/harness/fault"
	"blackout/harness/store"
	"blackout/harness/topology"
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

// rootAccount is the store's administrator, made up for one run.
type rootAccount struct{ user, password string }

func newRootAccount() (rootAccount, error) {
	return rootAccount{user: "root-" + rand.Text()[:8], password: rand.Text()}, nil
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
	if err := c.startEnvironment(ctx); err != nil {
		return err
	}
	for _, n := range c.topology.Nodes {
		if n.Role == topology.ControlPlane {
			if err := c.startControlPlane(ctx, n); err != nil {
				return err
			}
		}
	}
	if _, err := c.openEdge(c.topology.CPEdge(topology.Witness), c.cpPeer()); err != nil {
		return fmt.Errorf("%w: %w", ErrEnvironment, err)
	}
	c.background(c.links.Poll)
	for _, n := range c.topology.DataPlanes() {
		if err := c.addDataPlane(ctx, n, nil); errors.Is(err, engine.ErrEnded) {
			return fmt.Errorf("%w: %w", ErrUnsteady, err)
		} else if err != nil {
			return err
		}
	}
	return nil
}

// startEnvironment starts what is neither control plane nor data plane.
func (c *Cluster) startEnvironment(ctx context.Context) error {
	parts, err := c.reserveEnvironment(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrEnvironment, err)
	}
	var mu sync.Mutex
	group, groupCtx := errgroup.WithContext(ctx)
	for _, p := range parts {
		group.Go(func() error {
			node, err := c.engine.Start(groupCtx, p.site, p.process)
			mu.Lock()
			if node != nil {
				c.nodes[p.site.Name()] = node
			}
			mu.Unlock()
			if err != nil {
				return fmt.Errorf("start %s: %w", p.site.Name(), err)
			}
			return awaitAnswer(groupCtx, node, p.port, p.health)
		})
	}
	if err := group.Wait(); err != nil {
		return fmt.Errorf("%w: %w", ErrEnvironment, err)
	}
	return c.openEnvironment(ctx)
}

// part is one process of the environment and how to see that it answers.
type part struct {
	site    engine.Site
	process engine.Process
	port    string
	health  string
}

func (c *Cluster) reserveEnvironment(ctx context.Context) ([]part, error) {
	reserve := func(name, program string, ports ...string) (engine.Site, error) {
		p, ok := c.programs[program]
		if !ok {
			return nil, fmt.Errorf("no program for %s", program)
		}
		site, err := c.engine.Reserve(ctx, name, p, ports...)
		if err == nil {
			c.sites[name] = site
		}
		return site, err
	}
	objects, err1 := reserve(topology.Store, "store", portS3)
	front, err2 := reserve(topology.StoreFront, "storefront", portS3, portEvents)
	proxy, err3 := reserve(topology.Toxiproxy, "toxiproxy", portAPI)
	upstream, err4 := reserve(topology.Upstream, "upstream", portHTTP)
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return nil, err
	}
	return []part{
		c.storePart(objects),
		{front, engine.Process{Args: []string{"--listen", front.Listen(portS3), "--upstream", objects.Peer(portS3), "--events", front.Listen(portEvents)}}, portEvents, "/health"},
		{proxy, engine.Process{Args: []string{"--listen", proxy.Listen(portAPI)}}, portAPI, "/version"},
		{upstream, engine.Process{Args: []string{"--listen", upstream.Listen(portHTTP)}}, portHTTP, "/.health"},
	}, nil
}

func (c *Cluster) storePart(site engine.Site) part {
	if c.kind == MinIO {
		return part{site, engine.Process{
			Args: []string{"server", "--address", site.Listen(portS3), site.Dir() + "/objects"},
			Env: map[string]string{
				"MINIO_ROOT_USER": c.root.user, "MINIO_ROOT_PASSWORD": c.root.password,
				"MINIO_BROWSER": "off", "MINIO_UPDATE": "off", "HOME": site.Dir(),
			},
		}, portS3, "/minio/health/ready"}
	}
	return part{site, engine.Process{
		Args: []string{"--listen", site.Listen(portS3), "--dir", site.Dir() + "/objects"},
		Env:  map[string]string{"STORE_ROOT_USER": c.root.user, "STORE_ROOT_PASSWORD": c.root.password},
	}, portS3, "/.health"}
}

// openEnvironment makes the clients of what was started, and the bucket.
func (c *Cluster) openEnvironment(ctx context.Context) error {
	api, err := c.endpoint(ctx, topology.Toxiproxy, portAPI)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrEnvironment, err)
	}
	c.links = fault.NewLinks(api, c.rec)
	address, err := c.endpoint(ctx, topology.Store, portS3)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrEnvironment, err)
	}
	if c.store, err = c.storeAt(address); err != nil {
		return fmt.Errorf("%w: %w", ErrEnvironment, err)
	}
	// A store that reports itself healthy may still be setting up its own state.
	if err := await(ctx, bringUpTimeout, "bucket "+bucket+" is made", func(ctx context.Context) error {
		return c.store.CreateBucket(ctx, bucket)
	}); err != nil {
		return fmt.Errorf("%w: %w", ErrEnvironment, err)
	}
	events, err := c.endpoint(ctx, topology.StoreFront, portEvents)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrEnvironment, err)
	}
	c.background(func(ctx context.Context) { c.followStore(ctx, events) })
	return nil
}

// storeAt is the store as its administrator reaches it at an address.
func (c *Cluster) storeAt(address string) (store.Store, error) {
	if c.kind == MinIO {
		return store.NewMinIO(address, c.root.user, c.root.password)
	}
	return store.NewEmbedded(address, c.root.user, c.root.password)
}
