// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"time"

	"blackout/harness/history"
)

// BringUp is the phase of the steps that have no planned time: how long they take
// is the machine's matter. The experiment's zero is the moment of their end.
const BringUp = "bring-up"

// Lasting is an action that is planned to take time: as long as a good gateway
// with these timers may need on a quiet machine. Any other action is planned to
// take none.
type Lasting interface {
	Lasts(timers history.Profile) time.Duration
}

// Timetable lays a plan's steps out in time. Each is planned to begin when the
// ones before it, taking as long as they may, have ended, so that a run of a good
// gateway keeps to the plan: what ends sooner leaves time that is waited out, and
// two runs of one plan do the same things at the same moments.
type Timetable struct {
	timers history.Profile
	phase  string
	now    time.Duration
	steps  []Step
}

// NewTimetable is an empty timetable for nodes with these timers.
func NewTimetable(timers history.Profile) *Timetable { return &Timetable{timers: timers} }

// Phase begins a phase and appends its actions. A plan begins with [BringUp], whose
// steps have no time.
func (t *Timetable) Phase(name string, actions ...Action) {
	t.phase = name
	t.Then(actions...)
}

// Then appends actions to the phase, one after the other.
func (t *Timetable) Then(actions ...Action) {
	for _, a := range actions {
		end := t.now
		if l, ok := a.(Lasting); ok {
			end += l.Lasts(t.timers)
		}
		t.By(end, a)
	}
}

// By appends an action that is planned to have ended at a moment, or at once if
// that has passed: a wait for something that began before it.
func (t *Timetable) By(end time.Duration, a Action) {
	if t.phase == BringUp {
		t.steps = append(t.steps, Step{Phase: t.phase, Action: a})
		return
	}
	t.steps = append(t.steps, Step{Phase: t.phase, At: t.now, Action: a})
	t.now = max(t.now, end)
}

// Now is the planned time of the next step.
func (t *Timetable) Now() time.Duration { return t.now }

// Steps are the steps so far.
func (t *Timetable) Steps() []Step { return t.steps }
