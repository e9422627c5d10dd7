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

// reportFlags are the flags of the command report.
type reportFlags struct{ slo, baseline, out string }

func reportCommand() *cobra.Command {
	var again reportFlags
	c := &cobra.Command{
		Use:   "report RUN",
		Short: "Write a finished run's report again, also with another SLO file",
		Long: `Write the report of a finished run again: its recording is judged by today's
oracles, and its objectives are those of the SLO file that the run was given, or of
another one, which is then copied into the run's directory in its place. RUN is the
run's directory. Where the run took place, its old report says. The runs before it are
those of its baseline.json, or those below another directory, which then take its place.

` + exitCodes,
		Example: "  blackout report reports/out/RUN\n  blackout report reports/out/RUN --slo fixtures/slo/nightly.yaml",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return fmt.Errorf("%w: name one run's directory", run.ErrUsage)
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			for _, name := range []string{"slo", "baseline"} {
				if flag := c.Flags().Lookup(name); flag.Changed && flag.Value.String() == "" {
					return fmt.Errorf("%w: --%s is given and empty", run.ErrUsage, name)
				}
			}
			if again.out == "" {
				again.out = args[0]
			}
			return again.write(c.OutOrStdout(), args[0])
		},
	}
	c.Flags().StringVar(&again.slo, "slo", "", "OpenSLO file whose objectives are judged; by default the one that the run was given, if it was")
	c.Flags().StringVar(&again.baseline, "baseline", "", "directory below which the runs before it are looked for; by default those that were kept with it")
	c.Flags().StringVar(&again.out, "out", "", "directory for the report; by default the run's, whose report is replaced")
	addEvidence(c)
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

// write writes the report of the run in dir.
func (f reportFlags) write(w io.Writer, dir string) error {
	in, err := f.input(dir)
	if errors.Is(err, run.ErrUsage) {
		return err
	}
	if err != nil {
		return fmt.Errorf("%w: %w", run.ErrUsage, err)
	}
	if in.SLO != nil {
		if err := run.KeepSLO(f.out, *in.SLO); err != nil {
			return exit{run.ExitHarness, err}
		}
	}
	if in.Baseline != nil {
		if err := in.Baseline.Save(f.out); err != nil {
			return exit{run.ExitHarness, err}
		}
	}
	if _, err := reports.Write(f.out, in); err != nil {
		return exit{run.ExitHarness, err}
	}
	result := run.Result{Dir: f.out, Oracle: in.Result, Model: reports.Build(in)}
	if err := conclude(w, result); err != nil {
		return exit{run.ExitHarness, err}
	}
	if code := run.ExitCode(result, nil); code != run.ExitHeld {
		return exit{code: code}
	}
	return nil
}

// input reads what the report of the run in dir is made from.
func (f reportFlags) input(dir string) (in reports.Input, err error) {
	if in.Recording, err = history.Load(filepath.Join(dir, "recording")); err != nil {
		return in, err
	}
	if f.slo == "" {
		if f.slo, err = run.KeptSLO(dir); err != nil {
			return in, err
		}
	}
	if f.slo != "" {
		if in.SLO, err = readSLO(f.slo); err != nil {
			return in, err
		}
	}
	promises, exercises, err := asked(in.Recording.Header)
	if err != nil {
		return in, err
	}
	in.Exercises = exercises
	if in.Result, err = oracle.Judge(in.Recording, promises, exercises...); err != nil {
		return in, err
	}
	if in.Environment, err = environmentOf(dir); err != nil {
		return in, err
	}
	in.Baseline, err = f.earlier(dir, in)
	return in, err
}

// earlier is the baseline of the run in dir; nil if it has none.
func (f reportFlags) earlier(dir string, in reports.Input) (*reports.Baseline, error) {
	if f.baseline == "" {
		return reports.ReadBaseline(dir, in.Recording.Header.Run)
	}
	if err := reports.OfRuns(f.baseline); err != nil {
		return nil, fmt.Errorf("--baseline: %w", err)
	}
	b := reports.GatherBaseline(f.baseline, in.Recording.Header, in.Environment)
	return &b, nil
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
