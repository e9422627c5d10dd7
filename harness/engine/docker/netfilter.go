// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package docker

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"

	"blackout/harness/engine"
	"blackout/internal/netfault"
)

var _ engine.Netfilter = netfilter{}

// netfilter is a node's network namespace as faults see it.
type netfilter struct{ *helper }

// Netfilter implements [engine.Engine]. It starts a container with
// Options.Netfault in the node's network namespace; one serves a node's life.
func (e *Engine) Netfilter(ctx context.Context, at engine.Node) (engine.Netfilter, error) {
	n, ok := at.(*node)
	if !ok || n.site.engine != e {
		return nil, fmt.Errorf("open the network of %s: the node is not one of this engine", at.Name())
	}
	h, err := n.helper(ctx)
	if err == nil {
		_, err = h.do(ctx, netfault.Request{Do: netfault.Open})
	}
	if err != nil {
		return nil, fmt.Errorf("open the network of %s: %w", n.Name(), err)
	}
	return netfilter{h}, nil
}

// Drop implements [engine.Netfilter].
func (f netfilter) Drop(ctx context.Context, port string) error {
	return f.atPort(ctx, netfault.Drop, port)
}

// Accept implements [engine.Netfilter].
func (f netfilter) Accept(ctx context.Context, port string) error {
	return f.atPort(ctx, netfault.Accept, port)
}

// DropDNS implements [engine.Netfilter].
func (f netfilter) DropDNS(ctx context.Context) error { return f.atPort(ctx, netfault.DropDNS, "") }

// AcceptDNS implements [engine.Netfilter].
func (f netfilter) AcceptDNS(ctx context.Context) error { return f.atPort(ctx, netfault.AcceptDNS, "") }

// atPort does something to a named port, or to none.
func (f netfilter) atPort(ctx context.Context, do netfault.Operation, port string) error {
	number, ok := f.site.number(port)
	if !ok && port != "" {
		return fmt.Errorf("%s at %s: no port %q was reserved", do, f.site.name, port)
	}
	if _, err := f.do(ctx, netfault.Request{Do: do, Port: number}); err != nil {
		return fmt.Errorf("%s at %s %s: %w", do, f.site.name, port, err)
	}
	return nil
}

// Resolve implements [engine.Netfilter].
func (f netfilter) Resolve(ctx context.Context, name string) ([]netip.Addr, error) {
	reply, err := f.do(ctx, netfault.Request{Do: netfault.Resolve, Name: name})
	if reply.Error != "" {
		err = fmt.Errorf("%w: %s", engine.ErrUnresolved, reply.Error)
	}
	if err != nil {
		return nil, fmt.Errorf("resolve %s at %s: %w", name, f.site.name, err)
	}
	return reply.Addresses, nil
}

// Attempts implements [engine.Netfilter]. Those of this machine come from the
// network's gateway.
func (f netfilter) Attempts(ctx context.Context, port string) (int, error) {
	number, ok := f.site.number(port)
	if !ok {
		return 0, fmt.Errorf("attempts at %s: no port %q was reserved", f.site.name, port)
	}
	reply, err := f.do(ctx, netfault.Request{Do: netfault.Attempts})
	if err != nil {
		return 0, fmt.Errorf("attempts at %s %s: %w", f.site.name, port, err)
	}
	var count uint64
	for _, a := range reply.Attempts {
		if a.Port == number && !slices.Contains(f.site.engine.gateways, a.From) {
			count += a.Count
		}
	}
	return int(count), nil
}

// Handle names the helper's container.
func (f netfilter) Handle() engine.Handle {
	return engine.Handle{"engine": f.site.engine.Name(), "container": f.container}
}

// RestoreNetwork lets all packets through again that the netfilter with this
// handle has dropped. One that is gone is no error.
func RestoreNetwork(ctx context.Context, filter engine.Handle) error {
	daemon, err := connect(ctx)
	if err != nil {
		return err
	}
	seconds := 5 // the program takes its rules away on SIGTERM
	_, err = daemon.ContainerStop(ctx, filter["container"], client.ContainerStopOptions{Timeout: &seconds})
	if errdefs.IsNotFound(err) || errdefs.IsConflict(err) { // the latter: it is being removed
		err = nil
	}
	if err := errors.Join(err, daemon.Close()); err != nil {
		return fmt.Errorf("restore network by container %s: %w", filter["container"], err)
	}
	return nil
}
