// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"blackout/harness/history"
	"blackout/harness/topology"
)

type nap struct {
	For time.Duration `json:"for"`
}

func (nap) Name() string  { return "nap" }
func (nap) Title() string { return "take a nap" }

func (n nap) Lasts(history.Profile) time.Duration { return n.For }

type blink struct{}

func (blink) Name() string  { return "blink" }
func (blink) Title() string { return "blink > wink" }

// sample has a bring-up and two phases.
func sample() Plan {
	t := NewTimetable(topology.Profiles["fast"])
	t.Phase(BringUp, nap{time.Hour}, blink{})
	t.Phase("steady", blink{}, nap{2 * time.Second})
	t.Phase("outage", blink{})
	begun := t.Now()
	t.Then(nap{time.Second})
	t.By(begun+3*time.Second, nap{time.Hour})
	t.By(begun, blink{})
	t.Then(blink{})
	p := Plan{
		Scenario: "s", Seed: 1<<63 + 7, Profile: topology.Profiles["fast"], Promises: []string{"G1"},
		Topology: topology.Topology{Nodes: []topology.Node{{Name: "dp", Role: topology.DataPlane, Import: true}}},
		Steps:    t.Steps(),
	}
	for i := range p.Steps {
		p.Steps[i].Number = i + 1
	}
	return p
}

// TestTimetable: steps begin when those before them may have ended, a wait counts
// from where it began, and the bring-up has no time.
func TestTimetable(t *testing.T) {
	t.Parallel()
	p := sample()
	want := []time.Duration{0, 0, 0, 0, 2 * time.Second, 2 * time.Second, 3 * time.Second, 5 * time.Second, 5 * time.Second}
	for i, s := range p.Steps {
		if s.At != want[i] {
			t.Errorf("step %d (%s) at %s, want %s", s.Number, s.Action.Name(), s.At, want[i])
		}
	}
	if err := p.Check(5 * time.Second); err != nil {
		t.Error(err)
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil func(*Plan)
		says  string
	}{
		"falling times":          {func(p *Plan) { p.Steps[6].At = time.Second }, "step 7 (nap): it is planned for 1s, the step before it for 2s"},
		"a negative time":        {func(p *Plan) { p.Steps[2].At = -1 }, "step 3 (blink): the first step after the bring-up is planned for -1ns"},
		"a zero that is not one": {func(p *Plan) { p.Steps[2].At = 1 }, "not for 0s"},
		"bring-up again":         {func(p *Plan) { p.Steps[8].Phase = BringUp }, "step 9 (blink): a step of the bring-up follows others"},
		"over its budget":        {func(p *Plan) { p.Steps[8].At++ }, "over the budget: it is planned to last 5.000000001s, and may last 5s"},
		"nothing":                {func(p *Plan) { p.Steps = nil }, "there is no step"},
	} {
		p := sample()
		c.spoil(&p)
		if err := p.Check(5 * time.Second); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: error %v, want %q", name, err, c.says)
		}
	}
}

func TestPrint(t *testing.T) {
	t.Parallel()
	var text bytes.Buffer
	if err := sample().Print(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"length    5s after the bring-up\n",
		"node      dp       data_plane, imports\n",
		"bring-up\n   1              take a nap\n",
		"outage\n   5     2.000 s  blink > wink\n",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("printed\n%s\nwhich lacks %q", text.String(), want)
		}
	}
}
