// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"blackout/harness/run"
	"blackout/reports"
	"blackout/reports/evidence"
)

// evidenceCodes are the exit codes of what is done with runs' directories, for the help.
const evidenceCodes = `Exit codes:
  0    done; what was asked is so
  1    verify: it is not what was signed; sign: it must not be signed as it is;
       compare: what was not VIOLATED in the first run is in the second
  4    compare: what could be judged in the first run is INVALID in the second
  5    the tool failed
  6    compare: what was PROVEN in the first run is NOT PROVEN in the second
  7    compare: what was judged in the first run is NOT MEASURED in the second,
       or the two cannot be compared
  64   usage`

// addEvidence adds what is done with runs' directories to the command report.
func addEvidence(c *cobra.Command) {
	c.AddCommand(keyCommand(), signCommand(), verifyCommand(), compareCommand(), indexCommand())
}

func keyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "key FILE",
		Short: "Make a key that signs: FILE, which only its owner may read, and FILE" + evidence.PublicSuffix + ", which verifies",
		Args:  arguments("name one file for the private key", 1),
		RunE: func(c *cobra.Command, args []string) error {
			key, err := evidence.MakeKey(args[0])
			if err != nil {
				return evidenceExit(err)
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "key          %s\nprivate      %s: keep it\npublic       %s: hand it on\n", key.ID(), args[0], args[0]+evidence.PublicSuffix)
			return err
		},
	}
}

func signCommand() *cobra.Command {
	var file string
	c := &cobra.Command{
		Use:   "sign RUN",
		Short: "Sign every file of a finished run's directory, and the digests of the programs that ran",
		Long: `Sign every file of a finished run's directory, and the digests of the programs that
ran. What is written beside them, ` + evidence.StatementFile + `, is an in-toto test result
in a DSSE envelope.

` + evidenceCodes,
		Example: "  blackout report key release.pem\n  blackout report sign reports/out/RUN --key release.pem",
		Args:    arguments("name one run's directory", 1),
		RunE: func(c *cobra.Command, args []string) error {
			if file == "" {
				return fmt.Errorf("%w: --key names the file of the private key; `blackout report key FILE` makes one", run.ErrUsage)
			}
			key, err := evidence.ReadPrivateKey(file)
			if err != nil {
				return evidenceExit(err)
			}
			signed, err := evidence.Sign(args[0], key)
			if err != nil {
				return evidenceExit(err)
			}
			return tellSigned(c.OutOrStdout(), "signed", args[0], signed)
		},
	}
	c.Flags().StringVar(&file, "key", "", "file of the private key, Ed25519 in PEM")
	return c
}

func verifyCommand() *cobra.Command {
	var file string
	c := &cobra.Command{
		Use:   "verify RUN",
		Short: "Check that a run's directory is what was signed: nothing altered, missing or added",
		Long: `Check that a run's directory is what was signed: nothing altered, missing or added.
That it is says nothing of the run's outcome, which is printed.

` + evidenceCodes,
		Example: "  blackout report verify reports/out/RUN --key release.pem.pub",
		Args:    arguments("name one run's directory", 1),
		RunE: func(c *cobra.Command, args []string) error {
			if file == "" {
				return fmt.Errorf("%w: --key names the file of the public key, from whoever signed", run.ErrUsage)
			}
			key, err := evidence.ReadPublicKey(file)
			if err != nil {
				return evidenceExit(err)
			}
			verified, err := evidence.Verify(args[0], key)
			if err != nil {
				return evidenceExit(err)
			}
			return tellSigned(c.OutOrStdout(), "verified", args[0], verified)
		},
	}
	c.Flags().StringVar(&file, "key", "", "file of the public key, Ed25519 in PEM")
	return c
}

// tellSigned says what was signed or verified.
func tellSigned(w io.Writer, done, dir string, s evidence.Signed) error {
	var b strings.Builder
	about := func(what string) string { return reports.Plain(s.About()[what]) }
	fmt.Fprintf(&b, "run          %s: %s, seed %s, timers %s, engine %s\n", about("run"), about("scenario"), about("seed"), about("timers"), about("engine"))
	fmt.Fprintf(&b, "outcome      %s\n", about("outcome"))
	fmt.Fprintf(&b, "key          %s\n", s.KeyID)
	fmt.Fprintf(&b, "covers       %d files, digests of %d programs\n", s.Files, s.Images)
	if len(s.Unpinned) > 0 {
		fmt.Fprintf(&b, "not covered  what the image's name stood for: %s\n", reports.Plain(strings.Join(s.Unpinned, ", ")))
	}
	fmt.Fprintf(&b, "%s: %s\n", done, dir)
	_, err := io.WriteString(w, b.String())
	return err
}

// evidenceExit is an error of the package evidence with its exit code.
func evidenceExit(err error) error {
	switch {
	case errors.Is(err, evidence.ErrInput):
		return fmt.Errorf("%w: %w", run.ErrUsage, err)
	case errors.Is(err, evidence.ErrRefused):
		return exit{run.ExitViolated, err}
	}
	return exit{run.ExitHarness, err}
}

// arguments refuses any other number of arguments, and says what is wanted.
func arguments(want string, n int) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) != n {
			return fmt.Errorf("%w: %s: %s", run.ErrUsage, c.CommandPath(), want)
		}
		return nil
	}
}
