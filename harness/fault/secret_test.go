// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"context"
	"errors"
	"testing"
)

// parameters is a node that is no more than its parameters.
type parameters struct {
	values, variables map[string]string
	starts            int
	fail              error
}

var _ ParameterHolder = (*parameters)(nil)

func (p *parameters) Parameter(_, name string) string { return p.values[name] }

func (p *parameters) SetParameter(_ context.Context, _, name, value string) error {
	p.values[name] = value
	p.starts++
	return p.fail
}

func (p *parameters) HasVariable(_, name string) bool { return p.variables[name] != "" }

func (p *parameters) Answers(context.Context, string) error {
	if p.values["proxy_server"] != "" {
		return errors.New("ended")
	}
	return nil
}

func TestSecretsFromPrepareToClean(t *testing.T) {
	t.Parallel()
	spec := Spec{Kind: SecretMissing, Node: "dp-1", Parameter: "proxy_server"}
	holder := &parameters{values: map[string]string{}}
	means := NewSecretMissing(spec, holder)
	if seen, ok := means.Look(t.Context()); ok {
		t.Errorf("in force before it was injected: %s", seen)
	}
	if err := errors.Join(means.Prepare(t.Context()), means.Heal(t.Context())); err != nil || holder.starts != 0 {
		t.Fatalf("%v, %d starts", err, holder.starts)
	}
	if err := means.Inject(t.Context()); err != nil {
		t.Fatal(err)
	}
	if seen, ok := means.Look(t.Context()); !ok {
		t.Errorf("not in force: %s", seen)
	}
	if seen, ok := means.LookHealed(t.Context()); ok {
		t.Errorf("healed before it was: %s", seen)
	}
	holder.variables = map[string]string{absentVariable: "found"}
	if seen, ok := means.Look(t.Context()); ok {
		t.Errorf("in force though the secret is there: %s", seen)
	}
	for range 2 {
		if err := errors.Join(means.Heal(t.Context()), means.Clean(t.Context())); err != nil || holder.starts != 2 {
			t.Fatalf("%v, %d starts", err, holder.starts)
		}
	}
	if seen, ok := means.LookHealed(t.Context()); !ok {
		t.Errorf("not healed: %s", seen)
	}
}

func TestASecretThatIsThereIsNotMissing(t *testing.T) {
	t.Parallel()
	holder := &parameters{variables: map[string]string{absentVariable: "found"}}
	means := NewSecretMissing(Spec{Kind: SecretMissing, Node: "dp-1", Parameter: "proxy_server"}, holder)
	if err := means.Prepare(t.Context()); !errors.Is(err, ErrNotWitnessed) {
		t.Errorf("error %v", err)
	}
}
