// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"blackout/harness"
	"blackout/harness/build"
	"blackout/harness/defect"
	"blackout/harness/run"
	"blackout/reports"
	"blackout/scenarios"
)

// defaultOut is where runs leave their files.
var defaultOut = filepath.Join("reports", "out")

// runFlags are the flags of `blackout run`.
type runFlags struct {
	engine, timers, gateway, defect, control, store, out string
	seed                                                 string
	images                                               map[string]string
	race                                                 bool
}

func runCommand() *cobra.Command {
	var f runFlags
	c := &cobra.Command{
		Use:   "run SCENARIO",
		Short: "Run a scenario, judge it and write its report",
		Args:  oneScenario,
		RunE: func(c *cobra.Command, args []string) error {
			for _, name := range []string{"gateway", "defect", "control", "store", "seed", "out"} {
				if flag := c.Flags().Lookup(name); flag.Changed && flag.Value.String() == "" {
					return fmt.Errorf("%w: --%s is given and empty", run.ErrUsage, name)
				}
			}
			return runScenario(c.Context(), c.OutOrStdout(), args[0], f)
		},
	}
	flags := c.Flags()
	flags.StringVar(&f.engine, "engine", run.Auto, "where to run: "+strings.Join(run.Engines, ", "))
	flags.StringVar(&f.seed, "seed", "", "seed of the plan; without it one is drawn and printed")
	flags.StringVar(&f.timers, "timers", "fast", "timer profile: fast, kong; fast presumes a gateway that obeys KONG_BLACKOUT_*")
	flags.StringVar(&f.gateway, "gateway", "", "path of the gateway executable to judge, instead of the reference gateway")
	flags.StringVar(&f.defect, "defect", "", "build the reference gateway with this known defect and judge it")
	flags.StringVar(&f.control, "control", "", "misuse the harness on purpose: noop-cut, no-traffic")
	flags.StringVar(&f.store, "store", "", "object store: minio, embedded; by default minio on docker, embedded on local")
	flags.StringToStringVar(&f.images, "image", nil, "docker: run this image for a program, as in minio=quay.io/minio/minio:latest")
	flags.StringVar(&f.out, "out", defaultOut, "directory for the run's files")
	flags.BoolVar(&f.race, "race", false, "local: build the nodes with the race detector")
	c.MarkFlagsMutuallyExclusive("gateway", "defect")
	return c
}

// oneScenario refuses anything but one argument, naming the valid ones.
func oneScenario(_ *cobra.Command, args []string) error {
	if len(args) != 1 {
		names := make([]string, len(scenarios.All))
		for i, s := range scenarios.All {
			names[i] = s.Name
		}
		return fmt.Errorf("%w: name one scenario: %s", run.ErrUsage, strings.Join(names, ", "))
	}
	return nil
}

func runScenario(ctx context.Context, w io.Writer, name string, f runFlags) error {
	scenario, err := scenarios.Find(name)
	if err != nil {
		return fmt.Errorf("%w: %w", run.ErrUsage, err)
	}
	seed, err := parseSeed(f.seed)
	if err != nil {
		return err
	}
	o := run.Options{
		Engine: f.engine, Store: harness.StoreKind(f.store), Seed: seed, Timers: f.timers, Gateway: f.gateway,
		Images: f.images, Control: harness.Control(f.control), Out: f.out, Race: f.race, Progress: newProgress(w),
		Repeat: func(engine string) string { return f.repeat(name, engine, seed) },
	}
	if f.defect != "" {
		if _, err := defect.Read(".", f.defect); err != nil {
			return fmt.Errorf("%w: %w", run.ErrUsage, err)
		}
		o.BuildGateway = func(ctx context.Context, req build.Request) (string, error) {
			return defect.Build(ctx, f.defect, req)
		}
	}
	result, err := run.Run(ctx, scenario, o)
	if result.Model.Run != "" {
		if sumErr := conclude(w, result); sumErr != nil {
			return exit{run.ExitHarness, sumErr}
		}
	}
	if code := run.ExitCode(result, err); code != run.ExitHeld {
		return exit{code, err}
	}
	return nil
}

// conclude prints the closing lines: the verdicts, how to do it again, and where
// the report is.
func conclude(w io.Writer, result run.Result) error {
	fmt.Fprintln(w)
	if err := reports.Summary(w, result.Model); err != nil {
		return err
	}
	if result.Err != nil {
		fmt.Fprintf(w, "ended early: %v\n", result.Err)
	}
	_, err := fmt.Fprintf(w, "report: %s\n", filepath.Join(result.Dir, reports.HTMLFile))
	return err
}

// repeat is the command that does the same run again on an engine.
func (f runFlags) repeat(scenario, engine string, seed uint64) string {
	parts := []string{"bin/blackout", "run", scenario, "--engine", engine, "--seed", strconv.FormatUint(seed, 10), "--timers", f.timers}
	add := func(flag, value string) {
		if value != "" {
			parts = append(parts, flag, quote(value))
		}
	}
	add("--gateway", f.gateway)
	add("--defect", f.defect)
	add("--control", f.control)
	add("--store", f.store)
	for _, program := range slices.Sorted(maps.Keys(f.images)) {
		add("--image", program+"="+f.images[program])
	}
	if f.out != defaultOut {
		add("--out", f.out)
	}
	if f.race {
		parts = append(parts, "--race")
	}
	return strings.Join(parts, " ")
}

// quote makes an argument safe for a POSIX shell.
func quote(s string) string {
	if plain.MatchString(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

var plain = regexp.MustCompile(`^[A-Za-z0-9_./=:@,+-]+$`)

// parseSeed reads a seed, or draws one.
func parseSeed(s string) (uint64, error) {
	if s == "" {
		var b [8]byte
		if _, err := rand.Read(b[:]); err != nil {
			return 0, fmt.Errorf("draw a seed: %w", err)
		}
		return binary.LittleEndian.Uint64(b[:]) >> 32, nil // short enough to be typed again
	}
	seed, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%w: seed %q is not a whole number from 0 to 18446744073709551615", run.ErrUsage, s)
	}
	return seed, nil
}

// newProgress prints lines with the seconds since its making.
func newProgress(w io.Writer) func(string) {
	var mu sync.Mutex
	start := time.Now()
	return func(line string) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(w, "%6.1fs  %s\n", time.Since(start).Seconds(), line)
	}
}
