// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package run

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"blackout/harness"
	"blackout/harness/engine"
	"blackout/harness/fault"
	"blackout/harness/oracle"
	"blackout/reports/objective"
)

func judged(statuses ...oracle.Status) Result {
	var r Result
	for _, s := range statuses {
		r.Oracle.Verdicts = append(r.Oracle.Verdicts, oracle.Verdict{Status: s})
	}
	return r
}

// proving adds objectives with some verdicts.
func proving(r Result, statuses ...objective.Status) Result {
	for _, s := range statuses {
		r.Model.Objectives = append(r.Model.Objectives, objective.Verdict{Status: s})
	}
	return r
}

// TestExitCode: 64, 3, 5, 1, 4, 7, 6, 0 win in that order.
func TestExitCode(t *testing.T) {
	t.Parallel()
	const held, violated, invalid, unmeasured = oracle.Held, oracle.Violated, oracle.Invalid, oracle.NotMeasured
	wrap := func(errs ...error) error { return fmt.Errorf("run: %w", errors.Join(errs...)) }
	early := judged(held)
	early.Invalid = true
	earlyAndBad := judged(violated)
	earlyAndBad.Invalid = true
	for name, c := range map[string]struct {
		result Result
		err    error
		want   int
	}{
		"all held":                              {judged(held, held), nil, ExitHeld},
		"one violated":                          {judged(held, violated), nil, ExitViolated},
		"one invalid":                           {judged(held, invalid), nil, ExitInvalid},
		"one not measured":                      {judged(held, unmeasured), nil, ExitNotMeasured},
		"nothing judged":                        {Result{}, nil, ExitNotMeasured},
		"violated before invalid":               {judged(invalid, violated, unmeasured), nil, ExitViolated},
		"invalid before not measured":           {judged(unmeasured, invalid), nil, ExitInvalid},
		"an experiment that ended early":        {early, nil, ExitInvalid},
		"a violation stands when it ends early": {earlyAndBad, nil, ExitViolated},
		"harness error before violated":         {judged(violated), errors.New("bug"), ExitHarness},
		"panic":                                 {judged(held), wrap(harness.ErrPanic), ExitHarness},
		"environment before harness":            {judged(violated), wrap(harness.ErrPanic, harness.ErrEnvironment), ExitEnvironment},
		"no engine":                             {Result{}, wrap(engine.ErrUnavailable), ExitEnvironment},
		"usage before environment":              {Result{}, wrap(engine.ErrUnavailable, ErrUsage), ExitUsage},
		"all proven":                            {proving(judged(held), objective.Proven), nil, ExitHeld},
		"one not proven":                        {proving(judged(held), objective.Proven, objective.NotProven), nil, ExitNotProven},
		"not measured before not proven":        {proving(judged(held), objective.NotProven, objective.NotMeasured), nil, ExitNotMeasured},
		"a promise's too":                       {proving(judged(unmeasured), objective.NotProven), nil, ExitNotMeasured},
		"an objective is invalid":               {proving(judged(held), objective.NotMeasured, objective.Invalid), nil, ExitInvalid},
		"an objective is violated":              {proving(judged(invalid), objective.Violated, objective.Proven), nil, ExitViolated},
		"an objective without a verdict":        {proving(judged(held), ""), nil, ExitInvalid},
		"usage before all":                      {judged(violated), wrap(ErrUsage), ExitUsage},
	} {
		if got := ExitCode(c.result, c.err); got != c.want {
			t.Errorf("%s: exit code %d, want %d", name, got, c.want)
		}
	}
}

func TestExperimental(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		want bool
	}{
		{fmt.Errorf("step 3: %w", harness.ErrUnsteady), true},
		{fmt.Errorf("step 9: %w", fault.ErrNotWitnessed), true},
		{fmt.Errorf("step 1: %w", engine.ErrEnded), true},
		{fmt.Errorf("step 9: %w", context.Canceled), false}, // an interrupt is known by the run's own context
		{harness.ErrPanic, false},
		{harness.ErrEnvironment, false},
		{errors.New("bug"), false},
	} {
		if got := experimental(c.err); got != c.want {
			t.Errorf("%v: %v, want %v", c.err, got, c.want)
		}
	}
}

func TestOptionsAreValidated(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	executable := filepath.Join(dir, "gateway")
	if err := os.WriteFile(executable, nil, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		options Options
		says    string // empty: valid
	}{
		"local":            {Options{Engine: Local}, ""},
		"everything":       {Options{Engine: Docker, Control: harness.NoopCut, Store: harness.MinIO, Gateway: executable, Images: map[string]string{"minio": "x"}}, ""},
		"no engine":        {Options{}, "docker, local, auto"},
		"unknown control":  {Options{Engine: Local, Control: "x"}, "noop-cut"},
		"unknown store":    {Options{Engine: Local, Store: "x"}, "minio"},
		"unknown program":  {Options{Engine: Local, Images: map[string]string{"x": "y"}}, "gateway"},
		"directory to run": {Options{Engine: Local, Gateway: dir}, "executable"},
	} {
		err := c.options.validate()
		switch {
		case c.says == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.says != "" && (!errors.Is(err, ErrUsage) || !strings.Contains(err.Error(), c.says)):
			t.Errorf("%s: error %v, want a usage error with %q", name, err, c.says)
		}
	}
	if _, err := timerProfile("slow"); !errors.Is(err, ErrUsage) || !strings.Contains(err.Error(), "fast, kong") {
		t.Errorf("timers: error %v", err)
	}
	if p, err := timerProfile("kong"); err != nil || p.Name != "kong" {
		t.Errorf("timers: %+v, %v", p, err)
	}
}

func TestStoreKind(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		engine string
		asked  harness.StoreKind
		want   harness.StoreKind
	}{
		{Local, "", harness.Embedded}, {Docker, "", harness.MinIO},
		{Local, harness.MinIO, harness.MinIO}, {Docker, harness.Embedded, harness.Embedded},
	} {
		r := runner{options: Options{Store: c.asked}, choice: choice{engine: c.engine}}
		if got := r.storeKind(); got != c.want {
			t.Errorf("%s, asked for %q: %s, want %s", c.engine, c.asked, got, c.want)
		}
	}
}

func TestIDsDiffer(t *testing.T) {
	t.Parallel()
	if a, b := newID(Local), newID(Local); a == b || strings.ToLower(a) != a {
		t.Errorf("ids %s and %s", a, b)
	}
}
