// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"blackout/harness/run"
	"blackout/internal/operator"
)

const writeHelp = `

The same guard and the same bookkeeping hold as for a backup node, and the write takes
effect only if nobody else writes meanwhile. A snapshot that holds something is replaced
with --force alone; without it, and with --dry-run, what would change is shown. An empty
configuration is never written. A backup node that runs writes its own configuration
again.`

func (f *fallbackFlags) exportCommand() *cobra.Command {
	var options operator.ReplaceOptions
	var source sourceFlags
	c := &cobra.Command{
		Use:   "export --version VERSION (--control-plane URL | --file FILE)",
		Short: "Write a snapshot once, from a control plane or from a file with a config_table",
		Long: `Write a snapshot once: what a control plane configures, read through its Admin API, or a
file that holds a config_table as a backup node writes it.` + writeHelp,
		Example: "  blackout fallback export --version 3.9.1 --control-plane http://cp:8001\n  blackout fallback export --version 3.9.1 --file config.json --force",
		Args:    noArguments,
	}
	f.addWriting(c, &options)
	source.add(c, "file with a config_table, JSON, written as it is")
	c.RunE = f.writes(&options, func(ctx context.Context) (*operator.Configuration, error) {
		return source.read(ctx, operator.ReadTable)
	})
	return c
}

func (f *fallbackFlags) seedCommand() *cobra.Command {
	var options operator.ReplaceOptions
	var file string
	c := &cobra.Command{
		Use:   "seed --version VERSION --file FILE",
		Short: "Write a snapshot once, from a declarative file",
		Long: `Write a snapshot once, from a declarative file (YAML or JSON), which becomes what a control
plane would hand out: with ids, defaults and a workspace. The same file always gives the
same snapshot.` + writeHelp,
		Example: "  blackout fallback seed --version 3.9.1 --file kong.yaml",
		Args:    noArguments,
	}
	f.addWriting(c, &options)
	c.Flags().StringVar(&file, "file", "", "declarative file, YAML or JSON")
	c.RunE = f.writes(&options, func(context.Context) (*operator.Configuration, error) {
		if file == "" {
			return nil, fmt.Errorf("%w: give --file, a declarative file", run.ErrUsage)
		}
		return operator.ReadFile(file)
	})
	return c
}

func (f *fallbackFlags) addWriting(c *cobra.Command, options *operator.ReplaceOptions) {
	addVersion(c, &options.Version, "version whose snapshot is written")
	f.addMaxSize(c)
	c.Flags().BoolVar(&options.Force, "force", false, "replace a snapshot that holds something")
	c.Flags().BoolVar(&options.DryRun, "dry-run", false, "say what would be written and replaced, and write nothing")
}

// writes makes the command that writes what is read.
func (f *fallbackFlags) writes(options *operator.ReplaceOptions, read func(context.Context) (*operator.Configuration, error)) func(*cobra.Command, []string) error {
	return f.ran(func(c *cobra.Command) error {
		return f.reading(func(s *operator.Storage) error {
			with, err := read(c.Context())
			if err != nil {
				return err
			}
			options.By = writer(c.Name())
			r, err := s.Replace(c.Context(), with, *options)
			if err != nil {
				return err
			}
			if err := f.emit(c, r); err != nil {
				return err
			}
			return wrongIf(r.Outcome == operator.Refused)
		})
	})
}

// writer is what a one-off export is called in the snapshot's bookkeeping: it has no
// node's id.
func writer(command string) string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	host = strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' {
			return '?'
		}
		return r
	}, host)
	return "blackout-" + command + "@" + host
}
