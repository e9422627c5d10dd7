// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/shirou/gopsutil/v4/load"

	"blackout/harness/build"
	"blackout/harness/defect"
	"blackout/harness/engine"
	"blackout/harness/run"
	"blackout/reports"
)

// The limits of a run.
const (
	runLimit = 15 * time.Minute
	endLimit = 2 * time.Minute // the end of one that was interrupted
	noted    = time.Minute     // from when on a wait for room is told of
)

// judge lets the harness judge a gateway, as soon as the machine has room for it. A run
// that is INVALID is made once more, alone and on the record; any other outcome stands.
func (c *campaign) judge(ctx context.Context, l lane, k key) (row, error) {
	r := row{key: k, Commit: run.Version()}
	for attempt := range 2 {
		dir, err := c.home(k.trial, attempt)
		if err != nil {
			return row{}, err
		}
		admit := c.room.Admit
		if attempt > 0 {
			admit = c.room.AdmitAlone
		}
		begun := time.Now()
		leave, err := admit(ctx)
		if err != nil {
			return row{}, err
		}
		if waited := time.Since(begun); waited > noted {
			c.say("%s: waited %.0f s for room on the machine", k.trial, waited.Seconds())
		}
		err = c.run(ctx, dir, c.built[l.defect.Name], &r)
		leave()
		if err != nil {
			return row{}, fmt.Errorf("%w; see %s", err, dir)
		}
		if r.Exit == run.ExitInvalid && attempt == 0 {
			r.Invalid++
			c.say("%s: INVALID, run once more, alone; see %s", k.trial, dir)
			continue
		}
		if asItShould(l.defect, r) {
			return r, os.RemoveAll(dir) // it can be repeated by its seed
		}
		break
	}
	return r, nil
}

// asItShould says whether a run came to what was expected of it.
func asItShould(d defect.Defect, r row) bool {
	if d.Name == "" {
		return r.Exit == run.ExitHeld
	}
	return r.named(d.Preamble)
}

// gateway builds a gateway with a defect and returns the executable.
func (c *campaign) gateway(ctx context.Context, d defect.Defect) (string, error) {
	binary, err := d.Build(ctx, build.Request{Root: c.root})
	if err != nil {
		return "", fmt.Errorf("%s: %w", filepath.Join(c.dir, d.Name+".patch"), err)
	}
	return binary.Path, nil
}

// run starts the harness, with the built gateway and nothing else about it, waits
// for its end and reads its report. Without one, the harness builds the good gateway.
func (c *campaign) run(ctx context.Context, dir, gateway string, r *row) error {
	args := []string{"run", r.Scenario, "--engine", r.Engine, "--seed", fmt.Sprint(r.Seed), "--timers", "fast", "--out", dir}
	if gateway != "" {
		args = append(args, "--gateway", gateway)
	}
	ctx, cancel := context.WithTimeout(ctx, runLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.program, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for this program, which passes it on
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = endLimit
	began := time.Now()
	said, err := cmd.CombinedOutput()
	r.Took = time.Since(began)
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	r.Exit = cmd.ProcessState.ExitCode()
	if average, err := load.AvgWithContext(ctx); err == nil {
		r.Load = average.Load1
	}
	switch r.Exit {
	case run.ExitHeld, run.ExitViolated, run.ExitInvalid, run.ExitNotMeasured:
		m, err := readReport(dir)
		if err != nil {
			return err
		}
		r.read(m)
		return nil
	case run.ExitEnvironment:
		return fmt.Errorf("%w: %s", engine.ErrUnavailable, lastLine(said))
	}
	return fmt.Errorf("the harness ended with exit code %d: %s", r.Exit, lastLine(said))
}

func lastLine(text []byte) string {
	lines := strings.Split(string(bytes.TrimSpace(text)), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}

// readReport is the report of the one run below dir.
func readReport(dir string) (reports.Model, error) {
	var m reports.Model
	found, err := filepath.Glob(filepath.Join(dir, "*", reports.JSONFile))
	if err != nil || len(found) != 1 {
		return m, errors.Join(fmt.Errorf("%d reports in %s, want one", len(found), dir), err)
	}
	text, err := os.ReadFile(found[0])
	if err != nil {
		return m, err
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return m, fmt.Errorf("read %s: %w", found[0], err)
	}
	return m, nil
}

// told is one line on what came of a run.
func told(d defect.Defect, r row) string {
	var text string
	switch {
	case d.Name != "" && r.named(d.Preamble):
		v, _ := r.of(d.Clause)
		text = fmt.Sprintf("caught by %s after %.1f s: %s", d.Clause, r.catch(d.Clause).Seconds(), v.Text)
	case d.Name != "" && r.caught():
		text = fmt.Sprintf("caught, and the wrong promise named: %s, not %s", strings.Join(clauses(r), ", "), d.Clause)
	case d.Name != "":
		text = "NOT CAUGHT: " + outcomes[r.Exit]
	case r.Exit == run.ExitViolated:
		text = "FALSE ALARM: " + strings.Join(clauses(r), ", ")
	default:
		text = outcomes[r.Exit]
	}
	return fmt.Sprintf("%s (%.0f s, load %.1f)", text, r.Took.Seconds(), r.Load)
}

// outcomes are the settled exit codes in words.
var outcomes = map[int]string{
	run.ExitHeld: "everything HELD", run.ExitViolated: "VIOLATED", run.ExitInvalid: "INVALID", run.ExitNotMeasured: "NOT MEASURED",
}

// clauses are those that a run found VIOLATED.
func clauses(r row) []string {
	var out []string
	for _, v := range r.Violated {
		out = append(out, v.Clause)
	}
	return out
}
