// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package history

import "time"

// Lateness is when a step began beside when the plan wanted it begun.
type Lateness struct {
	Step    int
	Text    string
	Planned Time
	Began   Time
}

// Late is how much later than planned the step began. It is never negative, if the
// harness keeps its word.
func (l Lateness) Late() time.Duration { return l.Began.Sub(l.Planned) }

// Latenesses are those of a recording's steps, in the order in which they began.
// Steps without a planned time are left out.
func Latenesses(events []Event) []Lateness {
	var late []Lateness
	for _, e := range events {
		if e.Kind == StepBegin && e.Planned > 0 {
			late = append(late, Lateness{e.Step, e.Text, e.Planned, e.At})
		}
	}
	return late
}
