// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package kept reads the runs that reports are tested on: a recording of a real run for
// each outcome, below reports/testdata/runs, with the SLO file that it was given and
// where it took place.
//
//	for _, run := range kept.Runs {
//		in, err := run.Input("testdata/runs")
package kept

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"blackout/harness/history"
	"blackout/harness/oracle"
	"blackout/reports"
	"blackout/reports/objective"
	"blackout/reports/slo"
)

// Run is a kept run.
type Run struct {
	Name   string
	Status oracle.Status // that it comes to
}

// Runs are the kept runs: one of each outcome.
var Runs = []Run{{"good", oracle.Held}, {"violated", oracle.Violated}, {"invalid", oracle.Invalid}, {"not-proven", reports.NotProven}}

// Input is what the run's report is made from. Its verdicts are today's oracles'. The
// directory is reports/testdata/runs, as the caller names it.
func (r Run) Input(dir string) (reports.Input, error) {
	dir = filepath.Join(dir, r.Name)
	var in reports.Input
	var err error
	if in.Recording, err = history.Load(filepath.Join(dir, "recording")); err != nil {
		return in, err
	}
	in.Exercises = in.Recording.Header.Exercises
	if in.Result, err = oracle.Judge(in.Recording, nil); err != nil {
		return in, err
	}
	doc, err := slo.Read(filepath.Join(dir, "slo", "ci.yaml"))
	if err != nil {
		return in, err
	}
	in.SLO = &doc
	if err := objective.Check(doc, objective.All); err != nil {
		return in, err
	}
	text, err := os.ReadFile(filepath.Join(dir, "environment.json"))
	if err != nil {
		return in, err
	}
	if err := json.Unmarshal(text, &in.Environment); err != nil {
		return in, fmt.Errorf("%s: %w", dir, err)
	}
	return in, nil
}
