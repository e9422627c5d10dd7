// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"fmt"
	"slices"
	"time"

	"blackout/harness/history"
)

// clock follows the run's clock through the events in the order of writing. Those
// that are stamped as they are written can never go backwards.
type clock struct {
	last   history.Event // stamped
	back   string        // what went backwards first, if anything did
	offset time.Duration // of the wall clock at the last sample
	jump   time.Duration // the largest change of that
}

// stamped are the kinds of events that happen when they are written. All others
// may tell of something earlier.
var stamped = []history.Kind{
	history.StepBegin, history.StepEnd, history.PhaseBegin, history.NodeStart, history.NodeStop,
	history.FaultInject, history.FaultActive, history.FaultWitness, history.FaultHeal, history.FaultHealed, history.HealWitness,
	history.ChangeSent, history.ChangeAcked, history.ChangeUnknown, history.WaitTimeout, history.ClockSample,
	history.WatchEnd, history.RunEnd,
}

func (c *clock) take(e history.Event) {
	if !slices.Contains(stamped, e.Kind) {
		return
	}
	if back := c.last.At.Sub(e.At); back > MaxClockStep && c.back == "" {
		c.back = fmt.Sprintf("the run's clock went back by %s from %s to %s", seconds(back), c.last.Kind, e.Kind)
	}
	if e.Kind == history.ClockSample {
		c.compare(e)
	}
	c.last = e
}

// compare looks whether the wall clock still runs beside the run's.
func (c *clock) compare(e history.Event) {
	offset := time.Duration(e.Wall - int64(e.At))
	if jump := offset - c.offset; c.offset != 0 && jump.Abs() > max(MaxClockStep, c.jump.Abs()) {
		c.jump = jump
	}
	c.offset = offset
}

// wrong says why the run's times cannot be believed; empty if they can. Requests
// that were early left before they were due, or were answered before they left.
func (c *clock) wrong(early int) string {
	switch {
	case c.back != "":
		return c.back
	case early > 0:
		return fmt.Sprintf("%d requests left before they were due, or were answered before they left: the run's clock was stepped", early)
	}
	return ""
}

// metric is a figure sampled over time.
type metric struct {
	samples     int
	first, last sample
	unknown     string // why it cannot be had, if it cannot
}

type sample struct {
	at    history.Time
	value float64
}

func (m *metric) take(e history.Event) {
	if e.Error != "" {
		m.unknown = e.Error
		return
	}
	s := sample{e.At, e.Value}
	if m.samples == 0 || s.at < m.first.at {
		m.first = s
	}
	if m.samples == 0 || s.at >= m.last.at {
		m.last = s
	}
	m.samples++
}
