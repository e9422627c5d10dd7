// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package reports turns a judged run into evidence: report.html for people,
// report.md for a CI job summary, junit.xml and ctrf.json for CI tools, metrics.prom
// for monitoring and report.json for programs (its shape is schema/report-v1.json).
//
// All of them, and the closing lines of the terminal, are renderings of one
// [Model], which [Build] computes from an [Input] and from nothing else: no
// clock, no file, no network. The same input gives the same bytes.
//
//	files, err := reports.Write(dir, reports.Input{
//		Recording: recording, Result: result, Environment: environment,
//	})
//	...
//	err = reports.Summary(os.Stdout, reports.Build(input))
//
// With an SLO file, [Build] judges its objectives too (package objective). With a
// [Baseline] it says what is new since the runs before, and which SLIs have regressed.
//
// A figure that the recording does not carry is "not measured" in every
// rendering (null in JSON); it is never zero and never left out. Text that
// came from a node is data: every renderer escapes it for its own format.
package reports

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"blackout/harness/history"
	"blackout/harness/oracle"
	"blackout/reports/objective"
	"blackout/reports/slo"
)

// Input is all that a report is made from.
type Input struct {
	Recording   *history.Recording
	Result      oracle.Result
	Exercises   []string // the clauses that oracle.Judge was told the scenario is there to exercise
	Environment Environment

	SLO        *slo.Document   // whose objectives are judged; nil: none is
	Indicators []objective.SLI // that the file may name; nil: objective.All

	Baseline *Baseline // the runs before it, which it is compared with; nil: none was kept
}

// Environment says what ran where. An empty field is reported as not recorded.
type Environment struct {
	Blackout    string            `json:"blackout"` // commit or version of the harness
	GoVersion   string            `json:"go_version"`
	OS          string            `json:"os"`
	Arch        string            `json:"arch"`
	Kernel      string            `json:"kernel"`
	Host        string            `json:"host"`
	CPUs        int               `json:"cpus"`
	MemoryBytes int64             `json:"memory_bytes"`
	Images      map[string]string `json:"images"`  // program to image digest or the binary's SHA-256
	Repeat      string            `json:"repeat"`  // the exact command that repeats the run
	Gateway     string            `json:"gateway"` // the data plane that was judged: "reference", an image or a path
	Control     string            `json:"control"` // how the harness was misused on purpose; empty: not at all
}

// ErrNoRecording is returned by [Write] for an input without a recording.
var ErrNoRecording = errors.New("no recording to report on")

// The names of the files that [Write] makes, in the order it makes them.
const (
	JSONFile     = "report.json"
	MarkdownFile = "report.md"
	HTMLFile     = "report.html"
	JUnitFile    = "junit.xml"
	CTRFFile     = "ctrf.json"
	MetricsFile  = "metrics.prom"
)

// Write renders the input into dir, which it makes if need be, and returns the
// paths of the files written. Existing reports are replaced. With an error the
// returned paths are those written before it.
func Write(dir string, in Input) ([]string, error) {
	if in.Recording == nil {
		return nil, ErrNoRecording
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make the report directory: %w", err)
	}
	m := Build(in)
	renderers := []struct {
		name   string
		render func(Model) ([]byte, error)
	}{
		{JSONFile, renderJSON},
		{MarkdownFile, renderMarkdown},
		{HTMLFile, renderHTML},
		{JUnitFile, renderJUnit},
		{CTRFFile, renderCTRF},
		{MetricsFile, renderOpenMetrics},
	}
	var written []string
	for _, r := range renderers {
		content, err := r.render(m)
		if err != nil {
			return written, fmt.Errorf("render %s: %w", r.name, err)
		}
		path := filepath.Join(dir, r.name)
		if err := os.WriteFile(path, content, 0o644); err != nil {
			return written, fmt.Errorf("write %s: %w", r.name, err)
		}
		written = append(written, path)
	}
	return written, nil
}

// renderJSON writes the model as it is. Go sorts the keys of maps, so that the
// bytes depend on the model alone.
func renderJSON(m Model) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(m); err != nil {
		return nil, fmt.Errorf("encode the model: %w", err)
	}
	return b.Bytes(), nil
}
