// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"time"

	"blackout/harness/engine"
	"blackout/harness/fault"
	"blackout/harness/history"
	"blackout/harness/topology"
)

// Means is how a fault is staged in this cluster, for actions that lead a fault by
// themselves. The error wraps fault.ErrCannotStage where this engine cannot.
func (c *Cluster) Means(ctx context.Context, spec fault.Spec) (fault.Means, error) {
	if err := spec.Validate(); err != nil {
		return nil, err
	}
	switch spec.Kind.Family() {
	case fault.Links:
		return c.linkMeans(ctx, spec)
	case fault.Nodes:
		return c.nodeMeans(spec)
	case fault.Disks:
		return c.diskMeans(spec)
	case fault.Stores:
		return c.storeMeans(ctx, spec)
	case fault.Identities:
		return c.identityMeans(ctx, spec)
	case fault.ControlPlanes:
		return c.planeMeans(ctx, spec)
	}
	return nil, fmt.Errorf("%s: %w", spec, fault.ErrCannotStage)
}

func (c *Cluster) linkMeans(ctx context.Context, spec fault.Spec) (fault.Means, error) {
	if spec.Edge.ToDatabase() {
		if err := c.mayCutDatabase(spec.Edge); err != nil {
			return nil, err
		}
	}
	switch spec.Kind {
	case fault.DNSFailure:
		return c.resolverMeans(spec)
	case fault.Drop:
		dropper, err := c.dropper(ctx)
		if err != nil {
			return nil, err
		}
		return fault.NewDrop(c.links, spec, c.probes(spec.Edge), dropper), nil
	}
	return fault.NewLink(c.links, spec, c.probes(spec.Edge)), nil
}

func (c *Cluster) resolverMeans(spec fault.Spec) (fault.Means, error) {
	node, err := c.startedNode(spec.Edge.From)
	if err != nil {
		return nil, err
	}
	other, err := c.untouchedNode(spec.Edge.From)
	if err != nil {
		return nil, err
	}
	peer, _, err := net.SplitHostPort(c.has.site(topology.Toxiproxy).Peer(spec.Edge.String()))
	if err != nil {
		return nil, fmt.Errorf("name of the peer of %s: %w", spec.Edge, err)
	}
	return fault.NewDNSFailure(fault.Resolver{Engine: c.engine, Node: node, Untouched: other, Peer: peer}), nil
}

func (c *Cluster) nodeMeans(spec fault.Spec) (fault.Means, error) {
	node, err := c.startedNode(spec.Node)
	if err != nil {
		return nil, err
	}
	control, err := c.untouchedAnswers(spec.Node)
	if err != nil {
		return nil, err
	}
	return fault.NewNode(fault.Target{
		Node:    node,
		Answers: func(ctx context.Context) error { return c.answers(ctx, spec.Node) },
		Control: control,
		Ending: func(why string) {
			c.rec.Event(history.Event{Kind: history.NodeStop, Node: spec.Node, Text: why})
			c.has.markStopped(spec.Node)
		},
		Starting: func() {
			c.rec.Event(history.Event{Kind: history.NodeStart, Node: spec.Node})
			c.has.markStarted(spec.Node) // a watcher's first sight of the new life is then dated in it
		},
	}, spec), nil
}

func (c *Cluster) diskMeans(spec fault.Spec) (fault.Means, error) {
	control, err := c.untouchedAnswers(spec.Node)
	if err != nil {
		return nil, err
	}
	disk, _ := c.has.disk(spec.Node) // without one, the fault says that it cannot be staged
	return fault.NewDisk(disk, spec, control), nil
}

// startedNode is a node that was started.
func (c *Cluster) startedNode(name string) (engine.Node, error) {
	node := c.has.node(name)
	if node == nil {
		return nil, fmt.Errorf("node %s was never started", name)
	}
	return node, nil
}

// untouchedNode is a gateway node other than the one of a name, which no fault
// acts on. Where there is none, one will do of which only a link is about to be
// cut: it answers all the same.
func (c *Cluster) untouchedNode(name string) (engine.Node, error) {
	for _, links := range []bool{true, false} {
		touched := c.touched(links)
		touched[name] = true
		for _, n := range c.topology.Nodes {
			if node := c.has.node(n.Name); node != nil && !touched[n.Name] && !c.has.wasStopped(n.Name) {
				return node, nil
			}
		}
	}
	return nil, errors.New("no node is untouched by faults: a witness needs one to compare with")
}

// touched are the nodes that faults act on, or are about to; of the latter those of
// links count only if links is set.
func (c *Cluster) touched(links bool) map[string]bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	specs := slices.DeleteFunc(slices.Clone(c.intended), func(s fault.Spec) bool { return !links && s.Node == "" })
	for _, f := range c.faults {
		if f.InForce() {
			specs = append(specs, f.Spec())
		}
	}
	touched := make(map[string]bool)
	for _, s := range specs {
		touched[s.Node], touched[s.Edge.From] = true, true
	}
	return touched
}

// untouchedAnswers asks an untouched node.
func (c *Cluster) untouchedAnswers(name string) (func(context.Context) error, error) {
	other, err := c.untouchedNode(name)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) error { return c.answers(ctx, other.Name()) }, nil
}

// answerTimeout bounds one question to a node's Status API.
const answerTimeout = 2 * time.Second

// answers asks a node's Status API for a sign of life, on a fresh connection.
func (c *Cluster) answers(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	address, err := c.endpoint(ctx, name, portStatus)
	if err != nil {
		return err
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	return get(ctx, client, "http://"+address+"/status")
}
