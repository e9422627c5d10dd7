// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"blackout/harness/oracle"
	"blackout/reports/objective"
)

// BaselineFile is the name of a run's [Baseline] in its directory.
const BaselineFile = "baseline.json"

// BaselineSchema is the version of its shape.
const BaselineSchema = 1

// The sizes of a baseline.
const (
	baselineRuns   = 20
	baselineUnread = 20 // reports that could not be read and are named

	baselineSamples = 1e12 // of an objective: no run has more, and those of all runs can be added
)

// Baseline is what a run is compared with: the runs before it, as they were when it
// ended. It is kept in the run's directory, so that a report that is written again does
// not depend on what lies beside it by then.
type Baseline struct {
	Schema  int          `json:"schema"`
	Run     string       `json:"run"`           // that it is the baseline of
	Runs    []EarlierRun `json:"runs"`          // of the same series, newest first
	NotRead []string     `json:"not_read"`      // reports that could not be read, and why
	More    int          `json:"not_read_more"` // of them that are not named
}

// EarlierRun is what a baseline keeps of a run.
type EarlierRun struct {
	IndexedRun
	Host       string             `json:"host"`       // its name, CPUs and kernel; empty: not recorded
	SLO        string             `json:"slo_sha256"` // of the file whose objectives were judged; empty: none
	Objectives []EarlierObjective `json:"objectives"`
}

// EarlierObjective is what a baseline keeps of an objective, as its verdict has it.
type EarlierObjective struct {
	Name     string           `json:"name"`
	Kind     objective.Kind   `json:"kind"`
	Status   objective.Status `json:"status"`
	Samples  int              `json:"samples"`
	Bad      int              `json:"bad"`
	Estimate *float64         `json:"estimate"`
	Lower    *float64         `json:"lower"`
	Upper    *float64         `json:"upper"`
	Values   []*float64       `json:"values"` // null had not come
}

// ErrBaseline is returned, wrapped, for a file that is no baseline of the run.
var ErrBaseline = errors.New("no baseline of the run")

// ReadBaseline reads the baseline in the directory of a run; nil if there is none. The
// error is one line, wraps [ErrBaseline] if the file is not one of that run, and names it.
func ReadBaseline(dir, run string) (*Baseline, error) {
	path := filepath.Join(dir, BaselineFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the baseline: %w", err)
	}
	b, err := DecodeBaseline(text)
	if err == nil && b.Run != run {
		err = fmt.Errorf("%w: it is of %q, and the run is %q", ErrBaseline, b.Run, run)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &b, nil
}

// DecodeBaseline reads the text of a baseline, and takes it only as [Baseline.Encode]
// writes it. The error wraps [ErrBaseline].
func DecodeBaseline(text []byte) (Baseline, error) {
	var b Baseline
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&b); err != nil {
		return Baseline{}, fmt.Errorf("%w: %s", ErrBaseline, clean(err.Error()))
	}
	if err := b.check(); err != nil {
		return Baseline{}, fmt.Errorf("%w: %w", ErrBaseline, err)
	}
	again, err := b.Encode()
	if err != nil {
		return Baseline{}, fmt.Errorf("%w: %w", ErrBaseline, err)
	}
	if !bytes.Equal(again, text) {
		return Baseline{}, fmt.Errorf("%w: a field is missing or repeated, or it is written in another way than blackout writes it", ErrBaseline)
	}
	return b, nil
}

// Encode is the text of the baseline.
func (b Baseline) Encode() ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	if err := enc.Encode(b); err != nil {
		return nil, fmt.Errorf("encode the baseline: %w", err)
	}
	return out.Bytes(), nil
}

// Save writes the baseline into the directory of its run, which it makes if need be.
func (b Baseline) Save(dir string) error {
	text, err := b.Encode()
	if err == nil {
		err = os.MkdirAll(dir, 0o755)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, BaselineFile), text, 0o644)
	}
	if err != nil {
		return fmt.Errorf("keep the baseline: %w", err)
	}
	return nil
}

// check says what no baseline has that was gathered.
func (b Baseline) check() error {
	switch {
	case b.Schema != BaselineSchema:
		return fmt.Errorf("its schema is %d, and %d is known", b.Schema, BaselineSchema)
	case len(b.Runs) > baselineRuns:
		return fmt.Errorf("it has %d runs, and %d are the most", len(b.Runs), baselineRuns)
	case len(b.NotRead) > baselineUnread || b.More < 0:
		return fmt.Errorf("it names %d reports that could not be read and leaves out %d", len(b.NotRead), b.More)
	}
	for i, r := range b.Runs {
		if err := r.check(); err != nil {
			return fmt.Errorf("run %d, %q: %w", i+1, r.Run, err)
		}
		switch {
		case r.Run == b.Run:
			return fmt.Errorf("run %d is the run itself", i+1)
		case r.seriesKey() != b.Runs[0].seriesKey():
			return fmt.Errorf("run %d, %q: it is of another series than the first", i+1, r.Run)
		case i > 0 && r.Started.After(b.Runs[i-1].Started):
			return fmt.Errorf("run %d, %q: it began after the one before it, and the newest comes first", i+1, r.Run)
		}
	}
	return nil
}

// check says what no run of a baseline has.
func (r EarlierRun) check() error {
	for _, promise := range slices.Sorted(maps.Keys(r.Promises)) {
		if s := r.Promises[promise]; known(s) != s {
			return fmt.Errorf("%q is no verdict on %s", s, promise)
		}
	}
	for _, o := range r.Objectives {
		switch {
		case asStatus(o.Status) == oracle.Invalid && o.Status != objective.Invalid:
			return fmt.Errorf("%q is no verdict on the objective %q", o.Status, o.Name)
		case o.Samples < 0 || o.Bad < 0 || o.Samples > baselineSamples || o.Bad > baselineSamples:
			return fmt.Errorf("objective %q has %d bad of %d samples", o.Name, o.Bad, o.Samples)
		case len(o.Values) > objective.MaxValues:
			return fmt.Errorf("objective %q has %d values, and %d are the most", o.Name, len(o.Values), objective.MaxValues)
		}
	}
	return nil
}
