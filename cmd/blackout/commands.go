// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"blackout/harness/history"
	"blackout/harness/oracle"
	"blackout/harness/run"
	"blackout/harness/topology"
	"blackout/reports"
	"blackout/scenarios"
)

func planCommand() *cobra.Command {
	var seed, timers string
	var asJSON bool
	c := &cobra.Command{
		Use:   "plan SCENARIO",
		Short: "Print what a run would do, without doing it",
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
			profile, ok := topology.Profiles[timers]
			if !ok {
				return fmt.Errorf("%w: unknown timer profile %q: the profiles are fast, kong", run.ErrUsage, timers)
			}
			p, err := scenario.NewPlan(n, profile)
			if err != nil {
				return exit{run.ExitHarness, err}
			}
			if !asJSON {
				return p.Print(c.OutOrStdout())
			}
			out := json.NewEncoder(c.OutOrStdout())
			out.SetIndent("", "  ")
			return out.Encode(p)
		},
	}
	c.Flags().StringVar(&seed, "seed", "", "seed of the plan; without it one is drawn")
	c.Flags().StringVar(&timers, "timers", "fast", "timer profile: fast, kong")
	c.Flags().BoolVar(&asJSON, "json", false, "print the plan as it is saved with a run")
	return c
}

func listCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the scenarios and the promises they judge",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			for _, s := range scenarios.All {
				if _, err := fmt.Fprintf(c.OutOrStdout(), "%-22s %v  %s\n", s.Name, s.Promises, s.Summary); err != nil {
					return err
				}
			}
			return nil
		},
	}
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
				scenario, err := scenarios.Find(rec.Header.Scenario)
				if err != nil {
					return fmt.Errorf("%w: %w; name the promises with --promises", run.ErrUsage, err)
				}
				promises, exercises = scenario.Promises, scenario.Exercises
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
	c.Flags().StringSliceVar(&promises, "promises", nil, "promises to judge; without it those of the recording's scenario")
	return c
}

func doctorCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Remove what runs left behind whose harness is gone",
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
			return err
		},
	}
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
