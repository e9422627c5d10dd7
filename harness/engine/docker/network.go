// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/containerd/errdefs"
	mobynetwork "github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/network"

	"blackout/harness/engine"
)

// networkTries is how often a subnet is drawn if another network takes it first.
const networkTries = 10

// makeNetwork makes the run's network and finds out whether it can be reached. The
// daemon chooses the subnet, and is then told it: only in a subnet that it was told
// does it give a container the address that is asked for, and any other address is
// free for the next container when a node dies. Who dials it would take the answers
// for the dead node's.
func (e *Engine) makeNetwork(ctx context.Context) error {
	ctx, end, err := e.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	for range networkTries {
		if err = e.tryNetwork(ctx); !errdefs.IsPermissionDenied(err) { // "Pool overlaps with other one"
			break
		}
	}
	if err != nil {
		return fmt.Errorf("make network: %w", err)
	}
	e.routable, err = routable(e.gateways)
	return err
}

// tryNetwork draws a subnet and makes the network in it.
func (e *Engine) tryNetwork(ctx context.Context) error {
	drawn, err := network.New(ctx, network.WithLabels(e.labels("")))
	if err != nil {
		return err
	}
	found, err := e.daemon.NetworkInspect(ctx, drawn.ID, client.NetworkInspectOptions{})
	if err = errors.Join(err, drawn.Remove(ctx)); err != nil {
		return fmt.Errorf("draw a subnet: %w", err)
	}
	ipam := found.Network.IPAM
	made, err := network.New(ctx, network.WithLabels(e.labels("")), network.WithIPAM(&mobynetwork.IPAM{Config: ipam.Config}))
	if err != nil {
		return err
	}
	if e.use(made, ipam.Config); !e.subnet.IsValid() {
		return fmt.Errorf("the docker daemon gave no IPv4 subnet but %v", ipam.Config)
	}
	return nil
}

// use takes a network for the run's.
func (e *Engine) use(made *testcontainers.DockerNetwork, configs []mobynetwork.IPAMConfig) {
	e.network, e.gateways, e.subnet = made, nil, netip.Prefix{}
	for _, c := range configs {
		if c.Gateway.IsValid() {
			e.gateways = append(e.gateways, c.Gateway)
		}
		if c.Subnet.Addr().Is4() && !e.subnet.IsValid() {
			e.subnet = c.Subnet.Masked()
		}
	}
	e.last = e.subnet.Addr()
}

// nextAddress is an address of the run's network that no other site has; mu is held.
// It is a site's for the run.
func (e *Engine) nextAddress() (netip.Addr, error) {
	for next := e.last.Next(); e.subnet.Contains(next.Next()); next = next.Next() { // the last one is for broadcasts
		if e.last = next; !slices.Contains(e.gateways, next) {
			return next, nil
		}
	}
	return netip.Addr{}, fmt.Errorf("the subnet %s has no address left; give the docker daemon larger default-address-pools", e.subnet)
}

// Host is the address of this machine in the run's network, at which containers reach
// what listens there, and the network that they come from. The error wraps
// [engine.ErrUnsupported] where this machine is not in it.
func (e *Engine) Host() (netip.Addr, netip.Prefix, error) {
	i := slices.IndexFunc(e.gateways, netip.Addr.Is4)
	if !e.routable || i < 0 {
		return netip.Addr{}, netip.Prefix{}, fmt.Errorf("%w: containers cannot reach this machine: the network's gateway is none of its addresses", engine.ErrUnsupported)
	}
	return e.gateways[i], e.subnet, nil
}

// routable reports whether containers of a network can be dialled from here on
// their own addresses: the network's gateway is then an address of this machine.
func routable(gateways []netip.Addr) (bool, error) {
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return false, fmt.Errorf("list this machine's addresses: %w", err)
	}
	for _, address := range addresses {
		ip, ok := address.(*net.IPNet)
		if ok && slices.ContainsFunc(gateways, func(g netip.Addr) bool { return g.String() == ip.IP.String() }) {
			return true, nil
		}
	}
	return false, nil
}
