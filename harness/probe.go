// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"blackout/harness/fault"
	"blackout/harness/topology"
)

// probeTimeout bounds one probe of a witness, unless the fault itself makes it slow.
const probeTimeout = 2 * time.Second

// briefly gives a probe no more time than one needs where nothing is slow.
func briefly(ctx context.Context, probe func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	return probe(ctx)
}

// probes are the application-level checks of an edge. Their time is the witness's
// to bound.
func (c *Cluster) probes(edge topology.Edge) fault.Probes {
	relay, _ := c.engine.(interface{ Routable() bool }) // an engine without containers has no relay
	probes := fault.Probes{
		Limit:   probeTimeout,
		Relayed: relay != nil && !relay.Routable(),
		Dial: func(ctx context.Context) error {
			conn, err := c.dialEdge(ctx, edge)
			if err != nil {
				return err
			}
			return conn.Close()
		},
	}
	if edge.ToDatabase() {
		return c.databaseProbes(edge, probes)
	}
	if c.topology.ToStore(edge) {
		probes.Cut = func(ctx context.Context) error { return c.probeStoreEdge(ctx, edge) }
		probes.Control = func(ctx context.Context) error { return c.probeFront(ctx, edge.To) }
		probes.Hold = func(ctx context.Context) (fault.Held, error) { return c.holdStoreEdge(ctx, edge) }
		return probes
	}
	untouched := topology.Edge{From: topology.Witness, To: edge.To}
	probes.Cut = func(ctx context.Context) error { return c.probeControlPlane(ctx, edge) }
	probes.Control = func(ctx context.Context) error { return c.probeControlPlane(ctx, untouched) }
	probes.Hold = func(ctx context.Context) (fault.Held, error) { return c.holdControlPlane(ctx, edge) }
	return probes
}

// dialEdge opens a connection to an edge.
func (c *Cluster) dialEdge(ctx context.Context, edge topology.Edge) (net.Conn, error) {
	address, err := c.endpoint(ctx, topology.Toxiproxy, edge.String())
	if err != nil {
		return nil, err
	}
	return new(net.Dialer).DialContext(ctx, "tcp", address)
}

// dialControlPlane completes a handshake with a control plane through an edge.
func (c *Cluster) dialControlPlane(ctx context.Context, edge topology.Edge) (net.Conn, error) {
	address, err := c.endpoint(ctx, topology.Toxiproxy, edge.String())
	if err != nil {
		return nil, err
	}
	config, err := c.Identity(edge.To).ClientTLS()
	if err != nil {
		return nil, err
	}
	dialer := tls.Dialer{NetDialer: new(net.Dialer), Config: config}
	return dialer.DialContext(ctx, "tcp", address)
}

// outletPath is where a control plane takes data planes' connections.
const outletPath = "/v1/outlet"

// probeControlPlane asks the cluster listener for its outlet without saying who
// asks. Any HTTP answer shows that a control plane is at the other end of the
// edge; nothing is changed by it.
func (c *Cluster) probeControlPlane(ctx context.Context, edge topology.Edge) error {
	conn, err := c.dialControlPlane(ctx, edge)
	if err != nil {
		return err
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return err
		}
	}
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", outletPath, conn.RemoteAddr()); err != nil {
		return err
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return fmt.Errorf("no HTTP answer: %w", err)
	}
	return res.Body.Close()
}

// holdControlPlane keeps a connection to a control plane. Its handshake has shown
// that the control plane answers; a question is left for later, since some close
// the connection after one.
func (c *Cluster) holdControlPlane(ctx context.Context, edge topology.Edge) (fault.Held, error) {
	conn, err := c.dialControlPlane(ctx, edge)
	if err != nil {
		return nil, err
	}
	return fault.HoldHTTP(conn, outletPath), nil
}

// holdStoreEdge keeps a connection to a store on which it has answered. What it is
// asked for needs no credential, and is refused.
func (c *Cluster) holdStoreEdge(ctx context.Context, edge topology.Edge) (fault.Held, error) {
	conn, err := c.dialEdge(ctx, edge)
	if err != nil {
		return nil, err
	}
	if n, _ := c.topology.Node(edge.From); n.StoreTLS {
		secure := tls.Client(conn, c.authority.ClientTLS(c.edgeHost(edge)))
		if err := secure.HandshakeContext(ctx); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
		conn = secure
	}
	held := fault.HoldHTTP(conn, "/")
	if err := held.Ask(ctx); err != nil {
		return nil, errors.Join(err, held.Close())
	}
	return held, nil
}
