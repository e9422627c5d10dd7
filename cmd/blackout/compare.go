// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"blackout/harness/oracle"
	"blackout/harness/run"
	"blackout/reports"
)

func compareCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "compare FIRST SECOND",
		Short: "Put two runs side by side: verdicts, traffic, outages and starts",
		Long: `Put two runs side by side: which verdicts differ, and traffic, outages and starts
as far as they can be compared. What cannot is said. Figures are shown and not
judged: only verdicts get worse.

` + evidenceCodes,
		Example: "  blackout report compare reports/out/RUN reports/out/OTHER",
		Args:    arguments("name two runs' directories", 2),
		RunE: func(c *cobra.Command, args []string) error {
			var runs [2]reports.Model
			for i, dir := range args {
				m, err := reports.Read(dir)
				if err != nil {
					return fmt.Errorf("%w: %w", run.ErrUsage, err)
				}
				runs[i] = m
			}
			comparison := reports.Compare(runs[0], runs[1])
			if err := tellComparison(c, comparison, asJSON); err != nil {
				return exit{run.ExitHarness, err}
			}
			if code := worse[comparison.Worse()]; code != run.ExitHeld {
				return exit{code: code}
			}
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	return c
}

// worse are the exit codes of what got worse.
var worse = map[oracle.Status]int{
	oracle.Held: run.ExitHeld, oracle.Violated: run.ExitViolated, oracle.Invalid: run.ExitInvalid, oracle.NotMeasured: run.ExitNotMeasured,
	reports.NotProven: run.ExitNotProven,
}

func tellComparison(c *cobra.Command, comparison reports.Comparison, asJSON bool) error {
	if !asJSON {
		return comparison.Text(c.OutOrStdout())
	}
	encoder := json.NewEncoder(c.OutOrStdout())
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(comparison)
}

func indexCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "index DIR",
		Short: "List all runs below a directory on a page, with trends and what is new",
		Long: `List all runs below a directory on a page, DIR/` + reports.IndexFile + `: their verdicts, newest
first, the trends of availability, RTO and recovery, and which promise was VIOLATED
after it had HELD, since which run.

` + evidenceCodes,
		Example: "  blackout report index reports/out",
		Args:    arguments("name one directory of runs", 1),
		RunE: func(c *cobra.Command, args []string) error {
			x, err := reports.WriteIndex(args[0])
			if errors.Is(err, reports.ErrNoRuns) {
				return fmt.Errorf("%w: %w", run.ErrUsage, err)
			}
			if err != nil {
				return exit{run.ExitHarness, err}
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "%s\nindex: %s\n", x.Headline(), filepath.Join(args[0], reports.IndexFile))
			return err
		},
	}
}
