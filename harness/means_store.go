// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"blackout/fixtures"
	"blackout/harness/fault"
	"blackout/harness/store"
	"blackout/harness/topology"
	"blackout/internal/s3front"
)

// otherVersion is a version of the gateway that none of the nodes have.
const otherVersion = "3.8.0"

// staleness is how much older a stale object is than the one in the bucket.
const staleness = time.Hour

// storeMeans stages a fault on a node's requests, at the front before its store.
func (c *Cluster) storeMeans(ctx context.Context, spec fault.Spec) (fault.Means, error) {
	account, ok := c.account(spec.Node)
	if !ok {
		return nil, fmt.Errorf("%s: %s has no account of the store", spec.Kind, spec.Node)
	}
	at := c.topology.StoreEdge(spec.Node).To
	front, err := c.front(ctx, at)
	if err != nil {
		return nil, err
	}
	node, err1 := c.frontReader(ctx, at, account.AccessKey)
	control, err2 := c.frontReader(ctx, at, "")
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	with := fault.Storage{
		Front: front, Account: account.AccessKey, Key: snapshotKey(),
		Node:    func(ctx context.Context) store.Answer { return node.Get(ctx, bucket, snapshotKey()) },
		Control: func(ctx context.Context) store.Answer { return control.Get(ctx, bucket, snapshotKey()) },
		List:    func(ctx context.Context) ([]string, error) { return node.List(ctx, bucket, prefix+"/") },
	}
	if slices.Contains(made, spec.Kind) {
		if err := c.addObjects(ctx, at, spec, &with); err != nil {
			return nil, err
		}
	}
	return fault.NewStore(spec, with)
}

// made are the kinds that show an object which is found or made when they are staged.
var made = []fault.Kind{fault.StoreStale, fault.StoreOtherVersion, fault.StoreAltered, fault.StoreBare, fault.StoreForeign, fault.StoreBomb}

// addObjects finds what a stale store shows, and makes what the others show. A stale store has a state that the snapshot was once in, whole
// with its metadata; where none of the generation was seen, one is made.
func (c *Cluster) addObjects(ctx context.Context, at string, spec fault.Spec, with *fault.Storage) error {
	now, err := c.store(at).ReadObject(ctx, bucket, snapshotKey())
	if err != nil {
		return fmt.Errorf("%w: %w", ErrEnvironment, err)
	}
	if spec.Kind == fault.StoreOtherVersion {
		key := prefix + "/" + otherVersion + "/config.json"
		with.Other = &s3front.Object{Key: key, Body: now.Body, ETag: "other", Modified: now.Modified}
		return nil
	}
	if spec.Kind != fault.StoreStale {
		body, err := bogus(spec, now.Body)
		if err != nil {
			return fmt.Errorf("make what %s gives: %w", spec.Kind, err)
		}
		with.Bogus = &s3front.Object{Body: body, ETag: string(spec.Kind), Modified: now.Modified}
		if spec.Kind == fault.StoreAltered {
			with.Bogus.ETag, with.Bogus.Metadata = now.ETag, now.Metadata // what the exporter noted is about what it wrote
		}
		return nil
	}
	if with.Older = c.snapshots.older(at, spec.Generation); with.Older != nil || spec.Generation == 0 {
		return nil
	}
	body, err := fixtures.TableAtGeneration(now.Body, spec.Generation)
	if err != nil {
		return fmt.Errorf("make an older snapshot: %w", err)
	}
	with.Older = &s3front.Object{Body: body, ETag: "older", Modified: now.Modified.Add(-staleness)}
	return nil
}

// bogus is what a kind gives in a snapshot's place.
func bogus(spec fault.Spec, snapshot []byte) ([]byte, error) {
	switch spec.Kind {
	case fault.StoreAltered:
		return fixtures.Altered(snapshot, spec.Seed)
	case fault.StoreForeign:
		return fixtures.TableOfFormat(snapshot, "9.0")
	case fault.StoreBomb:
		return fixtures.Bomb(snapshot, spec.Bytes)
	}
	return []byte("{}"), nil
}

// account is a node's credential of its store.
func (c *Cluster) account(node string) (store.Account, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a, ok := c.accounts[node]
	return a, ok
}

// front drives the front before a store.
func (c *Cluster) front(ctx context.Context, storeName string) (*s3front.Client, error) {
	events, err := c.endpoint(ctx, topology.FrontOf(storeName), portEvents)
	if err != nil {
		return nil, err
	}
	return s3front.NewClient(events), nil
}

// portTLS is the port at a store's front on which a node, and nobody else, reaches
// the store over TLS.
func portTLS(node string) string { return "tls " + node }

// openTLS opens a node's own TLS endpoint at its store's front, with a certificate
// for the host that the node dials, and returns where it listens for peers.
func (c *Cluster) openTLS(ctx context.Context, node, storeName, host string) (peer string, err error) {
	site := c.has.site(topology.FrontOf(storeName))
	if err := site.AddPort(portTLS(node)); err != nil {
		return "", err
	}
	certificate, err := c.authority.Server(host)
	if err != nil {
		return "", err
	}
	front, err := c.front(ctx, storeName)
	if err != nil {
		return "", err
	}
	return site.Peer(portTLS(node)), front.Open(ctx, portTLS(node), s3front.Endpoint{
		Listen: site.Listen(portTLS(node)), Certificate: chain(certificate),
	})
}

func chain(id fixtures.Identity) s3front.Certificate {
	return s3front.Certificate{Chain: string(id.Certificate), Key: string(id.Key)}
}

// stranger is a host that no node dials.
const stranger = "elsewhere.invalid"

// untrusted is a certificate that a node must not trust its store by.
func (c *Cluster) untrusted(kind fault.Kind, host string) (fixtures.Identity, error) {
	if kind == fault.StoreOtherHost {
		return c.authority.Server(stranger)
	}
	unknown, err := fixtures.NewAuthority("unknown authority")
	if err != nil {
		return fixtures.Identity{}, err
	}
	return unknown.Server(host)
}

// storeTLSMeans lets a node's TLS endpoint show a certificate that the node must not
// trust.
func (c *Cluster) storeTLSMeans(ctx context.Context, spec fault.Spec) (fault.Means, error) {
	n, _ := c.topology.Node(spec.Node)
	if !n.StoreTLS {
		return nil, fmt.Errorf("%s: %s does not reach its store over TLS: set store_tls in its topology", spec.Kind, spec.Node)
	}
	edge := c.topology.StoreEdge(spec.Node)
	shown, err := c.untrusted(spec.Kind, c.edgeHost(edge))
	if err != nil {
		return nil, err
	}
	front, err := c.front(ctx, edge.To)
	if err != nil {
		return nil, err
	}
	return fault.NewStoreTLS(spec, fault.StorageTLS{
		Front: front, Endpoint: portTLS(spec.Node), Untrusted: chain(shown),
		Node: func(ctx context.Context) error {
			return c.links.Probe(ctx, edge, func(ctx context.Context) error {
				return briefly(ctx, func(ctx context.Context) error { return c.probeStoreEdge(ctx, edge) })
			})
		},
		Control: func(ctx context.Context) error {
			return briefly(ctx, func(ctx context.Context) error { return c.probeFront(ctx, edge.To) })
		},
	}), nil
}

// edgeHost is the name by which a node dials an edge.
func (c *Cluster) edgeHost(edge topology.Edge) string {
	host, _, err := net.SplitHostPort(c.has.site(topology.Toxiproxy).Peer(edge.String()))
	if err != nil {
		return topology.Toxiproxy
	}
	return host
}

// frontReader reads through the front before a store, as the administrator, whose
// requests are the witness's; where as is not empty, as that access key would be
// answered.
func (c *Cluster) frontReader(ctx context.Context, storeName, as string) (*store.Reader, error) {
	address, err := c.endpoint(ctx, topology.FrontOf(storeName), portS3)
	if err != nil {
		return nil, err
	}
	return c.rootReader(store.Way{Address: address}, as)
}

// edgeReader reads through a node's edge to its store, as the administrator, and
// over TLS if the node does, trusting whom the node trusts.
func (c *Cluster) edgeReader(ctx context.Context, edge topology.Edge) (*store.Reader, error) {
	address, err := c.endpoint(ctx, topology.Toxiproxy, edge.String())
	if err != nil {
		return nil, err
	}
	by := store.Way{Address: address}
	if n, _ := c.topology.Node(edge.From); n.StoreTLS {
		by.TLS = &store.TLS{Host: c.edgeHost(edge), Authority: c.authority.Certificate}
	}
	return c.rootReader(by, "")
}

func (c *Cluster) rootReader(by store.Way, as string) (*store.Reader, error) {
	return store.NewReader(by, store.Account{AccessKey: c.root.user, SecretKey: c.root.password}, as)
}

// probeStoreEdge reads the snapshot whole through a node's edge.
func (c *Cluster) probeStoreEdge(ctx context.Context, edge topology.Edge) error {
	reader, err := c.edgeReader(ctx, edge)
	if err != nil {
		return err
	}
	return readSnapshot(ctx, reader)
}

// probeFront reads the snapshot whole through the front before a store.
func (c *Cluster) probeFront(ctx context.Context, storeName string) error {
	reader, err := c.frontReader(ctx, storeName, "")
	if err != nil {
		return err
	}
	return readSnapshot(ctx, reader)
}

func readSnapshot(ctx context.Context, reader *store.Reader) error {
	return reader.Get(ctx, bucket, snapshotKey()).Err
}
