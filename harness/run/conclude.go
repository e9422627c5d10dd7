// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package run

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"blackout/harness"
	"blackout/harness/engine"
	"blackout/harness/fault"
	"blackout/harness/history"
	"blackout/harness/oracle"
	"blackout/reports"
	"blackout/reports/objective"
)

// tearDownTimeout bounds healing, log collection and removal together. They run
// on a context of their own: an interrupt must not keep a fault in place.
const tearDownTimeout = 90 * time.Second

// experimental says whether an error is an outcome of the experiment, which the
// oracles judge, and not a failure of harness or environment.
func experimental(err error) bool {
	return errors.Is(err, harness.ErrUnsteady) || errors.Is(err, fault.ErrNotWitnessed) ||
		errors.Is(err, engine.ErrEnded)
}

// tearDown heals, collects every node's log and removes what was started.
func (r *runner) tearDown(ctx context.Context, cluster *harness.Cluster, s *harness.Setup) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tearDownTimeout)
	defer cancel()
	healErr := cluster.Close(ctx)
	logErr := r.saveLogs(ctx, cluster)
	return errors.Join(healErr, logErr, r.close(ctx, s))
}

// close removes what the engine started and ends the recording.
func (r *runner) close(ctx context.Context, s *harness.Setup) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tearDownTimeout)
	defer cancel()
	var errs []error
	r.removed = true
	for _, e := range []engine.Engine{s.Engine, s.Host.Engine} { // which may be one and the same: Close is idempotent
		if e == nil {
			continue
		}
		if err := e.Close(ctx); err != nil {
			r.removed = false
			errs = append(errs, fmt.Errorf("remove what the run started: %w", err))
		}
	}
	if r.ledger != nil {
		errs = append(errs, r.ledger.Close())
	}
	if r.rec != nil {
		errs = append(errs, r.rec.Close())
	}
	return errors.Join(errs...)
}

func (r *runner) saveLogs(ctx context.Context, cluster *harness.Cluster) error {
	dir := filepath.Join(r.dir, logsDir)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("save logs: %w", err)
	}
	return cluster.Logs(ctx, func(node string, log io.Reader) error {
		f, err := os.Create(filepath.Join(dir, node+".log"))
		if err != nil {
			return fmt.Errorf("save log of %s: %w", node, err)
		}
		return errors.Join(r.copyLog(f, node, log), f.Close())
	})
}

// copyLog copies a log line by line, without the name that the run's directory had
// on this machine and without secrets. A node that wrote one is recorded.
func (r *runner) copyLog(w io.Writer, node string, log io.Reader) error {
	lines := bufio.NewReader(log)
	for {
		line, err := lines.ReadString('\n')
		line, secret := r.rec.Scrub(line)
		if secret {
			r.rec.Event(history.Event{Kind: history.SecretSeen, Node: node, Text: string(history.NodeLog)})
		}
		if _, writeErr := io.WriteString(w, strings.ReplaceAll(line, r.work, "$RUN")); writeErr != nil {
			return writeErr
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// conclude judges the recording, keeps what it is compared with, the runs before it, and
// writes the reports.
func (r *runner) conclude(experimentErr error, interrupted bool) (Result, error) {
	result := Result{Dir: r.dir, Err: experimentErr, Invalid: experimentErr != nil && (interrupted || experimental(experimentErr))}
	if errors.Is(experimentErr, harness.ErrPanic) {
		result.Invalid = false
	}
	rec, err := history.Load(filepath.Join(r.dir, recordingDir))
	if err != nil {
		return result, errors.Join(experimentErr, err)
	}
	if result.Oracle, err = oracle.Judge(rec, r.plan.Promises, r.plan.Exercises...); err != nil {
		return result, errors.Join(experimentErr, err)
	}
	input := reports.Input{Recording: rec, Result: result.Oracle, Exercises: r.plan.Exercises, Environment: r.environment(), SLO: r.options.SLO, Indicators: r.options.Indicators}
	baseline := reports.GatherBaseline(filepath.Dir(r.dir), rec.Header, input.Environment)
	if err := baseline.Save(r.dir); err != nil {
		return result, errors.Join(experimentErr, err)
	}
	input.Baseline = &baseline
	result.Model = reports.Build(input)
	if result.Files, err = reports.Write(r.dir, input); err != nil {
		return result, errors.Join(experimentErr, err)
	}
	if result.Races, err = r.raceReports(); err != nil {
		return result, errors.Join(experimentErr, err)
	}
	if len(result.Races) > 0 {
		err = fmt.Errorf("data races in the nodes: %s", strings.Join(result.Races, ", "))
	}
	if result.Invalid {
		return result, err
	}
	return result, errors.Join(experimentErr, err)
}

// raceReports are the files that the race detector wrote in the nodes.
func (r *runner) raceReports() ([]string, error) {
	if !r.options.Race {
		return nil, nil
	}
	return filepath.Glob(filepath.Join(r.raceDir(), "*"))
}

// The exit codes of bin/blackout, in the order in which they win.
const (
	ExitUsage       = 64
	ExitEnvironment = 3
	ExitHarness     = 5
	ExitViolated    = 1
	ExitInvalid     = 4
	ExitNotMeasured = 7
	ExitNotProven   = 6
	ExitHeld        = 0
)

// precedence is the order in which exit codes win.
var precedence = []int{ExitUsage, ExitEnvironment, ExitHarness, ExitViolated, ExitInvalid, ExitNotMeasured, ExitNotProven, ExitHeld}

// Worse is the exit code of two runs together.
func Worse(a, b int) int {
	for _, code := range precedence {
		if a == code || b == code {
			return code
		}
	}
	return ExitHarness
}

// ExitCode is the code for a run's result and error.
func ExitCode(result Result, err error) int {
	switch {
	case errors.Is(err, ErrUsage):
		return ExitUsage
	case errors.Is(err, engine.ErrUnavailable), errors.Is(err, harness.ErrEnvironment):
		return ExitEnvironment
	case err != nil:
		return ExitHarness
	}
	return verdictCode(result)
}

func verdictCode(result Result) int {
	count := make(map[oracle.Status]int)
	for _, v := range result.Oracle.Verdicts {
		count[v.Status]++
	}
	for _, o := range result.Model.Objectives {
		count[statusOf(o.Status)]++
	}
	switch {
	case count[oracle.Violated] > 0:
		return ExitViolated
	case count[oracle.Invalid] > 0 || result.Invalid:
		return ExitInvalid
	case count[oracle.NotMeasured] > 0 || len(result.Oracle.Verdicts) == 0:
		return ExitNotMeasured
	case count[reports.NotProven] > 0:
		return ExitNotProven
	}
	return ExitHeld
}

// statusOf is an objective's status among those of promises. One that nobody knows is
// no good news.
func statusOf(s objective.Status) oracle.Status {
	switch s {
	case objective.Proven:
		return oracle.Held
	case objective.Violated, objective.NotMeasured, objective.NotProven:
		return oracle.Status(s)
	}
	return oracle.Invalid
}
