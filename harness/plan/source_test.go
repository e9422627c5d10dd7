// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestStreamsAreIndependent(t *testing.T) {
	t.Parallel()
	first := NewSource(7).Between("a", 0, 1<<30)
	s := NewSource(7)
	s.Between("b", 0, 1<<30)
	s.Duration("c", 0, time.Hour)
	s.Shuffle("d", []string{"x", "y", "z"})
	if got := s.Between("a", 0, 1<<30); got != first {
		t.Errorf("a draw of another name moved this one: %d, then %d", first, got)
	}
	if NewSource(8).Between("a", 0, 1<<30) == first {
		t.Error("another seed drew the same")
	}
	if NewSource(7).Between("b", 0, 1<<30) == first {
		t.Error("another name drew the same")
	}
}

// TestDrawsStay: a plan can be drawn again from its seed for as long as these
// values stay. Whoever changes them makes every seed that was ever noted down
// worthless.
func TestDrawsStay(t *testing.T) {
	t.Parallel()
	s := NewSource(7)
	if n := s.Between("n", 1, 1_000_000); n != 813387 {
		t.Errorf("Between drew %d", n)
	}
	if d := s.Duration("d", 0, time.Hour); d != 13173*time.Millisecond {
		t.Errorf("Duration drew %d ms", d.Milliseconds())
	}
	if names := strings.Join(s.Shuffle("s", []string{"a", "b", "c", "d", "e"}), ""); names != "dceab" {
		t.Errorf("Shuffle drew %s", names)
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
