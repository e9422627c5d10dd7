// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"blackout/harness/run"
)

func replayCommand() *cobra.Command {
	var f runFlags
	c := &cobra.Command{
		Use:   "replay RUN",
		Short: "Carry out the plan of a finished run again",
		Long: `Carry out the plan of a finished run again, step by step as it is: nothing is
drawn. RUN is the run's directory, or a file that holds a plan, for example a
plan.json that was made smaller by hand. Its steps are numbered anew.

` + exitCodes,
		Example: "  blackout replay reports/out/RUN --engine local\n  blackout replay smaller.json --gateway PATH",
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
			p, err := run.ReadPlan(args[0], f.budget)
			if err != nil {
				return err
			}
			return f.carryOut(c.Context(), c.OutOrStdout(), p, []string{"replay", args[0]})
		},
	}
	c.Flags().StringVar(&f.timers, "timers", "", "timer profile: fast, kong; without it the plan's, whose times presume it")
	f.addSLO(c)
	f.addServe(c)
	f.add(c)
	return c
}
