// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
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
	"blackout/harness/plan"
	"blackout/harness/run"
	"blackout/reports"
	"blackout/scenarios"
)

// defaultOut is where runs leave their files.
var defaultOut = filepath.Join("reports", "out")

// runFlags are the flags of the commands that carry out a plan.
type runFlags struct {
	engine, timers, gateway, defect, control, store, out string
	slo                                                  string // an OpenSLO file
	seed                                                 string
	serve                                                string // where to show the report meanwhile
	images                                               map[string]string
	budget                                               time.Duration
	rounds                                               int // 0: the scenario's own
	race, dryRun                                         bool
}

// add adds the flags that every such command has.
func (f *runFlags) add(c *cobra.Command) {
	flags := c.Flags()
	flags.StringVar(&f.engine, "engine", run.Auto, "where to run: "+strings.Join(run.Engines, ", "))
	flags.StringVar(&f.gateway, "gateway", "", "path of the gateway executable to judge, instead of the reference gateway")
	flags.StringVar(&f.defect, "defect", "", "build the reference gateway with this known defect and judge it")
	flags.StringVar(&f.control, "control", "", "misuse the harness on purpose: "+controlNames())
	flags.StringVar(&f.store, "store", "", "object store: minio, embedded; by default minio on docker, embedded on local")
	flags.StringToStringVar(&f.images, "image", nil, "docker: run this image for a program, as in minio=quay.io/minio/minio:latest")
	flags.StringVar(&f.out, "out", defaultOut, "directory for the run's files")
	flags.BoolVar(&f.race, "race", false, "local: build the nodes with the race detector")
	flags.BoolVar(&f.dryRun, "dry-run", false, "print the plan and what would be built, started and judged, and start nothing")
	addBudget(c, &f.budget)
	c.MarkFlagsMutuallyExclusive("gateway", "defect")
}

// addSLO adds the flag that names what the run is to prove.
func (f *runFlags) addSLO(c *cobra.Command) {
	c.Flags().StringVar(&f.slo, "slo", "", "OpenSLO file whose objectives are judged too, as in fixtures/slo/ci.yaml; it is copied into the run's directory")
}

// addServe adds the flag that shows the report while the run goes on.
func (f *runFlags) addServe(c *cobra.Command) {
	c.Flags().StringVar(&f.serve, "serve", "", "show the report so far to browsers of this machine while the run goes on, as in :8080; port 0 picks a free one")
}

// controlNames are the controls, for people.
func controlNames() string {
	names := make([]string, len(harness.Controls))
	for i, c := range harness.Controls {
		names[i] = string(c)
	}
	return strings.Join(names, ", ")
}

// addBudget adds the flag that bounds a plan.
func addBudget(c *cobra.Command, budget *time.Duration) {
	c.Flags().DurationVar(budget, "budget", 0, fmt.Sprintf("refuse a plan that lasts longer, as in 10m; 0: the scenario's own budget, by default %s", harness.DefaultBudget))
}

// check refuses flags that are given and say nothing.
func (f *runFlags) check(c *cobra.Command) error {
	for _, name := range []string{"gateway", "defect", "control", "store", "seed", "timers", "out", "slo", "serve"} {
		if flag := c.Flags().Lookup(name); flag != nil && flag.Changed && flag.Value.String() == "" {
			return fmt.Errorf("%w: --%s is given and empty", run.ErrUsage, name)
		}
	}
	if f.budget < 0 {
		return fmt.Errorf("%w: --budget %s is negative", run.ErrUsage, f.budget)
	}
	return f.checkServe()
}

func runCommand() *cobra.Command {
	var f runFlags
	c := &cobra.Command{
		Use:   "run SCENARIO",
		Short: "Run a scenario, judge it and write its report",
		Long: `Run a scenario: draw its plan from the seed, carry it out, judge the recording
and write the report. The same seed and timers give the same plan, byte for byte.

` + exitCodes,
		Example: "  blackout run cp-outage-scale-out --engine local --seed 7\n  blackout run cp-outage-scale-out --seed 7 --dry-run\n  blackout run cp-outage-scale-out --slo fixtures/slo/ci.yaml",
		Args:    oneScenario,
		RunE: func(c *cobra.Command, args []string) error {
			if err := f.check(c); err != nil {
				return err
			}
			return runScenario(c.Context(), c.OutOrStdout(), args[0], f)
		},
	}
	c.Flags().StringVar(&f.seed, "seed", "", "seed of the plan; without it one is drawn and printed")
	c.Flags().StringVar(&f.timers, "timers", "fast", "timer profile: fast, kong; fast presumes a gateway that obeys KONG_BLACKOUT_*")
	c.Flags().IntVar(&f.rounds, "rounds", 0, "how many rounds of a scenario that repeats itself: "+strings.Join(repeating(), ", ")+"; 0: its own number")
	f.addSLO(c)
	f.addServe(c)
	f.add(c)
	return c
}

// repeating are the scenarios that may be told how many rounds they have.
func repeating() []string {
	var names []string
	for _, s := range scenarios.All {
		if s.Rounds != nil {
			names = append(names, s.Name)
		}
	}
	return names
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
	if f.rounds != 0 {
		if scenario, err = scenario.WithRounds(f.rounds); err != nil {
			return fmt.Errorf("%w: %w (--rounds)", run.ErrUsage, err)
		}
	}
	seed, err := parseSeed(f.seed)
	if err != nil {
		return err
	}
	o := run.Options{Seed: seed, Timers: f.timers, Budget: f.budget}
	p, err := o.Draw(scenario)
	if errors.Is(err, run.ErrUsage) {
		return err
	}
	if err != nil {
		return exit{run.ExitHarness, err}
	}
	return f.carryOut(ctx, w, p, againOf(name, f.rounds, seed, p.Length()))
}

// againOf are the words of the command that gives the plan of a scenario again, which
// lasts so long; rounds are 0 for its own number.
func againOf(scenario string, rounds int, seed uint64, length time.Duration) []string {
	again := []string{"run", scenario}
	if length > harness.DefaultBudget {
		again = append(again, "--budget", length.String())
	}
	if rounds != 0 {
		again = append(again, "--rounds", strconv.Itoa(rounds))
	}
	return append(again, "--seed", strconv.FormatUint(seed, 10))
}

// carryOut carries out a plan, or says what would be done. The words of again are
// the command that gives the same plan.
func (f runFlags) carryOut(ctx context.Context, w io.Writer, p plan.Plan, again []string) error {
	o, err := f.options(w, again)
	if err != nil {
		return err
	}
	if f.dryRun {
		return run.Preview(ctx, w, p, o)
	}
	result, err := f.carryOutServed(ctx, w, p, o)
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

// options are the flags as harness/run takes them.
func (f runFlags) options(w io.Writer, again []string) (run.Options, error) {
	o := run.Options{
		Engine: f.engine, Store: harness.StoreKind(f.store), Timers: f.timers, Gateway: f.gateway,
		Images: f.images, Control: harness.Control(f.control), Out: f.out, Race: f.race, Progress: newProgress(w),
		Repeat: func(engine string) string { return f.repeat(again, engine) },
	}
	var err error
	if f.slo != "" {
		if o.SLO, err = readSLO(f.slo); err != nil {
			return o, err
		}
	}
	if f.defect == "" {
		return o, nil
	}
	planted, err := defect.Find(".", f.defect)
	if err != nil {
		return o, fmt.Errorf("%w: %w", run.ErrUsage, err)
	}
	o.GatewayName = "reference gateway with the defect " + f.defect
	o.BuildGateway = func(ctx context.Context, req build.Request) (string, error) {
		gateway, err := planted.Build(ctx, req)
		return gateway.Path, err
	}
	return o, nil
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
func (f runFlags) repeat(again []string, engine string) string {
	parts := []string{"bin/blackout"}
	for _, word := range again {
		parts = append(parts, quote(word))
	}
	parts = append(parts, "--engine", engine)
	add := func(flag, value string) {
		if value != "" {
			parts = append(parts, flag, quote(value))
		}
	}
	add("--timers", f.timers)
	add("--gateway", f.gateway)
	add("--defect", f.defect)
	add("--control", f.control)
	add("--store", f.store)
	add("--slo", f.slo)
	add("--serve", f.serve) // which takes processor time, too
	for _, program := range slices.Sorted(maps.Keys(f.images)) {
		add("--image", program+"="+f.images[program])
	}
	if f.out != defaultOut {
		add("--out", f.out)
	}
	if f.race {
		parts = append(parts, "--race")
	}
	if f.budget > 0 {
		add("--budget", f.budget.String())
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
