// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"blackout/harness/history"
	"blackout/harness/oracle"
	"blackout/harness/run"
	"blackout/reports"
	"blackout/reports/objective"
	"blackout/reports/slo"
)

func reportCommand() *cobra.Command {
	var path, out string
	c := &cobra.Command{
		Use:   "report RUN",
		Short: "Write a finished run's report again, also with another SLO file",
		Long: `Write the report of a finished run again: its recording is judged by today's
oracles, and its objectives are those of the SLO file that the run was given, or of
another one, which is then copied into the run's directory in its place. RUN is the
run's directory. Where the run took place, its old report says.

` + exitCodes,
		Example: "  blackout report reports/out/RUN\n  blackout report reports/out/RUN --slo fixtures/slo/nightly.yaml",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return fmt.Errorf("%w: name one run's directory", run.ErrUsage)
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			if flag := c.Flags().Lookup("slo"); flag.Changed && path == "" {
				return fmt.Errorf("%w: --slo is given and empty", run.ErrUsage)
			}
			if out == "" {
				out = args[0]
			}
			return reportAgain(c.OutOrStdout(), args[0], path, out)
		},
	}
	c.Flags().StringVar(&path, "slo", "", "OpenSLO file whose objectives are judged; by default the one that the run was given, if it was")
	c.Flags().StringVar(&out, "out", "", "directory for the report; by default the run's, whose report is replaced")
	return c
}

// readSLO reads an SLO file that can be judged.
func readSLO(path string) (*slo.Document, error) {
	doc, err := slo.Read(path)
	if err == nil {
		err = objective.Check(doc, objective.All)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", run.ErrUsage, err)
	}
	return &doc, nil
}

// reportAgain writes the report of the run in dir.
func reportAgain(w io.Writer, dir, path, out string) error {
	in := reports.Input{}
	var err error
	if in.Recording, err = history.Load(filepath.Join(dir, "recording")); err != nil {
		return fmt.Errorf("%w: %w", run.ErrUsage, err)
	}
	if path == "" {
		if path, err = run.KeptSLO(dir); err != nil {
			return fmt.Errorf("%w: %w", run.ErrUsage, err)
		}
	}
	if path != "" {
		if in.SLO, err = readSLO(path); err != nil {
			return err
		}
	}
	promises, exercises, err := asked(in.Recording.Header)
	if err != nil {
		return fmt.Errorf("%w: %w", run.ErrUsage, err)
	}
	in.Exercises = exercises
	if in.Result, err = oracle.Judge(in.Recording, promises, exercises...); err != nil {
		return fmt.Errorf("%w: %w", run.ErrUsage, err)
	}
	if in.Environment, err = environmentOf(dir); err != nil {
		return fmt.Errorf("%w: %w", run.ErrUsage, err)
	}
	if _, err := reports.Write(out, in); err != nil {
		return exit{run.ExitHarness, err}
	}
	if in.SLO != nil {
		if err := run.KeepSLO(out, *in.SLO); err != nil {
			return exit{run.ExitHarness, err}
		}
	}
	result := run.Result{Dir: out, Oracle: in.Result, Model: reports.Build(in)}
	if err := conclude(w, result); err != nil {
		return exit{run.ExitHarness, err}
	}
	if code := run.ExitCode(result, nil); code != run.ExitHeld {
		return exit{code: code}
	}
	return nil
}

// environmentOf is where a run took place, as its report says. A run that was killed
// has none: then nothing of it is recorded.
func environmentOf(dir string) (reports.Environment, error) {
	text, err := os.ReadFile(filepath.Join(dir, reports.JSONFile))
	if errors.Is(err, fs.ErrNotExist) {
		return reports.Environment{}, nil
	}
	if err != nil {
		return reports.Environment{}, fmt.Errorf("read the old report: %w", err)
	}
	var m reports.Model
	if err := json.Unmarshal(text, &m); err != nil {
		return reports.Environment{}, fmt.Errorf("read %s of the old report: %w", reports.JSONFile, err)
	}
	return m.Environment, nil
}
