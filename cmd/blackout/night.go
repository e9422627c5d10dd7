// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"blackout/harness"
	"blackout/harness/night"
	"blackout/harness/run"
	"blackout/harness/shrink"
	"blackout/reports"
	"blackout/scenarios"
)

// nightFlags are the flags of the command night.
type nightFlags struct {
	runFlags
	budget    time.Duration
	searchFor time.Duration
}

func nightCommand() *cobra.Command {
	var f nightFlags
	c := &cobra.Command{
		Use:   "night",
		Short: "Run scenarios for a given time, and keep a history of such nights",
		Long: `Run scenarios for a given time: the nemesis with the timers of a Kong and as many
rounds as fit into a third of it, a soak, and the others in an order drawn from the
seed. The plan of the night is printed first. Each run is noted when it has ended, so
that nothing is lost of a night that is ended early; each night is a line of
nights/history.jsonl. Where a run violates the contract, a smaller plan is searched
for that still does.

` + exitCodes + `

The code is that of the worst run.`,
		Example: "  blackout night --for 15m --engine local --seed 7",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := f.check(c); err != nil {
				return err
			}
			if f.budget <= 0 || f.searchFor < 0 {
				return fmt.Errorf("%w: --for takes a time, as in 15m, and --search-for one or 0", run.ErrUsage)
			}
			return f.night(c.Context(), c.OutOrStdout())
		},
	}
	flags := c.Flags()
	flags.DurationVar(&f.budget, "for", 15*time.Minute, "how long the night lasts")
	flags.DurationVar(&f.searchFor, "search-for", 15*time.Minute, "how long a smaller plan is searched for, for each failure; 0: not at all")
	flags.StringVar(&f.seed, "seed", "", "seed of the night; without it one is drawn and printed")
	flags.StringVar(&f.engine, "engine", run.Auto, "where to run: "+strings.Join(run.Engines, ", "))
	flags.StringVar(&f.gateway, "gateway", "", "path of the gateway executable to judge, instead of the reference gateway")
	flags.StringVar(&f.defect, "defect", "", "build the reference gateway with this known defect and judge it")
	flags.StringVar(&f.store, "store", "", "object store: minio, embedded; by default minio on docker, embedded on local")
	flags.StringVar(&f.out, "out", defaultOut, "directory for the runs' files; the nights are in nights below it")
	flags.BoolVar(&f.dryRun, "dry-run", false, "print the plan of the night, and start nothing")
	c.MarkFlagsMutuallyExclusive("gateway", "defect")
	return c
}

// choice is what nights are drawn from.
func choice() (night.Choice, error) {
	c := night.Choice{All: scenarios.All, MostRounds: 60}
	var errs [3]error
	c.Nemesis, errs[0] = scenarios.Find("nemesis")
	c.Soak, errs[1] = scenarios.Find("soak-cut-heal")
	c.ShortSoak, errs[2] = scenarios.Find("soak-cut-heal-short")
	return c, errors.Join(errs[:]...)
}

func (f *nightFlags) night(ctx context.Context, w io.Writer) error {
	seed, err := parseSeed(f.seed)
	if err != nil {
		return err
	}
	from, err := choice()
	if err != nil {
		return exit{run.ExitHarness, err}
	}
	items, err := night.Draw(seed, f.budget, from)
	if err != nil {
		return exit{run.ExitHarness, err}
	}
	fmt.Fprintf(w, "night of %s, seed %d, %d runs\n", f.budget, seed, len(items))
	for _, i := range items {
		fmt.Fprintln(w, i)
	}
	if f.dryRun {
		return nil
	}
	if _, err := f.options(w, nil); err != nil { // a defect that is not there
		return err
	}
	nights := filepath.Join(f.out, "nights")
	recovered, err := night.Recover(nights)
	if err != nil {
		return exit{run.ExitHarness, err}
	}
	for _, l := range recovered {
		fmt.Fprintf(w, "the night of %s was killed after %d runs: it is in the history now\n", l.Began, l.Runs)
	}
	return f.carryOutAll(ctx, w, nights, night.Night{
		Began: time.Now().UTC().Format(time.RFC3339), Commit: run.Version(), Seed: seed, Engine: f.engine, Budget: f.budget, Items: len(items),
	}, items)
}

// carryOutAll makes the runs of a night until its time is over, and concludes it.
func (f *nightFlags) carryOutAll(ctx context.Context, w io.Writer, nights string, n night.Night, items []night.Item) error {
	dir, journal, err := night.Begin(nights, n)
	if err != nil {
		return exit{run.ExitHarness, err}
	}
	ended, over := "done", time.Now().Add(f.budget)
	for _, i := range items {
		if ctx.Err() != nil {
			ended = "interrupted"
			break
		}
		if time.Until(over) < i.Length {
			fmt.Fprintf(w, "left out: %s: the time is over\n", i)
			continue
		}
		fmt.Fprintf(w, "\n==> %s\n", i)
		if err := journal.Add(f.one(ctx, w, i)); err != nil {
			return exit{run.ExitHarness, errors.Join(err, journal.Close())}
		}
	}
	if ctx.Err() != nil {
		ended = "interrupted"
	}
	line := night.LineOf(n, ended, journal.All())
	err = errors.Join(
		reports.WriteNight(dir, reportOf(dir, line, journal.All())),
		night.Remember(nights, line),
		journal.Close(),
	)
	if err != nil {
		return exit{run.ExitHarness, err}
	}
	fmt.Fprintf(w, "\nnight %s: %d runs, %d of them not held, %d invalid\nreport: %s\n", ended, line.Runs, len(line.Failures), line.Invalid, filepath.Join(dir, reports.NightHTMLFile))
	if line.Code != run.ExitHeld {
		return exit{code: line.Code}
	}
	return nil
}

// one makes a run of a night, and searches for a smaller plan if it fails.
func (f *nightFlags) one(ctx context.Context, w io.Writer, i night.Item) night.Done {
	began := time.Now()
	scenario, err := scenarioOf(i)
	if err != nil {
		return night.DoneOf(i, run.Result{}, err)
	}
	o := run.Options{Seed: i.Seed, Timers: i.Timers, Budget: i.Length}
	p, err := o.Draw(scenario)
	if err != nil {
		return night.DoneOf(i, run.Result{}, err)
	}
	flags := f.runFlags
	flags.timers = i.Timers
	if o, err = flags.options(w, againOf(i.Scenario, i.Rounds, i.Seed, i.Length)); err != nil {
		return night.DoneOf(i, run.Result{}, err)
	}
	result, err := run.CarryOut(ctx, p, o)
	done := night.DoneOf(i, result, err)
	done.Took = time.Since(began)
	if result.Model.Run != "" {
		if err := conclude(w, result); err != nil {
			done.Error = err.Error()
		}
	}
	if len(done.Violated) > 0 && f.searchFor > 0 && ctx.Err() == nil {
		done.Smaller = f.search(ctx, w, result, o, done.Violated[0])
	}
	return done
}

// scenarioOf is the scenario of an item.
func scenarioOf(i night.Item) (harness.Scenario, error) {
	scenario, err := scenarios.Find(i.Scenario)
	if err == nil && i.Rounds > 0 {
		return scenario.WithRounds(i.Rounds)
	}
	return scenario, err
}

// search saves a smaller plan beside the run's and returns its path. That it finds
// none does not change what the night came to.
func (f *nightFlags) search(ctx context.Context, w io.Writer, result run.Result, o run.Options, clause string) string {
	o.Progress = nil
	r, err := smaller(ctx, w, result.Plan, o, shrink.Options{Clause: clause, Runs: 60, For: f.searchFor, Budget: result.Plan.Length()})
	path := besides(result.Dir)
	if err == nil {
		err = savePlan(path, r.Plan)
	}
	if err != nil {
		fmt.Fprintf(w, "no smaller plan: %v\n", err)
		return ""
	}
	fmt.Fprintln(w, told(r, path))
	return path
}

// meaning is what an exit code says.
var meaning = map[int]string{
	run.ExitHeld: "HELD", run.ExitViolated: "VIOLATED", run.ExitInvalid: "INVALID", run.ExitNotMeasured: "NOT MEASURED", run.ExitNotProven: "NOT PROVEN",
	run.ExitEnvironment: "environment failed", run.ExitHarness: "harness failed", run.ExitUsage: "usage",
}

// reportOf is the index of a night, whose files are in dir.
func reportOf(dir string, l night.Line, runs []night.Done) reports.Night {
	n := reports.Night{
		Title: fmt.Sprintf("Night of %s, commit %s, seed %d, engine %s", l.Began, l.Commit, l.Seed, l.Engine),
		Ended: fmt.Sprintf("%s: %d of %d planned runs, %s in all", l.Ended, l.Runs, l.Items, meaning[l.Code]),
		Notes: l.Figures,
	}
	for _, d := range runs {
		r := reports.NightRun{Number: d.Number, Scenario: d.Scenario, Seed: d.Seed, Timers: d.Timers, Took: d.Took, Verdict: meaning[d.Code], Says: says(d)}
		if path, err := filepath.Rel(dir, filepath.Join(d.Run, reports.HTMLFile)); err == nil && d.Run != "" {
			r.Report = path
		}
		n.Runs = append(n.Runs, r)
	}
	return n
}

// says is what is to be said of a run that did not hold.
func says(d night.Done) string {
	parts := slices.Clone(d.Violated)
	if d.Error != "" {
		parts = append(parts, d.Error)
	}
	if d.Smaller != "" {
		parts = append(parts, "smaller plan: "+d.Smaller)
	}
	return strings.Join(parts, "; ")
}
