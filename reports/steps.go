// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"fmt"
	"strconv"

	"blackout/harness/history"
)

// steps returns the steps that had a planned time, in the order in which they
// began.
func (r recorded) steps() []Step {
	steps := []Step{}
	for _, l := range history.Latenesses(r.events) {
		steps = append(steps, Step{Step: l.Step, Text: l.Text, Planned: l.Planned, Began: l.Began, Late: l.Late()})
	}
	return steps
}

// latest is the first of the steps that were the latest, or nil.
func latest(steps []Step) *Step {
	var found *Step
	for i, s := range steps {
		if found == nil || s.Late > found.Late {
			found = &steps[i]
		}
	}
	return found
}

// punctuality says how well the run kept to the times of its plan.
func punctuality(m Model) string {
	if m.LatestStep == nil {
		return ""
	}
	return fmt.Sprintf("%s had a planned time; the latest began %s after it: step %d (%s)",
		count(len(m.Steps), "step"), duration(m.LatestStep.Late), m.LatestStep.Step, m.LatestStep.Text)
}

func stepTable(m Model) table {
	t := table{
		head: []string{"Step", "Planned", "Began", "Late by"},
		none: "Planned against real: " + notMeasured + ". No step had a planned time.",
	}
	for _, s := range m.Steps {
		t.rows = append(t.rows, []string{strconv.Itoa(s.Step) + " " + s.Text, offset(s.Planned), offset(s.Began), duration(s.Late)})
	}
	return t
}
