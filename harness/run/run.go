// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package run is the one way to run a scenario, for the command line and for
// tests: [Run] plans, and [CarryOut] builds, starts, carries out, heals, cleans up, judges and
// writes the report. Whatever happens on the way, also a panic or an interrupt,
// what was injected is healed, what was started is removed, and what was
// recorded is judged.
//
// A program that calls Run must call [Guard] first thing in main or TestMain: the
// watchdog, which cleans up after a harness that was killed, is the same
// executable started again.
package run

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"blackout/harness"
	"blackout/harness/build"
	"blackout/harness/engine"
	"blackout/harness/engine/docker"
	"blackout/harness/engine/local"
	"blackout/harness/fault"
	"blackout/harness/history"
	"blackout/harness/oracle"
	"blackout/harness/plan"
	"blackout/harness/watchdog"
	"blackout/reports"
	"blackout/reports/objective"
	"blackout/reports/slo"
)

// The files of a run's directory, beside the reports'.
const (
	planFile     = "plan.json"
	recordingDir = "recording"
	logsDir      = "logs"
	sloDir       = "slo" // holds a copy of the SLO file
)

// sweepers remove what a dead run left, by engine. A run on either engine may
// leave processes: those of its builds.
var sweepers = map[string]watchdog.Sweeper{
	"docker": sweepDocker,
	"local":  local.Sweep,
	"files":  sweepFiles,
	"faults": sweepFaults,
}

// sweepDocker removes what a run left in Docker. A daemon that does not answer
// matters only to a run that used one, which its id says.
func sweepDocker(ctx context.Context, run string) ([]string, error) {
	removed, err := docker.Sweep(ctx, run)
	if errors.Is(err, engine.ErrUnavailable) && !strings.Contains(run, "-"+Docker+"-") {
		return nil, nil
	}
	return removed, err
}

// Undoers take away what the faults of a run left in force. None of them starts
// anything.
var Undoers = map[string]fault.Undoer{
	fault.UndoLink:         fault.MendLink,
	fault.UndoRepoint:      fault.RepointLink,
	fault.UndoScript:       fault.EndScript,
	fault.UndoStore:        fault.HealStore,
	fault.UndoStoreTLS:     fault.HealStoreTLS,
	fault.UndoPause:        onEngine(handlers{Docker: docker.Resume, Local: local.Resume}),
	fault.UndoNetwork:      onEngine(handlers{Docker: docker.RestoreNetwork}),
	fault.UndoFullDisk:     fault.FreeDisk,
	fault.UndoReadOnlyDisk: fault.MakeWritable,
}

// sweepFaults undoes the faults that a run left in force.
func sweepFaults(ctx context.Context, run string) ([]string, error) {
	dir, err := fault.LedgerDir()
	if err != nil {
		return nil, err
	}
	return fault.Recover(ctx, dir, run, Undoers)
}

// workPattern is the name of the directory of a run's nodes, for os.MkdirTemp.
func workPattern(id string) string { return "blackout-" + id + "-*" }

// sweepFiles removes the directory of a run's nodes.
func sweepFiles(_ context.Context, run string) ([]string, error) {
	if run == "" {
		return nil, nil // a directory does not say whether its harness is gone
	}
	dirs, err := filepath.Glob(filepath.Join(os.TempDir(), workPattern(run)))
	if err != nil {
		return nil, err
	}
	for _, dir := range dirs {
		if err := os.RemoveAll(dir); err != nil {
			return nil, err
		}
	}
	return dirs, nil
}

// Guard turns this process into the watchdog if it was started as one.
func Guard() { watchdog.MaybeRun(sweepers) }

// Sweep removes what runs left whose harness is gone, and says what.
func Sweep(ctx context.Context) ([]string, error) { return watchdog.SweepDead(ctx, sweepers) }

// Options say how to run a scenario, or carry out a plan.
type Options struct {
	Engine  string            // "docker", "local" or "auto"
	Store   harness.StoreKind // empty: MinIO on docker, the embedded server on local
	Seed    uint64            // of the plan that Run draws
	Timers  string            // name of a timer profile; empty, for CarryOut: the plan's
	Budget  time.Duration     // how long the plan that Run draws may last; 0: the scenario's
	Gateway string            // path of a gateway executable; empty builds the reference gateway

	// BuildGateway, if set, builds the gateway to judge and returns its path,
	// within the run, so that what it leaves is cleaned up with the run's.
	BuildGateway func(ctx context.Context, req build.Request) (path string, err error)
	GatewayName  string // what reports call the gateway to judge; empty: its image, its path or "reference gateway"

	SLO        *slo.Document   // whose objectives are judged; nil: none is
	Indicators []objective.SLI // that it may name; nil: objective.All

	Images   map[string]string // docker: program → image to run instead of one built here
	Control  harness.Control
	Out      string                     // directory under which the run's own is made
	Race     bool                       // local: build the nodes with the race detector
	Repeat   func(engine string) string // the command that repeats the run, for the report; may be nil
	Progress func(line string)          // is told what is done; may be nil

	// Opened, if set, is told where the recording is being written, once it is, and
	// where the run takes place.
	Opened func(dir string, environment reports.Environment)
}

// Result is what came of a run. It is meaningful also beside an error.
type Result struct {
	ID      string
	Dir     string // of the run's files; empty if nothing was started
	Engine  string
	Plan    plan.Plan
	Oracle  oracle.Result
	Model   reports.Model // zero if nothing was recorded
	Files   []string
	Races   []string // reports of the race detector in the nodes
	Err     error    // what ended the run early, if anything did
	Invalid bool     // the experiment could not be judged: no steady state, an unwitnessed fault, an interrupt
}

// Recording reads back what the run recorded.
func (r Result) Recording() (*history.Recording, error) {
	return history.Load(filepath.Join(r.Dir, recordingDir))
}

// Run draws a scenario's plan and carries it out.
func Run(ctx context.Context, scenario harness.Scenario, o Options) (Result, error) {
	p, err := o.Draw(scenario)
	if err != nil {
		return Result{}, err
	}
	return CarryOut(ctx, p, o)
}

// CarryOut carries out a plan, also one of an earlier run, step by step as it is;
// nothing is drawn. Its error is the Result's Err when that is not a matter of the
// experiment itself.
func CarryOut(ctx context.Context, p plan.Plan, o Options) (result Result, err error) {
	if p, err = o.apply(p); err != nil {
		return Result{}, err
	}
	choice, err := chooseEngine(ctx, o)
	if err != nil {
		return Result{Plan: p}, err
	}
	o.Progress(fmt.Sprintf("%s, seed %d, timers %s", p.Scenario, p.Seed, p.Profile.Name))
	o.Progress(choice.why)
	r := &runner{options: o, plan: p, choice: choice, id: newID(choice.engine)}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v\n%s", harness.ErrPanic, p, debug.Stack())
		}
	}()
	result, err = r.run(ctx)
	result.ID, result.Plan, result.Engine = r.id, p, choice.engine
	return result, err
}

// runner is one run on its way.
type runner struct {
	options Options
	plan    plan.Plan
	choice  choice
	id      string
	dir     string
	work    string // directory of the nodes
	rec     *history.Writer
	ledger  *fault.Ledger
	images  map[string]string // program → digest of what ran
	removed bool              // nothing of the run is left
	gateway string            // what is judged, for the report
}

// run does everything from the first directory to the report.
func (r *runner) run(ctx context.Context) (result Result, err error) {
	r.dir = filepath.Join(r.options.Out, r.id)
	// It makes the run's directory. What comes after it, it would clean up.
	dog, err := watchdog.Start(ctx, r.id, r.dir)
	if err != nil && ctx.Err() != nil {
		return r.interruptedEarly(ctx, &harness.Setup{Plan: r.plan})
	}
	if err != nil {
		return Result{}, errors.Join(fmt.Errorf("%w: %w", harness.ErrEnvironment, err), os.RemoveAll(r.dir))
	}
	defer func() {
		if !r.removed {
			return // the watchdog tries again when this process ends
		}
		err = errors.Join(err, os.RemoveAll(r.work), dog.Done())
	}()
	if _, err := Sweep(ctx); err != nil {
		r.options.Progress(fmt.Sprintf("leavings of dead runs could not be removed: %v", err))
	}
	setup, err := r.prepare(ctx)
	if err != nil && ctx.Err() != nil {
		return r.interruptedEarly(ctx, setup)
	}
	if err != nil {
		closeErr := r.close(ctx, setup)
		if errors.Is(err, docker.ErrNotClean) {
			r.removed = false
		}
		return Result{}, errors.Join(err, closeErr, os.RemoveAll(r.dir))
	}
	ctx, setup.Abort = context.WithCancelCause(ctx)
	defer setup.Abort(nil)
	early, left := r.experiment(ctx, setup)
	result, err = r.conclude(early, ctx.Err() != nil)
	return result, errors.Join(err, left)
}

// interruptedEarly reports a run that was interrupted before anything of it was
// started: an empty recording that says so.
func (r *runner) interruptedEarly(ctx context.Context, s *harness.Setup) (Result, error) {
	early := context.Cause(ctx)
	if r.rec == nil {
		if err := r.openRecording(s); err != nil {
			return Result{}, errors.Join(err, r.close(ctx, s))
		}
	}
	r.recordEnd(ctx, early)
	closeErr := r.close(ctx, s)
	result, err := r.conclude(early, true)
	return result, errors.Join(err, closeErr)
}

// experiment carries out the plan and always heals, collects logs and removes
// what was started. It returns what ended it early, and what could not be healed
// or removed.
func (r *runner) experiment(ctx context.Context, s *harness.Setup) (early, left error) {
	cluster, err := harness.New(ctx, *s)
	if err != nil {
		return err, r.close(ctx, s)
	}
	defer func() { left = r.tearDown(ctx, cluster, s) }()
	return r.carryOut(ctx, cluster), nil
}

// carryOut does the steps in order. A panic becomes an error, so that it is
// healed and cleaned up after like any other.
func (r *runner) carryOut(ctx context.Context, cluster *harness.Cluster) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v\n%s", harness.ErrPanic, p, debug.Stack())
		}
		r.recordEnd(ctx, err)
	}()
	phase, pace := "", pace{clock: r.rec}
	for _, step := range r.plan.Steps {
		planned, err := pace.await(ctx, step)
		if err != nil {
			return err
		}
		if step.Phase != phase {
			phase = step.Phase
			r.rec.Event(history.Event{Kind: history.PhaseBegin, Text: phase})
		}
		if err := cluster.Do(ctx, step, planned); err != nil {
			return err
		}
	}
	return nil
}

func (r *runner) recordEnd(ctx context.Context, err error) {
	switch {
	case errors.Is(context.Cause(ctx), harness.ErrPanic):
		r.rec.Event(history.Event{Kind: history.HarnessError, Error: context.Cause(ctx).Error()})
	case ctx.Err() != nil:
		r.rec.Event(history.Event{Kind: history.Interrupted, Text: context.Cause(ctx).Error()})
	case errors.Is(err, harness.ErrUnsteady):
		r.rec.Event(history.Event{Kind: history.Unsteady, Text: err.Error()})
	case errors.Is(err, harness.ErrEnvironment):
		r.rec.Event(history.Event{Kind: history.EnvironmentError, Error: err.Error()})
	case err != nil && !experimental(err):
		r.rec.Event(history.Event{Kind: history.HarnessError, Error: err.Error()})
	}
	counts := r.rec.Counts()
	r.rec.Event(history.Event{Kind: history.RunEnd, OK: err == nil, Events: counts.Events, Requests: counts.Requests})
}

// savePlan writes the plan as it will be carried out.
func (r *runner) savePlan() error {
	f, err := os.Create(filepath.Join(r.dir, planFile))
	if err != nil {
		return fmt.Errorf("write plan: %w", err)
	}
	return errors.Join(r.plan.Encode(f), f.Close())
}

// KeepSLO copies an SLO file into a run's directory, byte for byte and under its name,
// so that its report can be written again. It takes the place of another.
func KeepSLO(dir string, doc slo.Document) error {
	dir = filepath.Join(dir, sloDir)
	err := errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o755))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, doc.Name), doc.Source, 0o644)
	}
	if err != nil {
		return fmt.Errorf("keep the SLO file: %w", err)
	}
	return nil
}

// KeptSLO is the path of the copy in a run's directory; empty if there is none.
func KeptSLO(dir string) (string, error) {
	files, err := os.ReadDir(filepath.Join(dir, sloDir))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err == nil && len(files) != 1 {
		err = fmt.Errorf("%s holds %d files, and should hold one", filepath.Join(dir, sloDir), len(files))
	}
	if err != nil {
		return "", fmt.Errorf("find the kept SLO file: %w", err)
	}
	return filepath.Join(dir, sloDir, files[0].Name()), nil
}
