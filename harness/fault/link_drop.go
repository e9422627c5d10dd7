// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"blackout/harness/topology"
)

// Dropper drops the packets of an edge, those of live connections too: a packet
// filter where Toxiproxy runs.
type Dropper interface {
	// Drop begins to drop what is sent to and by the edge's listener.
	Drop(ctx context.Context, edge topology.Edge) error

	// Restore ends it. An edge that was never dropped is fine.
	Restore(ctx context.Context, edge topology.Edge) error

	// Undo says how to restore the edge without this process.
	Undo(edge topology.Edge) []Undo
}

// drop is the means of Drop. Without a dropper, live connections end, and new
// ones meet a listener that the kernel does not let hear them.
type drop struct {
	*link

	dropper Dropper // may be nil
}

// NewDrop returns the means of Drop on an edge that was opened. With a nil dropper
// it is that of [NewLink].
func NewDrop(edges *Edges, spec Spec, probes Probes, dropper Dropper) Means {
	return &drop{newLink(edges, spec, probes), dropper}
}

// Prepare implements [Means].
func (d *drop) Prepare(ctx context.Context) error {
	if d.probes.Dial == nil || d.probes.Relayed {
		return fmt.Errorf("%w: nobody can see whether %s answers a connection attempt", ErrCannotStage, d.spec.Edge)
	}
	if d.dropper == nil {
		err := d.edges.server.canDeafen(ctx)
		if hasStatus(err, http.StatusNotImplemented) || hasStatus(err, http.StatusNotFound) {
			return fmt.Errorf("%w: %w", ErrCannotStage, err)
		}
		if err != nil {
			return err
		}
	}
	if err := d.link.Prepare(ctx); err != nil {
		return err
	}
	if err := d.edges.Probe(ctx, d.spec.Edge, func(ctx context.Context) error { return d.bounded(ctx, d.probes.Dial) }); err != nil {
		return fmt.Errorf("%w: dial %s before the fault: %w", ErrNotWitnessed, d.spec.Edge, err)
	}
	return nil
}

// Undo implements [Means].
func (d *drop) Undo() []Undo {
	undo := d.link.Undo()
	if d.dropper != nil {
		undo = append(undo, d.dropper.Undo(d.spec.Edge)...)
	}
	return undo
}

// Inject implements [Means].
func (d *drop) Inject(ctx context.Context) error {
	if d.dropper != nil {
		return d.dropper.Drop(ctx, d.spec.Edge)
	}
	if err := d.link.Inject(ctx); err != nil { // shuts the edge
		return err
	}
	p, err := d.edges.find(d.spec.Edge)
	if err != nil {
		return err
	}
	return d.edges.server.deafen(ctx, p.Listen)
}

// Look implements [Means]: an attempt is neither refused nor accepted, and none
// reaches the edge.
func (d *drop) Look(ctx context.Context) (string, bool) {
	g, err := d.look(ctx, d.probes.Dial)
	if err != nil {
		return err.Error(), false
	}
	if g.err == nil {
		return fmt.Sprintf("a dial of %s is still answered", d.spec.Edge), false
	}
	seen, ok := d.fails(g, probeUnanswered)
	return fmt.Sprintf("%s; %d attempts reached the edge since", seen, g.moved.Connections), ok && g.moved.Connections == 0
}

// Heal implements [Means].
func (d *drop) Heal(ctx context.Context) error {
	var err error
	if d.dropper != nil {
		err = d.dropper.Restore(ctx, d.spec.Edge)
	}
	return errors.Join(err, d.link.Heal(ctx))
}
