// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"blackout/harness/topology"
)

type nap struct {
	For time.Duration `json:"for"`
}

func (nap) Name() string  { return "nap" }
func (nap) Title() string { return "take a nap" }

func TestStreamsAreIndependent(t *testing.T) {
	t.Parallel()
	first := NewSource(7).Between("a", 0, 1<<30)
	s := NewSource(7)
	s.Between("b", 0, 1<<30)
	s.Duration("c", 0, time.Hour)
	if got := s.Between("a", 0, 1<<30); got != first {
		t.Errorf("a draw of another name moved this one: %d, then %d", first, got)
	}
	if NewSource(8).Between("a", 0, 1<<30) == first {
		t.Error("another seed drew the same")
	}
}

func TestBounds(t *testing.T) {
	t.Parallel()
	for seed := range uint64(200) {
		s := NewSource(seed)
		if n := s.Between("n", 3, 5); n < 3 || n > 5 {
			t.Fatalf("Between(3, 5) = %d", n)
		}
		if d := s.Duration("d", time.Second, 2*time.Second); d < time.Second || d > 2*time.Second || d%time.Millisecond != 0 {
			t.Fatalf("Duration(1s, 2s) = %s", d)
		}
		names := s.Shuffle("s", []string{"a", "b", "c"})
		slices.Sort(names)
		if !slices.Equal(names, []string{"a", "b", "c"}) {
			t.Fatalf("Shuffle lost names: %v", names)
		}
	}
}

func TestOutput(t *testing.T) {
	t.Parallel()
	p := Plan{
		Scenario: "s", Seed: 7, Profile: topology.Profiles["fast"], Promises: []string{"G1"},
		Topology: topology.Topology{Nodes: []topology.Node{{Name: "dp", Role: topology.DataPlane, Import: true}}},
		Steps:    []Step{{1, "steady", nap{time.Second}}},
	}
	var text bytes.Buffer
	if err := p.Print(&text); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text.String(), "dp       data_plane, imports") || !strings.Contains(text.String(), "   1  take a nap") {
		t.Errorf("printed\n%s", text.String())
	}
	b, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"step":1,"phase":"steady","do":"nap","title":"take a nap","with":{"for":1000000000}}`; !strings.Contains(string(b), want) {
		t.Errorf("JSON %s\nlacks %s", b, want)
	}
}
