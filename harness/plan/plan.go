// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package plan turns a seed into numbered steps before anything starts. Its
// central type is [Plan], which is printed, saved and carried out as it is.
//
// Every random draw of a run is made here, from named streams: the draws of one
// name depend on the seed and that name alone, so that adding a draw elsewhere
// shifts nothing. The same seed gives the same plan, byte for byte.
package plan

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"time"

	"blackout/harness/history"
	"blackout/harness/topology"
)

// Source draws a plan's random values.
type Source struct{ seed uint64 }

// NewSource is the source of a seed.
func NewSource(seed uint64) Source { return Source{seed: seed} }

func (s Source) stream(name string) *rand.Rand {
	h := fnv.New64a()
	h.Write([]byte(name))
	return rand.New(rand.NewPCG(s.seed, h.Sum64()))
}

// Between draws an integer from [low, high] for name.
func (s Source) Between(name string, low, high int) int {
	return low + s.stream(name).IntN(high-low+1)
}

// Duration draws a whole number of milliseconds from [low, high] for name.
func (s Source) Duration(name string, low, high time.Duration) time.Duration {
	ms := int64((high - low) / time.Millisecond)
	return low + time.Duration(s.stream(name).Int64N(ms+1))*time.Millisecond
}

// Shuffle is a copy of names in an order drawn for name.
func (s Source) Shuffle(name string, names []string) []string {
	out := make([]string, len(names))
	for i, j := range s.stream(name).Perm(len(names)) {
		out[i] = names[j]
	}
	return out
}

// Action is what a step does. Its exported fields are its arguments and are
// printed with the plan.
type Action interface {
	// Title says in a few words what the action does, for people.
	Title() string
	// Name is the action's name in the plan's file.
	Name() string
}

// Step is one numbered step.
type Step struct {
	Number int
	Phase  string // the phase that the step belongs to: "bring-up", "steady", "outage", "recovery"
	Action Action
}

// Plan is what a run will do.
type Plan struct {
	Scenario  string
	Seed      uint64
	Profile   history.Profile
	Topology  topology.Topology // at the start; steps add to it
	Promises  []string
	Exercises []string // clauses that it is there to exercise
	Steps     []Step
}

// MarshalJSON writes the plan with each step's action name and arguments.
func (p Plan) MarshalJSON() ([]byte, error) {
	type step struct {
		Step   int    `json:"step"`
		Phase  string `json:"phase"`
		Do     string `json:"do"`
		Title  string `json:"title"`
		Action Action `json:"with"`
	}
	steps := make([]step, len(p.Steps))
	for i, s := range p.Steps {
		steps[i] = step{s.Number, s.Phase, s.Action.Name(), s.Action.Title(), s.Action}
	}
	return json.Marshal(struct {
		Scenario  string            `json:"scenario"`
		Seed      uint64            `json:"seed"`
		Profile   history.Profile   `json:"profile"`
		Promises  []string          `json:"promises"`
		Exercises []string          `json:"exercises"`
		Topology  topology.Topology `json:"topology"`
		Steps     []step            `json:"steps"`
	}{p.Scenario, p.Seed, p.Profile, p.Promises, p.Exercises, p.Topology, steps})
}

// Print writes the plan for people.
func (p Plan) Print(w io.Writer) error {
	_, err := fmt.Fprintf(w, "plan      %s\nseed      %d\ntimers    %s\npromises  %v\n", p.Scenario, p.Seed, p.Profile.Name, p.Promises)
	for _, n := range p.Topology.Nodes {
		if err == nil {
			_, err = fmt.Fprintf(w, "node      %s\n", describe(n))
		}
	}
	phase := ""
	for _, s := range p.Steps {
		if err != nil {
			return err
		}
		if s.Phase != phase {
			phase = s.Phase
			if _, err = fmt.Fprintf(w, "\n%s\n", phase); err != nil {
				return err
			}
		}
		_, err = fmt.Fprintf(w, "  %2d  %s\n", s.Number, s.Action.Title())
	}
	return err
}

func describe(n topology.Node) string {
	s := fmt.Sprintf("%-8s %s", n.Name, n.Role)
	if n.Import {
		s += ", imports"
	}
	if n.Export {
		s += ", exports"
	}
	return s
}
