// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"blackout/harness/database"
	"blackout/harness/engine"
	"blackout/harness/history"
	"blackout/harness/oracle"
	"blackout/harness/run"
	"blackout/reports"
	"blackout/scenarios"
)

func planCommand() *cobra.Command {
	var seed, timers string
	var budget time.Duration
	var asJSON bool
	c := &cobra.Command{
		Use:   "plan SCENARIO",
		Short: "Print what a run would do and when, without doing it",
		Args:  oneScenario,
		RunE: func(c *cobra.Command, args []string) error {
			scenario, err := scenarios.Find(args[0])
			if err != nil {
				return fmt.Errorf("%w: %w", run.ErrUsage, err)
			}
			n, err := parseSeed(seed)
			if err != nil {
				return err
			}
			o := run.Options{Seed: n, Timers: timers, Budget: budget}
			p, err := o.Draw(scenario)
			switch {
			case errors.Is(err, run.ErrUsage):
				return err
			case err != nil:
				return exit{run.ExitHarness, err}
			case asJSON:
				return p.Encode(c.OutOrStdout())
			}
			return p.Print(c.OutOrStdout())
		},
	}
	c.Flags().StringVar(&seed, "seed", "", "seed of the plan; without it one is drawn")
	c.Flags().StringVar(&timers, "timers", "fast", "timer profile: fast, kong")
	c.Flags().BoolVar(&asJSON, "json", false, "print the plan as it is saved with a run")
	addBudget(c, &budget)
	return c
}

func rejudgeCommand() *cobra.Command {
	var promises []string
	c := &cobra.Command{
		Use:   "rejudge DIR",
		Short: "Judge a finished run's recording again with today's oracles",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			rec, err := history.Load(filepath.Join(args[0], "recording"))
			if err != nil {
				return fmt.Errorf("%w: %w", run.ErrUsage, err)
			}
			var exercises []string
			if len(promises) == 0 {
				if promises, exercises, err = asked(rec.Header); err != nil {
					return fmt.Errorf("%w: %w; name the promises with --promises", run.ErrUsage, err)
				}
			}
			judged, err := oracle.Judge(rec, promises, exercises...)
			if err != nil {
				return fmt.Errorf("%w: %w", run.ErrUsage, err)
			}
			model := reports.Build(reports.Input{Recording: rec, Result: judged, Exercises: exercises})
			if err := reports.Summary(c.OutOrStdout(), model); err != nil {
				return exit{run.ExitHarness, err}
			}
			if code := run.ExitCode(run.Result{Oracle: judged}, nil); code != run.ExitHeld {
				return exit{code: code}
			}
			return nil
		},
	}
	c.Flags().StringSliceVar(&promises, "promises", nil, "promises to judge; without it those that the run was asked for")
	return c
}

// asked are the promises and clauses that a run was there for: those that its
// recording names or, before schema 2, those of its scenario as it is today.
func asked(h history.Header) (promises, exercises []string, err error) {
	if len(h.Promises) > 0 {
		return h.Promises, h.Exercises, nil
	}
	scenario, err := scenarios.Find(h.Scenario)
	return scenario.Promises, scenario.Exercises, err
}

func doctorCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Remove what runs left behind whose harness is gone, and say which PostgreSQL there is",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			removed, err := run.Sweep(c.Context())
			for _, line := range removed {
				if _, writeErr := fmt.Fprintln(c.OutOrStdout(), "removed", line); writeErr != nil {
					err = errors.Join(err, writeErr)
				}
			}
			if err != nil {
				return exit{run.ExitEnvironment, err}
			}
			if len(removed) == 0 {
				_, err = fmt.Fprintln(c.OutOrStdout(), "nothing was left behind")
			}
			return errors.Join(err, tellPostgres(c))
		},
	}
}

// tellPostgres says which PostgreSQL runs use. None is no error: what needs it is not
// measured.
func tellPostgres(c *cobra.Command) error {
	line := "for control planes' databases: "
	installed, err := database.Find(c.Context())
	switch {
	case errors.Is(err, engine.ErrUnsupported):
		line += "NOT MEASURED: " + err.Error()
	case err != nil:
		return err
	default:
		line += installed.String()
	}
	_, err = fmt.Fprintln(c.OutOrStdout(), line)
	return err
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the commit that this program was built from",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(c.OutOrStdout(), run.Version())
			return err
		},
	}
}
