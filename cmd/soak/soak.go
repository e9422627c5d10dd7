// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"blackout/harness/history"
	"blackout/harness/plan"
	"blackout/harness/residue"
	"blackout/harness/run"
	"blackout/harness/topology"
	"blackout/scenarios"
)

// soakRun is a soak on its way.
type soakRun struct {
	options
	done    *log
	draw    plan.Source
	say     func(format string, args ...any)
	moments time.Duration // from which kills are drawn; 0: what the run is expected to take
}

func newSoak(o options) (*soakRun, error) {
	l, err := openLog(o.log, o.seed)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	say := func(format string, args ...any) {
		fmt.Printf("%7.1fs  %s\n", time.Since(began).Seconds(), fmt.Sprintf(format, args...))
	}
	return &soakRun{options: o, done: l, draw: plan.NewSource(o.seed), say: say}, nil
}

// carryOut does every trial that was not done yet: the starts several at a time,
// the kills one by one, for every run begins by removing what dead runs have left.
func (s *soakRun) carryOut(ctx context.Context) error {
	for _, engine := range []string{run.Local, run.Docker} {
		if err := s.each(ctx, s.parallel, start, engine, s.starts[engine], s.start); err != nil {
			return err
		}
	}
	for _, engine := range []string{run.Local, run.Docker} {
		if err := s.each(ctx, 1, kill, engine, s.kills[engine], s.kill); err != nil {
			return err
		}
	}
	return nil
}

// each does the trials of a kind on an engine. Only what is wrong with the soak
// itself is an error; what is wrong with a trial is its outcome.
func (s *soakRun) each(ctx context.Context, limit int, kind, engine string, n int, do func(context.Context, *outcome) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(limit)
	for i := range n {
		t := trial{kind, engine, i + 1}
		if s.done.has(t) {
			continue
		}
		group.Go(func() error {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			o := outcome{trial: t, Seed: uint64(s.draw.Between("seed of "+t.String(), 1, 1<<31-1))}
			if err := do(ctx, &o); err != nil { // cut short, it has shown nothing
				return fmt.Errorf("%s: %w", t, err)
			}
			s.tell(o, n)
			return s.done.Add(o)
		})
	}
	return group.Wait()
}

func (s *soakRun) tell(o outcome, n int) {
	text := fmt.Sprintf("%s of %d: ", o.trial, n)
	if o.Kind == kill {
		text += fmt.Sprintf("killed after %.1f s, at %q; ", o.Killed.Seconds(), o.Last)
	}
	if o.Problem != "" {
		s.say("%sBAD, run %s, seed %d: %s", text, o.Run, o.Seed, o.Problem)
		return
	}
	s.say("%sclean after %.1f s", text, o.Took.Seconds())
}

// home makes the directory for a trial's files, beside the log.
func (s *soakRun) home(t trial, attempt int) (string, error) {
	name := strings.ReplaceAll(t.String(), " ", "-")
	if attempt > 0 {
		name += fmt.Sprintf("-again-%d", attempt)
	}
	dir, err := filepath.Abs(filepath.Join(filepath.Dir(s.log), name))
	if err != nil {
		return "", err
	}
	if err := os.RemoveAll(dir); err != nil { // of a trial that was cut short
		return "", err
	}
	return dir, os.MkdirAll(dir, 0o755)
}

// start brings a topology up and down again.
func (s *soakRun) start(ctx context.Context, o *outcome) error {
	home, err := s.home(o.trial, 0)
	if err != nil {
		return err
	}
	planned := filepath.Join(home, "start.json")
	if err := writePlan(planned, o.Seed); err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, runLimit)
	defer cancel()
	h, err := launch(limited, home, o.Engine, s.program, "replay", planned)
	if err != nil {
		return err
	}
	<-h.ended
	if ctx.Err() != nil {
		return errors.Join(context.Cause(ctx), h.discard())
	}
	o.Took = time.Since(h.began)
	o.Run = h.run()
	_, o.Last = h.printed()
	left, err := h.residue(ctx)
	if err == nil {
		left, err = residue.WithoutStuck(ctx, left)
	}
	if err != nil {
		return err
	}
	clash := h.clash()
	o.Clash = clash != ""
	switch came := cameUp(h); {
	case o.Clash:
		o.Problem = "clash: " + clash
	case came != nil:
		o.Problem = came.Error()
	case len(left) > 0:
		o.Problem = "left at its end: " + strings.Join(left, "; ")
	default:
		return h.discard()
	}
	return nil
}

// writePlan writes the plan of a start.
func writePlan(path string, seed uint64) error {
	p, err := scenarios.Start.NewPlan(seed, topology.Profiles["fast"])
	if err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(p.Encode(f), f.Close())
}

// cameUp is nil if the topology came up, every data plane served, and all was
// removed again. Nothing is judged in a start, and its exit code says that.
func cameUp(h *harness) error {
	code := h.cmd.ProcessState.ExitCode()
	_, last := h.printed()
	if code != run.ExitNotMeasured {
		return fmt.Errorf("exit code %d: %s", code, last)
	}
	rec, err := history.Load(filepath.Join(h.home, "runs", h.run(), "recording"))
	if err != nil {
		return err
	}
	ended := slices.IndexFunc(rec.Events, func(e history.Event) bool { return e.Kind == history.RunEnd && e.OK })
	if ended < 0 || rec.Damage != "" {
		return fmt.Errorf("the plan was not carried out to its end: %s %s", last, rec.Damage)
	}
	return nil
}
