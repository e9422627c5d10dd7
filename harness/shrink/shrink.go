// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package shrink searches for a smaller plan that still fails, so that what a long
// night has found can be looked at in a minute. Its central function is [Search].
//
// A plan fails if a certain clause of the contract is VIOLATED in it: any other
// verdict is another story. What is tried comes in the order of how much it takes
// away: everything after the failure, nodes, faults, steps by halves and one by one,
// waiting times. Whatever [harness.Check] refuses is not tried.
package shrink

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"blackout/harness"
	"blackout/harness/plan"
)

// Outcome is what a run of a plan showed of the clause.
type Outcome struct {
	Fails   bool   // the clause is VIOLATED
	Invalid bool   // it could not be judged
	Node    string // where it was seen to fail, if at one node
	Step    int    // in progress when it was seen to fail; 0: after the last, or not known
}

// Runner carries out a plan. Its error ends the search.
type Runner func(ctx context.Context, p plan.Plan) (Outcome, error)

// Options bound a search.
type Options struct {
	Clause   string        // that the plan must violate: "G4.1"
	Runs     int           // at most so many
	For      time.Duration // no run begins later, counted from the end of the first; 0: no bound
	Budget   time.Duration // of a plan's length; 0: the default
	Progress func(string)  // is told of each candidate; may be nil
}

// Result is the smallest plan that was found to fail.
type Result struct {
	Plan      plan.Plan
	Runs      int
	Confirmed bool   // it failed twice
	Exhausted string // which bound ended the search; empty: there is nothing left to take away
}

// ErrPasses is returned by [Search] for a plan that does not fail at all.
var ErrPasses = errors.New("the plan does not fail")

// Search makes a plan smaller that fails. It is run first, so that it is known where
// it does, and the result once more: where that one does not fail again, the larger
// one before it is the result, down to the plan itself.
func Search(ctx context.Context, p plan.Plan, try Runner, o Options) (Result, error) {
	s := &search{ctx: ctx, try: try, options: o, began: time.Now(), tried: make(map[string]bool)}
	first, err := s.run(focused(p, o.Clause), "the plan itself")
	s.began = time.Now() // a long plan is to leave time for smaller ones
	if err != nil {
		return Result{Plan: p, Runs: s.runs}, err
	}
	if !first.Fails {
		return Result{Plan: p, Runs: s.runs}, fmt.Errorf("%w: %s is not VIOLATED", ErrPasses, o.Clause)
	}
	s.accept(focused(p, o.Clause), first)
	for _, pass := range []func() error{s.cutTail, s.dropNodes, s.dropFaults, s.dropSteps, s.shortenHolds} {
		if err = pass(); err != nil {
			break
		}
	}
	if err != nil && !errors.Is(err, errBound) {
		return s.result(), err
	}
	return s.confirm()
}

// search is a search on its way.
type search struct {
	ctx      context.Context
	try      Runner
	options  Options
	began    time.Time
	runs     int
	tried    map[string]bool // candidates, by their bytes
	accepted []plan.Plan     // that failed, each smaller than the one before
	last     Outcome         // of the last of them
	bound    string
}

// errBound ends the search, which keeps what it has.
var errBound = errors.New("the search's bound is reached")

func (s *search) best() plan.Plan { return s.accepted[len(s.accepted)-1] }

func (s *search) accept(p plan.Plan, o Outcome) {
	s.accepted, s.last = append(s.accepted, p), o
}

func (s *search) result() Result {
	return Result{Plan: s.best(), Runs: s.runs, Exhausted: s.bound}
}

func (s *search) say(format string, args ...any) {
	if s.options.Progress != nil {
		s.options.Progress(fmt.Sprintf(format, args...))
	}
}

// run carries out a candidate, and once more if that could not be judged.
func (s *search) run(p plan.Plan, what string) (Outcome, error) {
	for again := range 2 {
		if err := s.within(); err != nil {
			return Outcome{}, err
		}
		s.runs++
		o, err := s.try(s.ctx, p)
		if err != nil {
			return o, err
		}
		s.say("run %d, %s: %s; %s", s.runs, what, size(p), described(o))
		if !o.Invalid || o.Fails || again > 0 {
			return o, nil
		}
	}
	return Outcome{}, nil
}

func described(o Outcome) string {
	switch {
	case o.Fails:
		return "still fails"
	case o.Invalid:
		return "cannot be judged"
	}
	return "does not fail"
}

// within says that a bound is reached, or that the caller has ended the search.
func (s *search) within() error {
	switch {
	case s.ctx.Err() != nil:
		return context.Cause(s.ctx)
	case s.runs >= s.options.Runs:
		s.bound = fmt.Sprintf("%d runs", s.options.Runs)
	case s.options.For > 0 && time.Since(s.began) >= s.options.For:
		s.bound = s.options.For.String()
	default:
		return nil
	}
	return errBound
}

// attempt tries a candidate and says whether it fails and is now the best.
func (s *search) attempt(p plan.Plan, what string) (bool, error) {
	p = repaired(p)
	if harness.Check(p, s.budget()) != nil || s.known(p) {
		return false, nil
	}
	o, err := s.run(p, what)
	if err == nil && o.Fails {
		s.accept(p, o)
	}
	return o.Fails, err
}

func (s *search) budget() time.Duration {
	if s.options.Budget > 0 {
		return s.options.Budget
	}
	return harness.DefaultBudget
}

// known says whether a candidate was tried before, or is the best itself.
func (s *search) known(p plan.Plan) bool {
	text, same := encoded(p), encoded(s.best())
	if text == same || s.tried[text] {
		return true
	}
	s.tried[text] = true
	return false
}

func encoded(p plan.Plan) string {
	var b bytes.Buffer
	if err := p.Encode(&b); err != nil {
		return err.Error() // such a plan cannot be saved, and is none
	}
	return b.String()
}

// confirm runs the best plan once more, and goes back to larger ones until one fails
// again. A bound that was reached does not keep it from one last run.
func (s *search) confirm() (Result, error) {
	s.options.Runs = max(s.options.Runs, s.runs+1)
	s.options.For = 0
	bound := s.bound
	for {
		o, err := s.run(s.best(), "the smallest once more")
		s.bound = bound
		if errors.Is(err, errBound) {
			return s.result(), nil
		}
		r := s.result()
		r.Confirmed = err == nil && o.Fails
		if err != nil || r.Confirmed || len(s.accepted) == 1 {
			return r, err
		}
		s.accepted = s.accepted[:len(s.accepted)-1]
	}
}
