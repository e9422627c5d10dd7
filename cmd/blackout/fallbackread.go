// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"blackout/harness/run"
	"blackout/internal/operator"
)

func (f *fallbackFlags) inspectCommand() *cobra.Command {
	var version string
	var settings bool
	c := &cobra.Command{
		Use:   "inspect",
		Short: "Say what is in the bucket: versions, hash, age, exporter, epoch, encryption, size, lease",
		Example: "  blackout fallback inspect --storage s3://backup/eu\n" +
			"  blackout fallback inspect --version 3.9.1     # without the right to list",
		Args: noArguments,
	}
	addVersion(c, &version, "look at the objects of this version alone, without listing")
	c.Flags().BoolVar(&settings, "settings", false, "say too how the bucket is set up, which takes rights that no node needs")
	c.RunE = f.ran(func(c *cobra.Command) error {
		return f.with(func(s *operator.Storage) error {
			found, err := s.Inspect(c.Context(), version)
			if err == nil && settings {
				found.Settings, err = s.Settings(c.Context())
			}
			if err != nil {
				return err
			}
			return f.emit(c, found)
		})
	})
	return c
}

func (f *fallbackFlags) verifyCommand() *cobra.Command {
	var options operator.VerifyOptions
	var expiring string
	var strict bool
	c := &cobra.Command{
		Use:   "verify --version VERSION",
		Short: "Say whether a node of a version can boot from its snapshot, and name all that is wrong",
		Long: `Read the snapshot of a version as a node does, and say whether one can boot from
it: every entity is validated, and all problems are named. Certificates that have
expired or soon will, values that a node must fetch from a vault, and plugins that
this gateway does not run are named too.

A warning, or a certificate that has expired, keeps no node from booting: it
changes the exit code with --strict alone.`,
		Example: "  blackout fallback verify --version 3.9.1 --expiring 30d",
		Args:    noArguments,
	}
	addVersion(c, &options.Version, "exact version of the node that is to boot")
	f.addMaxSize(c)
	c.Flags().StringVar(&expiring, "expiring", "30d", "name certificates that end within this time, as in 30d or 12h")
	c.Flags().StringVar(&options.Gateway, "gateway", operator.OwnGateway, "whose data planes are to boot: "+operator.OwnGateway+", "+operator.Kong)
	c.Flags().BoolVar(&strict, "strict", false, "exit with 1 on warnings and expiring certificates as well")
	c.RunE = f.ran(func(c *cobra.Command) error {
		var err error
		if options.Expiring, err = parseDays(expiring); err != nil {
			return err
		}
		if options.Gateway != operator.OwnGateway && options.Gateway != operator.Kong {
			return fmt.Errorf("%w: unknown gateway %q; there are %s and %s", run.ErrUsage, options.Gateway, operator.OwnGateway, operator.Kong)
		}
		return f.reading(func(s *operator.Storage) error {
			v, err := s.Verify(c.Context(), options)
			if err != nil {
				return err
			}
			if err := f.emit(c, v); err != nil {
				return err
			}
			return wrongIf(!v.Bootable || strict && !v.Sound())
		})
	})
	return c
}

// wrongIf is the exit code of what found something wrong and has said so.
func wrongIf(wrong bool) error {
	if wrong {
		return exit{code: run.ExitViolated}
	}
	return nil
}

// parseDays reads a time such as 30d or 12h.
func parseDays(text string) (time.Duration, error) {
	if days, found := strings.CutSuffix(text, "d"); found {
		if n, err := strconv.ParseUint(days, 10, 16); err == nil && n <= maxDays {
			return time.Duration(n) * 24 * time.Hour, nil // #nosec G115 -- bounded
		}
	} else if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return d, nil
	}
	return 0, fmt.Errorf("%w: --expiring %q is no time; write days or hours, as in 30d or 12h", run.ErrUsage, text)
}

// sourceFlags say where a configuration comes from.
type sourceFlags struct{ controlPlane, file string }

func (s *sourceFlags) add(c *cobra.Command, file string) {
	c.Flags().StringVar(&s.controlPlane, "control-plane", "", "URL of a control plane's Admin API, as in http://cp:8001; a token for it is taken from "+operator.TokenVariable)
	c.Flags().StringVar(&s.file, "file", "", file)
}

// read reads the configuration, a file by its own reader.
func (s *sourceFlags) read(ctx context.Context, file func(string) (*operator.Configuration, error)) (*operator.Configuration, error) {
	switch {
	case (s.controlPlane == "") == (s.file == ""):
		return nil, fmt.Errorf("%w: give one of --control-plane and --file", run.ErrUsage)
	case s.file != "":
		return file(s.file)
	}
	cp, err := operator.NewControlPlane(s.controlPlane, os.Getenv(operator.TokenVariable))
	if err != nil {
		return nil, err
	}
	return cp.Read(ctx)
}

func (f *fallbackFlags) diffCommand() *cobra.Command {
	var version string
	var source sourceFlags
	c := &cobra.Command{
		Use:   "diff --version VERSION (--control-plane URL | --file FILE)",
		Short: "Say what sets the snapshot apart from a control plane or a declarative file",
		Long: `Compare a snapshot with what a control plane configures, read through its Admin
API, or with a declarative file. Entities are the same one by their id or else by
their name. Fields that differ are named; their values are not shown, since they may
be secrets. The exit code is 1 if anything differs.`,
		Example: "  blackout fallback diff --version 3.9.1 --control-plane http://cp:8001\n  blackout fallback diff --version 3.9.1 --file kong.yaml",
		Args:    noArguments,
	}
	addVersion(c, &version, "version whose snapshot is compared")
	f.addMaxSize(c)
	source.add(c, "declarative file, YAML or JSON")
	c.RunE = f.ran(func(c *cobra.Command) error {
		return f.reading(func(s *operator.Storage) error {
			with, err := source.read(c.Context(), operator.ReadFile)
			if err != nil {
				return err
			}
			d, err := s.Diff(c.Context(), version, with)
			if err != nil {
				return err
			}
			if err := f.emit(c, d); err != nil {
				return err
			}
			return wrongIf(!d.Equal)
		})
	})
	return c
}
