// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"context"
	"fmt"
)

// ParameterHolder is a cluster, as far as its nodes' kong.conf parameters go.
type ParameterHolder interface {
	// Parameter is what a node's process was given for a parameter on top of its
	// topology; of a node that was not started yet, what it will be given. Empty:
	// nothing.
	Parameter(node, name string) string

	// SetParameter gives a node a value for a parameter, or takes it away again if it
	// is empty. A process that runs, or has ended, is replaced by another at its site;
	// a node that was not started yet is not started now.
	SetParameter(ctx context.Context, node, name, value string) error

	// HasVariable says whether a node's process is given an environment variable.
	HasVariable(node, name string) bool

	// Answers asks a node that was started for a sign of life.
	Answers(ctx context.Context, node string) error
}

// absentReference is a reference to a secret that is not there, in the environment
// vault of Kong 3.x, and absentVariable where that looks for it.
const (
	absentReference = "{vault://env/blackout-absent}"
	absentVariable  = "BLACKOUT_ABSENT"
)

// secret stages a parameter that refers to a secret which is not there. Nothing of it
// outlives the run's processes.
type secret struct {
	spec    Spec
	with    ParameterHolder
	changed bool // or about to be
}

// NewSecretMissing returns the means of a secret's fault. The spec's node may be one
// that is yet to be started.
func NewSecretMissing(spec Spec, with ParameterHolder) Means { return &secret{spec: spec, with: with} }

func (s *secret) Prepare(context.Context) error {
	if s.with.HasVariable(s.spec.Node, absentVariable) {
		return fmt.Errorf("%w: %s has a variable %s: the secret is there", ErrNotWitnessed, s.spec.Node, absentVariable)
	}
	return nil
}

func (s *secret) Undo() []Undo { return nil }

func (s *secret) Inject(ctx context.Context) error {
	s.changed = true
	return s.with.SetParameter(ctx, s.spec.Node, s.spec.Parameter, absentReference)
}

func (s *secret) Heal(ctx context.Context) error {
	if !s.changed {
		return nil // a node is not started again for nothing
	}
	if err := s.with.SetParameter(ctx, s.spec.Node, s.spec.Parameter, ""); err != nil {
		return err
	}
	s.changed = false
	return nil
}

func (s *secret) Clean(context.Context) error { return nil }

// Look sees what the node is given. What it makes of that is its own affair.
func (s *secret) Look(context.Context) (string, bool) {
	value := s.with.Parameter(s.spec.Node, s.spec.Parameter)
	there := s.with.HasVariable(s.spec.Node, absentVariable)
	return fmt.Sprintf("%s is given %q for %s; it has a variable %s: %v", s.spec.Node, value, s.spec.Parameter, absentVariable, there),
		value == absentReference && !there
}

// LookHealed sees that the node is given nothing more, and that it answers.
func (s *secret) LookHealed(ctx context.Context) (string, bool) {
	value, err := s.with.Parameter(s.spec.Node, s.spec.Parameter), s.with.Answers(ctx, s.spec.Node)
	return fmt.Sprintf("%s is given %q for %s, and answers: %v (%v)", s.spec.Node, value, s.spec.Parameter, err == nil, err), value == "" && err == nil
}
