// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"blackout/harness/history"
	"blackout/harness/oracle"
	"blackout/harness/plan"
	"blackout/harness/run"
	"blackout/harness/shrink"
)

// shrinkFlags are the flags of the command shrink.
type shrinkFlags struct {
	runFlags
	clause, result string
	runs           int
	within         time.Duration
}

func shrinkCommand() *cobra.Command {
	var f shrinkFlags
	c := &cobra.Command{
		Use:   "shrink RUN",
		Short: "Search for a smaller plan that still fails, and save it",
		Long: `Search for a smaller plan that still violates the same clause, and save it as a
file that replay takes. RUN is a run's directory, or a file that holds a plan. One
line is printed for each run of the search. What could not be judged is run once
more; the result is run once more, too, to see that it fails again.

It ends with 0 if a plan that fails was saved, and with 7 if the plan does not fail.`,
		Example: "  blackout shrink reports/out/RUN --engine local\n  blackout shrink reports/out/RUN --defect NAME --clause G4.1 --runs 30",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return fmt.Errorf("%w: name one run's directory, or a file that holds a plan", run.ErrUsage)
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			if err := f.check(c); err != nil {
				return err
			}
			return f.shrink(c.Context(), c.OutOrStdout(), args[0])
		},
	}
	c.Flags().StringVar(&f.clause, "clause", "", "the clause that must stay violated; by default the first that the run's recording violates")
	c.Flags().StringVar(&f.result, "result", "", "file for the smaller plan; by default smaller.json beside the plan")
	c.Flags().IntVar(&f.runs, "runs", 60, "at most so many runs")
	c.Flags().DurationVar(&f.within, "for", time.Hour, "no run begins later than this after the first, which shows that the plan fails")
	f.add(c)
	return c
}

func (f *shrinkFlags) shrink(ctx context.Context, w io.Writer, path string) error {
	p, err := run.ReadPlan(path, f.budget)
	if err != nil {
		return err
	}
	if f.runs < 1 {
		return fmt.Errorf("%w: --runs %d: a search takes at least one", run.ErrUsage, f.runs)
	}
	if f.clause == "" {
		if f.clause, err = violated(path); err != nil {
			return fmt.Errorf("%w: %w: name the clause with --clause", run.ErrUsage, err)
		}
	}
	if f.result == "" {
		f.result = besides(path)
	}
	o, err := f.options(io.Discard, []string{"replay", f.result})
	if err != nil {
		return err
	}
	r, err := smaller(ctx, w, p, o, shrink.Options{Clause: f.clause, Runs: f.runs, For: f.within, Budget: f.budget})
	if errors.Is(err, shrink.ErrPasses) {
		return exit{run.ExitNotMeasured, err}
	}
	if err != nil {
		return exit{run.ExitCode(run.Result{}, err), err}
	}
	if err := savePlan(f.result, r.Plan); err != nil {
		return exit{run.ExitHarness, err}
	}
	_, err = fmt.Fprintf(w, "%s\nagain: %s\n", told(r, f.result), f.repeat([]string{"replay", f.result}, f.engine))
	return err
}

// smaller searches, with a line for each run.
func smaller(ctx context.Context, w io.Writer, p plan.Plan, o run.Options, bounds shrink.Options) (shrink.Result, error) {
	bounds.Progress = newProgress(w)
	return shrink.Search(ctx, p, func(ctx context.Context, p plan.Plan) (shrink.Outcome, error) {
		result, err := run.CarryOut(ctx, p, o)
		if err != nil {
			return shrink.Outcome{}, err
		}
		return outcomeOf(result, bounds.Clause)
	}, bounds)
}

// outcomeOf is what a run showed of a clause.
func outcomeOf(result run.Result, clause string) (shrink.Outcome, error) {
	out := shrink.Outcome{Invalid: result.Invalid}
	for _, v := range result.Oracle.Verdicts {
		for _, c := range v.Clauses {
			if c.ID != clause {
				continue
			}
			out.Fails, out.Invalid = c.Status == oracle.Violated, out.Invalid || c.Status == oracle.Invalid
			if !out.Fails || len(c.Evidence) == 0 {
				continue
			}
			rec, err := result.Recording()
			if err != nil {
				return out, err
			}
			out.Node, out.Step = c.Evidence[0].Node, stepAt(rec, c.Evidence[0].At)
		}
	}
	return out, nil
}

// stepAt is the last step that had begun at a moment.
func stepAt(rec *history.Recording, at history.Time) int {
	step := 0
	for _, e := range rec.Events {
		if e.Kind == history.StepBegin && e.At <= at {
			step = max(step, e.Step)
		}
	}
	return step
}

// violated is the first clause that a run's recording violates.
func violated(dir string) (string, error) {
	rec, err := history.Load(filepath.Join(dir, "recording"))
	if err != nil {
		return "", err
	}
	promises, exercises, err := asked(rec.Header)
	if err != nil {
		return "", err
	}
	judged, err := oracle.Judge(rec, promises, exercises...)
	if err != nil {
		return "", err
	}
	if clauses := violatedClauses(judged); len(clauses) > 0 {
		return clauses[0], nil
	}
	return "", fmt.Errorf("nothing is VIOLATED in %s", dir)
}

// violatedClauses are those that are VIOLATED, in the order of the verdicts.
func violatedClauses(judged oracle.Result) []string {
	var out []string
	for _, v := range judged.Verdicts {
		for _, c := range v.Clauses {
			if c.Status == oracle.Violated && !slices.Contains(out, c.ID) {
				out = append(out, c.ID)
			}
		}
	}
	return out
}

// besides is where the smaller plan of a run, or of a plan's file, is saved.
func besides(path string) string {
	const name = "smaller.json"
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return filepath.Join(path, name)
	}
	return filepath.Join(filepath.Dir(path), name)
}

func savePlan(path string, p plan.Plan) error {
	file, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("save plan: %w", err)
	}
	return errors.Join(p.Encode(file), file.Close())
}

// told says what a search came to.
func told(r shrink.Result, path string) string {
	text := fmt.Sprintf("saved as %s after %d runs: %d steps, %d of them with faults, %s", path, r.Runs, len(r.Plan.Steps), shrink.FaultSteps(r.Plan), r.Plan.Length())
	if r.Exhausted != "" {
		text += "; the search ended at its bound, " + r.Exhausted
	}
	if !r.Confirmed {
		text += "; run once more, it did NOT fail"
	}
	return text
}
