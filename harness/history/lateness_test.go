// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package history

import (
	"slices"
	"testing"
)

func TestLatenesses(t *testing.T) {
	t.Parallel()
	got := Latenesses([]Event{
		{At: 1, Kind: StepBegin, Step: 1, Text: "bring up"},
		{At: 10, Kind: StepBegin, Step: 2, Text: "cut", Planned: 10},
		{At: 12, Kind: StepEnd, Step: 2, Text: "cut", Planned: 11},
		{At: 17, Kind: StepBegin, Step: 3, Text: "heal", Planned: 15},
	})
	want := []Lateness{{2, "cut", 10, 10}, {3, "heal", 15, 17}}
	if !slices.Equal(got, want) {
		t.Fatalf("%+v, want %+v", got, want)
	}
	if got[0].Late() != 0 || got[1].Late() != 2 {
		t.Errorf("late by %d and %d, want 0 and 2", got[0].Late(), got[1].Late())
	}
}
