// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"blackout/harness/store"
	"blackout/internal/s3front"
)

// Storage is a node's way to its store, as a store's fault is staged on it and
// seen. The answers are those of a store front, which applies the fault.
type Storage struct {
	Front   *s3front.Client
	Account string // the node's access key
	Key     string // of the snapshot

	Node    func(context.Context) store.Answer      // the snapshot, as the node would read it
	Control func(context.Context) store.Answer      // the same, by an account that no fault is about
	List    func(context.Context) ([]string, error) // the keys under the prefix, as the node would list them

	Older *s3front.Object // what StoreStale gives: an earlier state of the snapshot
	Other *s3front.Object // what StoreOtherVersion shows, with its key
	Bogus *s3front.Object // what StoreAltered, StoreBare, StoreForeign and StoreBomb give
}

// stored stages the faults of a store on one node.
type stored struct {
	spec Spec
	at   Storage
	kind storeKind
	id   string // of the front's rule
}

// NewStore returns the means of a fault of the family Stores, or of
// CredentialRevoked. The spec's Count is of the node's own requests: a witness
// meets the fault also when it is used up, and says how often the node met it.
func NewStore(spec Spec, at Storage) (Means, error) {
	kind, ok := storeKinds[spec.Kind]
	if !ok {
		return nil, fmt.Errorf("%w: no rule of a store front stages %s", ErrCannotStage, spec)
	}
	// A name that no other run's rule has: it may be deleted when this run is over
	// and another front listens where its front did.
	id := fmt.Sprintf("%s.%s.%s", spec.Kind, spec.Node, rand.Text()[:8])
	return &stored{spec: spec, at: at, kind: kind, id: id}, nil
}

// nodeBound is how long a witness waits for an answer that the node would get.
const nodeBound = time.Second

// node is what the node would be answered.
func (m *stored) node(ctx context.Context) store.Answer {
	ctx, cancel := context.WithTimeout(ctx, nodeBound)
	defer cancel()
	return m.at.Node(ctx)
}

// look reads as the node, and as an untouched account before and after. The error
// says why nothing can be concluded from it.
func (m *stored) look(ctx context.Context) (view, error) {
	before := m.at.Control(ctx)
	v := view{spec: m.spec, at: m.at, node: m.node(ctx)}
	v.control = m.at.Control(ctx)
	switch {
	case before.Status == 0 || v.control.Status == 0:
		return v, fmt.Errorf("the store answers an untouched account neither: %s, then %s", before, v.control)
	case !before.Same(v.control):
		return v, errors.New("the snapshot changed while it was looked at")
	case max(before.Took, v.control.Took) > nodeBound/2:
		return v, fmt.Errorf("the store is slow for an untouched account too: %s, then %s", before, v.control)
	}
	return v, nil
}

// preparations is how often Prepare looks for once from which something can be
// concluded. A look at a fault is repeated by who witnesses it.
const preparations = 3

// Prepare sees that the node would be answered as everybody is.
func (m *stored) Prepare(ctx context.Context) error {
	v, err := m.look(ctx)
	for tries := 1; err != nil && tries < preparations && ctx.Err() == nil; tries++ {
		v, err = m.look(ctx)
	}
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", ErrNotWitnessed, err)
	case !v.node.Same(v.control):
		return fmt.Errorf("%w: the store does not work before the fault: the node would get %s, an untouched account %s", ErrNotWitnessed, v.node, v.control)
	case m.kind.object && v.control.Err != nil:
		return fmt.Errorf("%w: there is no snapshot to work with: %s", ErrNotWitnessed, v.control)
	case m.kind.possible != nil:
		return m.kind.possible(v)
	}
	return nil
}

// Undo implements Means.
func (m *stored) Undo() []Undo {
	return []Undo{{Do: UndoStore, Args: map[string]string{"front": m.at.Front.Address(), "rule": m.id}}}
}

// Inject implements Means.
func (m *stored) Inject(ctx context.Context) error {
	rule := m.kind.rule(m.spec, m.at)
	rule.Account, rule.Count = m.at.Account, m.spec.Count
	if m.kind.object {
		rule.KeySuffix = m.at.Key
	}
	return m.at.Front.PutRule(ctx, m.id, rule)
}

// Look implements Means.
func (m *stored) Look(ctx context.Context) (string, bool) {
	v, err := m.look(ctx)
	if err != nil {
		return err.Error(), false
	}
	inForce := m.kind.inForce(v)
	seen := fmt.Sprintf("the node would get %s, an untouched account gets %s", v.node, v.control)
	if m.kind.listed != nil {
		keys, err := m.at.List(ctx)
		if err != nil {
			return fmt.Sprintf("%s; the node could not list: %v", seen, err), false
		}
		inForce = inForce && m.kind.listed(v, keys)
		seen += fmt.Sprintf("; the node would list %v", keys)
	}
	if m.spec.Count == 0 || !inForce {
		return seen, inForce
	}
	usage, err := m.at.Front.Usage(ctx, m.id)
	if err != nil {
		return fmt.Sprintf("%s; %v", seen, err), false
	}
	return fmt.Sprintf("%s; %d of the %d requests that are to meet it have", seen, usage.Met, m.spec.Count), true
}

// Heal implements Means.
func (m *stored) Heal(ctx context.Context) error { return deleteRule(ctx, m.at.Front, m.id) }

// LookHealed implements Means.
func (m *stored) LookHealed(ctx context.Context) (string, bool) {
	v, err := m.look(ctx)
	if err != nil {
		return err.Error(), false
	}
	seen := fmt.Sprintf("the node would get %s, an untouched account gets %s", v.node, v.control)
	if !v.node.Same(v.control) || m.kind.inForce(v) {
		return seen, false
	}
	if m.kind.listed == nil {
		return seen, true
	}
	keys, err := m.at.List(ctx)
	if err != nil {
		return fmt.Sprintf("the node could not list: %v", err), false
	}
	return fmt.Sprintf("%s; the node would list %v", seen, keys), slices.Contains(keys, m.at.Key) && !m.kind.listed(v, keys)
}

// Clean implements Means.
func (m *stored) Clean(context.Context) error { return nil }

// UndoStore is the name of the undo that [HealStore] carries out.
const UndoStore = "delete rule of store front"

// HealStore deletes args["rule"] at the store front whose control address is
// args["front"]. If nobody listens there, the rule went with the front.
func HealStore(ctx context.Context, args map[string]string) error {
	return deleteRule(ctx, s3front.NewClient(args["front"]), args["rule"])
}

func deleteRule(ctx context.Context, front *s3front.Client, id string) error {
	if err := front.DeleteRule(ctx, id); !errors.Is(err, s3front.ErrGone) {
		return err
	}
	return nil
}
