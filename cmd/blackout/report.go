// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"blackout/harness/run"
)

const reportHelp = `Look after what runs left: sign it and verify it, compare two runs, list many.

Exit codes:
  0    done; what was asked is so
  1    verify: it is not what was signed; sign: it must not be signed as it is;
       compare: what was not VIOLATED in the first run is in the second
  4    compare: what could be judged in the first run is INVALID in the second
  5    the tool failed
  7    compare: what was judged in the first run is NOT MEASURED in the second,
       or the two cannot be compared
  64   usage`

func reportCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "report",
		Short: "Sign and verify what runs left, compare two of them, list many",
		Long:  reportHelp,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 || args[0] == "help" {
				return c.Help()
			}
			var names []string
			for _, sub := range c.Commands() {
				names = append(names, sub.Name())
			}
			return fmt.Errorf("%w: report has no command %q; its commands are %s", run.ErrUsage, args[0], strings.Join(names, ", "))
		},
	}
	addEvidence(c)
	return c
}
