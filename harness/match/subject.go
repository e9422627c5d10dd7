// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package match

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"blackout/harness/history"
	"blackout/harness/oracle"
	"blackout/harness/run"
	"blackout/reports"
)

// Dir is the directory of a finished run, such as reports/out/RUN. Its verdicts
// are those of the report that lies there.
type Dir string

// subject is a finished run, or a part of one, as matchers look at it.
type subject struct {
	name      string // "run 20261124-161803-local-abcd (cp-outage-scale-out on local, seed 7)"
	report    string // where to read on; empty if nowhere
	invalid   string // why the experiment could not be judged, if it could not
	verdicts  []oracle.Verdict
	recording func() (*history.Recording, error)
}

var (
	errNoVerdicts  = errors.New("it has no verdicts: judge it with oracle.Judge")
	errNoRecording = errors.New("it has no recording: give the run's result, its directory or its recording")
)

func noRecording() (*history.Recording, error) { return nil, errNoRecording }

// subjectOf is the run that actual is or belongs to.
func subjectOf(actual any) (subject, error) {
	switch a := actual.(type) {
	case run.Result:
		return ofResult(a), nil
	case *run.Result:
		if a != nil {
			return ofResult(*a), nil
		}
	case Dir:
		return ofDir(a)
	case reports.Model:
		return ofModel(a), nil
	case oracle.Result:
		return subject{name: "the judged recording", verdicts: a.Verdicts, recording: noRecording}, nil
	case oracle.Verdict:
		return subject{name: "promise " + a.Promise, verdicts: []oracle.Verdict{a}, recording: noRecording}, nil
	case *history.Recording:
		if a != nil {
			return ofRecording(a), nil
		}
	}
	return subject{}, fmt.Errorf("%T is no finished run: give a run.Result, a match.Dir, a *history.Recording, a reports.Model, an oracle.Result or an oracle.Verdict", actual)
}

func ofResult(r run.Result) subject {
	s := subject{
		name:     title(r.ID, r.Plan.Scenario, r.Engine, r.Plan.Seed),
		report:   reportIn(r.Dir),
		verdicts: r.Oracle.Verdicts, recording: r.Recording,
	}
	if r.Invalid {
		s.invalid = "its experiment could not be judged"
		if r.Err != nil {
			s.invalid += ": " + r.Err.Error()
		}
	}
	return s
}

func ofModel(m reports.Model) subject {
	s := subject{name: title(m.Run, m.Scenario, m.Engine, m.Seed), recording: noRecording}
	for _, p := range m.Promises {
		s.verdicts = append(s.verdicts, p.Verdict)
	}
	return s
}

func ofDir(dir Dir) (subject, error) {
	b, err := os.ReadFile(filepath.Join(string(dir), reports.JSONFile))
	if err != nil {
		return subject{}, fmt.Errorf("read the report of a finished run: %w", err)
	}
	var m reports.Model
	if err := json.Unmarshal(b, &m); err != nil {
		return subject{}, fmt.Errorf("read the report in %s: %w", dir, err)
	}
	s := ofModel(m)
	s.report, s.recording = reportIn(string(dir)), run.Result{Dir: string(dir)}.Recording
	return s, nil
}

func ofRecording(rec *history.Recording) subject {
	h := rec.Header
	return subject{
		name:      "the recording of " + title(h.Run, h.Scenario, h.Engine, h.Seed),
		recording: func() (*history.Recording, error) { return rec, nil },
	}
}

func title(id, scenario, engine string, seed uint64) string {
	return fmt.Sprintf("run %s (%s on %s, seed %d)", id, scenario, engine, seed)
}

func reportIn(dir string) string {
	if dir == "" {
		return ""
	}
	return filepath.Join(dir, reports.HTMLFile)
}
