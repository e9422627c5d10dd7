// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"blackout/harness/run"
	"blackout/internal/fallback"
	"blackout/internal/fallback/bucket"
	"blackout/internal/operator"
)

// exitInterrupted is the exit code after an interrupt, as shells have it.
const exitInterrupted = 130

const fallbackHelp = `Look after the copy of a gateway's configuration that new data planes boot from
while their control plane is gone.

The storage is that of the nodes: --storage, or the environment variable
` + operator.StorageVariable + `. Credentials are never flags: they come from
the environment as a node takes them (AWS_ACCESS_KEY_ID …, AWS_REGION,
AWS_CONFIG_STORAGE_ENDPOINT).

On a terminal the commands write for people, elsewhere JSON; --json and --human
choose. docs/operating-the-fallback.md describes both.

Exit codes:
  0    done; nothing is wrong
  1    something is wrong: a snapshot is not bootable, there is none, the two
       sides differ, a write was refused
  3    the environment failed: the storage or the control plane does not answer
       or denies access
  5    the tool failed
  64   usage
  130  interrupted`

// fallbackFlags are the flags of every command below fallback.
type fallbackFlags struct {
	storage       string
	maxSize       string // of a snapshot that is read
	asJSON, human bool
}

func fallbackCommand() *cobra.Command {
	var f fallbackFlags
	c := &cobra.Command{
		Use:   "fallback",
		Short: "Look after the snapshots that data planes boot from while the control plane is gone",
		Long:  fallbackHelp,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 || args[0] == "help" {
				return c.Help()
			}
			var names []string
			for _, sub := range c.Commands() {
				names = append(names, sub.Name())
			}
			return fmt.Errorf("%w: fallback has no command %q; its commands are %s", run.ErrUsage, args[0], strings.Join(names, ", "))
		},
	}
	flags := c.PersistentFlags()
	flags.StringVar(&f.storage, "storage", "", "the storage, as in s3://bucket/prefix; by default "+operator.StorageVariable)
	flags.BoolVar(&f.asJSON, "json", false, "write JSON, also on a terminal")
	flags.BoolVar(&f.human, "human", false, "write for people, also where there is no terminal")
	c.MarkFlagsMutuallyExclusive("json", "human")
	c.AddCommand(f.inspectCommand(), f.verifyCommand(), f.diffCommand(), f.exportCommand(), f.seedCommand(), f.iamCommand(), f.bucketInitCommand())
	return c
}

// url is the storage's.
func (f *fallbackFlags) url() string {
	if f.storage != "" {
		return f.storage
	}
	return os.Getenv(operator.StorageVariable)
}

// with does something with the storage.
func (f *fallbackFlags) with(do func(*operator.Storage) error) error {
	storage, err := operator.Open(f.url(), os.Getenv)
	if err != nil {
		return err
	}
	defer storage.Close()
	return do(storage)
}

// reading does something with a storage whose snapshots are read whole.
func (f *fallbackFlags) reading(do func(*operator.Storage) error) error {
	limit, err := parseSize(f.maxSize)
	if err != nil {
		return err
	}
	return f.with(func(s *operator.Storage) error {
		s.MaxBytes = limit
		return do(s)
	})
}

// addMaxSize adds the flag of a command that reads snapshots whole.
func (f *fallbackFlags) addMaxSize(c *cobra.Command) {
	size := os.Getenv(operator.MaxSizeVariable)
	if size == "" {
		size = strconv.Itoa(fallback.DefaultMaxBytes)
	}
	c.Flags().StringVar(&f.maxSize, "max-size", size, "bytes of the largest snapshot to take, as the nodes' blackout_fallback_max_size")
}

// parseSize reads a number of bytes, in the bounds that a node sets.
func parseSize(text string) (int64, error) {
	const largest = 1 << 30
	size, err := strconv.ParseInt(text, 10, 64)
	if err != nil || size < 1 || size > largest {
		return 0, fmt.Errorf("%w: --max-size, by default %s, is %q; write bytes, from 1 to %d", run.ErrUsage, operator.MaxSizeVariable, text, largest)
	}
	return size, nil
}

// texter is what can be written for people, too.
type texter interface{ Text(w io.Writer) error }

// emit writes a result in the form that was asked for.
func (f *fallbackFlags) emit(c *cobra.Command, result texter) error {
	if f.human || !f.asJSON && isTerminal(c.OutOrStdout()) {
		return result.Text(c.OutOrStdout())
	}
	encoder := json.NewEncoder(c.OutOrStdout())
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(result)
}

// isTerminal says whether people are likely to read what is written to w.
func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// ran makes a command of what it does: every error gets its exit code.
func (f *fallbackFlags) ran(do func(c *cobra.Command) error) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, _ []string) error {
		err := do(c)
		var invalid *operator.Invalid
		if errors.As(err, &invalid) {
			return errors.Join(f.emit(c, invalid), exit{code: run.ExitViolated})
		}
		return fallbackExit(c.Context(), err)
	}
}

// fallbackExit is an error with its exit code.
func fallbackExit(ctx context.Context, err error) error {
	var coded exit
	is := func(kinds ...error) bool {
		for _, kind := range kinds {
			if errors.Is(err, kind) {
				return true
			}
		}
		return false
	}
	switch {
	case err == nil || errors.As(err, &coded) || errors.Is(err, run.ErrUsage):
		return err
	case ctx.Err() != nil:
		return exit{exitInterrupted, errors.New("interrupted")}
	case is(operator.ErrInput):
		return fmt.Errorf("%w: %w", run.ErrUsage, err)
	case is(operator.ErrRefused, bucket.ErrNotFound, bucket.ErrConflict, bucket.ErrTooLarge, bucket.ErrNotEncrypted, fallback.ErrCorrupt, fallback.ErrInvalid):
		return exit{run.ExitViolated, err}
	case is(context.DeadlineExceeded) && !is(operator.ErrEnvironment, bucket.ErrUnavailable, bucket.ErrIncomplete):
		return exit{run.ExitEnvironment, fmt.Errorf("%w: no answer in time; see whether the storage runs, and check its address", err)}
	case is(operator.ErrEnvironment, bucket.ErrDenied, bucket.ErrRefused, bucket.ErrUnavailable, bucket.ErrIncomplete):
		return exit{run.ExitEnvironment, err}
	}
	return exit{run.ExitHarness, err}
}

// noArguments refuses arguments in one line.
func noArguments(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%w: %s takes no argument, and %q is one; it takes flags", run.ErrUsage, c.CommandPath(), args[0])
	}
	return nil
}

// addVersion adds the flag for the version whose snapshot is meant.
func addVersion(c *cobra.Command, version *string, what string) {
	c.Flags().StringVar(version, "version", os.Getenv("KONG_BLACKOUT_BUCKET_VERSION"), what)
}
