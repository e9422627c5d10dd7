// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"time"

	"blackout/harness/fault"
	"blackout/harness/topology"
)

// probeTimeout bounds one probe of a witness.
const probeTimeout = 2 * time.Second

// probes are the application-level checks of an edge.
func (c *Cluster) probes(edge topology.Edge) fault.Probes {
	if edge.To == topology.Store {
		return fault.Probes{
			Cut: func(ctx context.Context) error { return c.probeStore(ctx, topology.Toxiproxy, edge.String()) },
			Control: func(ctx context.Context) error {
				return c.probeStore(ctx, topology.StoreFront, portS3)
			},
		}
	}
	untouched := c.topology.CPEdge(topology.Witness)
	return fault.Probes{
		Cut:     func(ctx context.Context) error { return c.probeControlPlane(ctx, edge) },
		Control: func(ctx context.Context) error { return c.probeControlPlane(ctx, untouched) },
	}
}

// probeControlPlane asks the cluster listener for its outlet without saying who
// asks. Any HTTP answer shows that a control plane is at the other end of the
// edge; nothing is changed by it.
func (c *Cluster) probeControlPlane(ctx context.Context, edge topology.Edge) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	address, err := c.endpoint(ctx, topology.Toxiproxy, edge.String())
	if err != nil {
		return err
	}
	config, err := c.identity.ClientTLS()
	if err != nil {
		return err
	}
	dialer := tls.Dialer{NetDialer: &net.Dialer{}, Config: config}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(conn, "GET /v1/outlet HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", address); err != nil {
		return err
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return fmt.Errorf("no HTTP answer: %w", err)
	}
	return res.Body.Close()
}

// probeStore reads the snapshot whole through a port of a node.
func (c *Cluster) probeStore(ctx context.Context, node, port string) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	address, err := c.endpoint(ctx, node, port)
	if err != nil {
		return err
	}
	s, err := c.storeAt(address)
	if err != nil {
		return err
	}
	_, err = s.ReadObject(ctx, bucket, snapshotKey())
	return err
}
