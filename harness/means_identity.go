// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/google/uuid"

	"blackout/fixtures"
	"blackout/harness/engine"
	"blackout/harness/fault"
	"blackout/harness/topology"
	"blackout/internal/impostor"
	"blackout/internal/outlet"
)

// impostorName is the site of the scripted control planes.
const impostorName = "impostor"

// askWait is how long a witness listens to a silent control plane: longer than a
// good one takes for its first push.
const askWait = 2 * time.Second

func (c *Cluster) identityMeans(ctx context.Context, spec fault.Spec) (fault.Means, error) {
	switch spec.Kind {
	case fault.CredentialRevoked:
		return c.storeMeans(ctx, spec)
	case fault.SecretMissing:
		return fault.NewSecretMissing(spec, c), nil
	case fault.StoreUnknownCA, fault.StoreOtherHost:
		return c.storeTLSMeans(ctx, spec)
	}
	cp := c.topology.CPEdge(spec.Node).To
	return fault.NewCertificate(spec, fault.Certificates{
		Nodes: c, ControlPlane: cp, Ask: c.asking(),
		Beside: func(ctx context.Context) (string, error) {
			return c.endpoint(ctx, topology.Toxiproxy, topology.Edge{From: topology.Witness, To: cp}.String())
		},
	}), nil
}

// planeMeans stages a control plane's fault: the node's edge is made to lead to a
// scripted one.
func (c *Cluster) planeMeans(ctx context.Context, spec fault.Spec) (fault.Means, error) {
	client, err := c.impostor(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrEnvironment, err)
	}
	site := c.has.site(impostorName)
	port := spec.Edge.String()
	if site.Listen(port) == "" {
		if err := site.AddPort(port); err != nil {
			return nil, err
		}
	}
	through := func(edge topology.Edge) func(context.Context) (string, error) {
		return func(ctx context.Context) (string, error) { return c.endpoint(ctx, topology.Toxiproxy, edge.String()) }
	}
	return fault.NewControlPlane(c.links, spec, fault.ControlPlane{
		Impostor: client, Listen: site.Listen(port), Upstream: site.Peer(port), Identity: c.Identity(spec.Edge.To),
		Through: through(spec.Edge), Beside: through(topology.Edge{From: topology.Witness, To: spec.Edge.To}),
		Ask: c.asking(),
	}), nil
}

// asking is how the harness asks a control plane for its configuration: as a data
// plane of its own, which can run whatever plugin it configures.
func (c *Cluster) asking() outlet.Options {
	return outlet.Options{NodeID: c.witnessID, Hostname: topology.Witness, Version: version, Plugins: fixtures.Plugins(), Wait: askWait}
}

func newWitnessID() string { return uuid.NewString() }

// impostor drives the scripted control planes, started when first needed.
func (c *Cluster) impostor(ctx context.Context) (*impostor.Client, error) {
	c.starting.Lock()
	defer c.starting.Unlock()
	if c.has.node(impostorName) == nil {
		if err := c.reserve(ctx, impostorName, "impostor", portAPI); err != nil {
			return nil, err
		}
		args := []string{"--listen", c.has.site(impostorName).Listen(portAPI)}
		if err := c.start(ctx, impostorName, engine.Process{Args: args}, portAPI, "/health"); err != nil {
			return nil, err
		}
	}
	address, err := c.endpoint(ctx, impostorName, portAPI)
	if err != nil {
		return nil, err
	}
	return impostor.NewClient(address), nil
}

// Identity implements fault.IdentityHolder.
func (c *Cluster) Identity(node string) fixtures.Identity {
	c.mu.Lock()
	defer c.mu.Unlock()
	if id, ok := c.identities[node]; ok {
		return id
	}
	return c.identity
}

// Identify implements fault.IdentityHolder.
func (c *Cluster) Identify(ctx context.Context, node string, id fixtures.Identity) error {
	c.rec.Redact(string(id.Key))
	c.mu.Lock()
	c.identities[node] = id
	c.mu.Unlock()
	if c.has.node(node) == nil {
		return nil
	}
	process := c.has.process(node)
	process.Env = maps.Clone(process.Env)
	setIdentity(process.Env, id)
	if err := c.stopNode(ctx, node, "it is started again with another cluster certificate"); err != nil {
		return err
	}
	err := c.startGateway(ctx, node, process)
	if errors.Is(err, engine.ErrEnded) {
		c.progress("  %v", err) // what it does with a bad certificate is its own affair
		return nil
	}
	return err
}

func setIdentity(env map[string]string, id fixtures.Identity) {
	env["KONG_CLUSTER_CERT"] = string(id.Certificate)
	env["KONG_CLUSTER_CERT_KEY"] = string(id.Key)
}
