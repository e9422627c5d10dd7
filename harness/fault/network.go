// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"context"
	"errors"
	"fmt"

	"blackout/harness/engine"
)

// UndoNetwork is the name of the undo that lets a node's packets through again.
// Its arguments are the engine.Handle of a netfilter; the engine that it names has
// the means.
const UndoNetwork = "restore network"

// Resolver is what a failure of name resolution acts on.
type Resolver struct {
	Engine    engine.Engine
	Node      engine.Node
	Untouched engine.Node // asks for the same name
	Peer      string      // the name that is not resolved
}

// dnsFailure stages DNSFailure. The network of a node is opened for each call:
// another life of the node has another one, without the fault.
type dnsFailure struct {
	Resolver
	handle engine.Handle
}

// NewDNSFailure returns the means of a failure of name resolution. A node asks one
// server for all names, so all that it dials anew fails with the peer.
func NewDNSFailure(r Resolver) Means { return &dnsFailure{Resolver: r} }

// Prepare sees that both nodes resolve the name.
func (d *dnsFailure) Prepare(ctx context.Context) error {
	own, err := d.open(ctx, d.Node)
	if err != nil {
		return err
	}
	d.handle = own.Handle()
	for _, node := range []engine.Node{d.Node, d.Untouched} {
		if err := d.resolve(ctx, node); err != nil {
			return fmt.Errorf("%w: even before the fault: %w", ErrNotWitnessed, err)
		}
	}
	return nil
}

func (d *dnsFailure) open(ctx context.Context, node engine.Node) (engine.Netfilter, error) {
	filter, err := d.Engine.Netfilter(ctx, node)
	if errors.Is(err, engine.ErrUnsupported) {
		return nil, fmt.Errorf("%w: %w", ErrCannotStage, err)
	}
	return filter, err
}

// resolve asks for the peer's name as a node does.
func (d *dnsFailure) resolve(ctx context.Context, node engine.Node) error {
	filter, err := d.open(ctx, node)
	if err != nil {
		return err
	}
	_, err = filter.Resolve(ctx, d.Peer)
	return err
}

func (d *dnsFailure) Undo() []Undo { return []Undo{{Do: UndoNetwork, Args: d.handle}} }

func (d *dnsFailure) Inject(ctx context.Context) error {
	filter, err := d.open(ctx, d.Node)
	if err != nil {
		return err
	}
	return filter.DropDNS(ctx)
}

// Look asks for the name at both nodes.
func (d *dnsFailure) Look(ctx context.Context) (string, bool) {
	err := d.resolve(ctx, d.Node)
	switch {
	case err == nil:
		return fmt.Sprintf("%s still resolves %s", d.Node.Name(), d.Peer), false
	case !errors.Is(err, engine.ErrUnresolved):
		return err.Error(), false
	}
	if err := d.resolve(ctx, d.Untouched); err != nil {
		return fmt.Sprintf("an untouched node does not resolve %s either: %v", d.Peer, err), false
	}
	return fmt.Sprintf("%s does not resolve %s (%v), an untouched node does", d.Node.Name(), d.Peer, err), true
}

// Heal lets the questions through. A node that has ended asks none.
func (d *dnsFailure) Heal(ctx context.Context) error {
	filter, err := d.open(ctx, d.Node)
	if errors.Is(err, engine.ErrEnded) {
		return nil
	}
	if err != nil {
		return err
	}
	return filter.AcceptDNS(ctx)
}

func (d *dnsFailure) LookHealed(ctx context.Context) (string, bool) {
	if err := d.resolve(ctx, d.Node); err != nil {
		return err.Error(), false
	}
	return fmt.Sprintf("%s resolves %s again", d.Node.Name(), d.Peer), true
}

// Clean has nothing to remove: the program in the node's network goes with the run.
func (d *dnsFailure) Clean(context.Context) error { return nil }
