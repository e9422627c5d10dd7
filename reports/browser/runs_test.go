// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

//go:build !race

package browser

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"blackout/harness/history"
	"blackout/harness/oracle"
	"blackout/reports"
	"blackout/reports/objective"
	"blackout/reports/slo"
)

// fixtures are those of the module.
var fixtures = filepath.Join("..", "..", "fixtures")

// kept is where runs lie whose reports are looked at, each in a directory of its name.
// One that is not there is made of the recording that fixtures keep.
var kept = filepath.Join("..", "testdata")

// runs are the runs by what becomes of them.
var runs = []struct {
	name   string
	status oracle.Status
	slo    string // file of fixtures/slo, of a run that is made
	spoil  func(*history.Recording)
}{
	{"good", oracle.Held, "", func(*history.Recording) {}},
	{"violated", oracle.Violated, "ci.yaml", failRequests},
	{"invalid", oracle.Invalid, "", blindWitnesses},
	{"not-proven", reports.NotProven, "nightly.yaml", func(*history.Recording) {}},
}

// failRequests lets the first stream's requests fail for a second while the control
// plane is gone, and a node say what no page may take for its own.
func failRequests(rec *history.Recording) {
	active := 0 // the event by which the last fault is in force
	for i, e := range rec.Events {
		if e.Kind == history.FaultActive {
			active = i
		}
	}
	from := rec.Events[active].At
	for i, q := range rec.Requests {
		if q.Stream == 0 && q.Intended > from && q.Intended < from+1e9 {
			rec.Requests[i].Class, rec.Requests[i].Status, rec.Requests[i].Generation = history.Reset, 0, 0
		}
	}
	rec.Events = slices.Insert(rec.Events, active+1, history.Event{At: from, Kind: history.WaitTimeout, Node: "dp-1",
		Text: `</td><script>console.error("hostile")</script><img src="http://127.0.0.1:9/x.png">`})
}

// blindWitnesses lets no witness see a fault in force.
func blindWitnesses(rec *history.Recording) {
	for i, e := range rec.Events {
		if e.Kind == history.FaultWitness {
			rec.Events[i].OK = false
		}
	}
}

// inputOf is what the report of the run in a directory is made from, as blackout report
// takes it: the recording, the SLO file that the run was given, and where it took place.
func inputOf(dir string) (reports.Input, error) {
	var in reports.Input
	var err error
	if in.Recording, err = history.Load(filepath.Join(dir, "recording")); err != nil {
		return in, err
	}
	if in.SLO, err = sloIn(dir); err != nil {
		return in, err
	}
	m, err := reports.Read(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return in, err
	}
	in.Environment = m.Environment
	return in, nil
}

// sloIn is the SLO file in a run's directory, or nil.
func sloIn(dir string) (*slo.Document, error) {
	files, err := filepath.Glob(filepath.Join(dir, "slo", "*"))
	if err != nil {
		return nil, err
	}
	if single := filepath.Join(dir, "slo.yaml"); exists(single) {
		files = append(files, single)
	}
	if len(files) == 0 {
		return nil, nil
	}
	if len(files) > 1 {
		return nil, fmt.Errorf("%s has %d SLO files, and should have one: %q", dir, len(files), files)
	}
	return readSLO(files[0])
}

func readSLO(path string) (*slo.Document, error) {
	doc, err := slo.Read(path)
	if err == nil {
		err = objective.Check(doc, objective.All)
	}
	return &doc, err
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// made is a run made of the kept recording.
func made(file string, spoil func(*history.Recording)) (reports.Input, error) {
	var in reports.Input
	var err error
	if in.Recording, err = history.Load(filepath.Join(fixtures, "recordings", "v2")); err != nil {
		return in, err
	}
	spoil(in.Recording)
	if file != "" {
		in.SLO, err = readSLO(filepath.Join(fixtures, "slo", file))
	}
	in.Environment = reports.Environment{Gateway: "reference gateway", Repeat: "bin/blackout run cp-outage-scale-out --seed 7 --engine local"}
	return in, err
}

// written is the directory of a run's report, and what its report.json says.
func written(t *testing.T, in reports.Input) (string, reports.Outcome) {
	t.Helper()
	var err error
	in.Exercises = in.Recording.Header.Exercises
	if in.Result, err = oracle.Judge(in.Recording, nil); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if _, err := reports.Write(dir, in); err != nil {
		t.Fatal(err)
	}
	m, err := reports.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	return dir, m.Outcome
}
