// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"blackout/harness/run"
)

func reportCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "report",
		Short: "Sign and verify what runs left, compare two of them, list many",
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
