// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"blackout/harness/topology"
	"blackout/scenarios"
)

// usualStart is what a start takes where none has been measured.
const usualStart = 10 * time.Second

// maxAttempts is how often a moment is drawn that a harness lives to see.
const maxAttempts = 10

// kill kills a harness at a drawn moment of its run, and waits until nothing of
// it is left. The scenarios take turns.
func (s *soakRun) kill(ctx context.Context, o *outcome) error {
	scenario := scenarios.All[(o.Number-1)%len(scenarios.All)]
	p, err := scenario.NewPlan(o.Seed, topology.Profiles["fast"])
	if err != nil {
		return err
	}
	expected := cmp.Or(s.moments, s.usualStart(o.Engine)+p.Length())
	for attempt := range maxAttempts {
		o.Killed = s.moment(o.trial, attempt, expected)
		home, err := s.home(o.trial, attempt)
		if err != nil {
			return err
		}
		// No context: what ends it is the kill.
		h, err := launch(context.WithoutCancel(ctx), home, o.Engine, s.program, "run", scenario.Name, "--seed", fmt.Sprint(o.Seed))
		if err != nil {
			return err
		}
		killed := h.killAt(ctx, o.Killed)
		interrupted := context.Cause(ctx)
		o.Run = h.run()
		_, o.Last = h.printed()
		if !killed {
			s.say("%s: it had ended before %.1f s, at %q: drawn again", o.trial, o.Killed.Seconds(), o.Last)
		}
		began := time.Now()
		left, err := h.awaitClean(context.WithoutCancel(ctx), s.patience)
		if err != nil || interrupted != nil {
			return errors.Join(interrupted, err)
		}
		o.Took = time.Since(began)
		if len(left) > 0 {
			o.Problem = fmt.Sprintf("left %s after the kill: %s", s.patience, strings.Join(left, "; "))
			return nil
		}
		if err := h.discard(); err != nil || killed {
			return err
		}
	}
	o.Problem = fmt.Sprintf("%d runs of %s had ended before a moment that was drawn from %s", maxAttempts, scenario.Name, expected)
	return nil
}

// moment draws when a harness is killed, from what its run is expected to take.
func (s *soakRun) moment(t trial, attempt int, expected time.Duration) time.Duration {
	return s.draw.Duration(fmt.Sprintf("moment of %s, attempt %d", t, attempt), 0, expected)
}

// usualStart is the median of the starts on an engine: what a run takes beside
// its planned steps.
func (s *soakRun) usualStart(engine string) time.Duration {
	var took []time.Duration
	for _, o := range s.done.of(start, engine) {
		if o.Problem == "" {
			took = append(took, o.Took)
		}
	}
	if len(took) == 0 {
		return usualStart
	}
	slices.Sort(took)
	return took[len(took)/2]
}
