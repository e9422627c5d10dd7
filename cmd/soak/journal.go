// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"blackout/harness/run"
)

// trial is one start of a topology, or one kill of a harness.
type trial struct {
	Kind   string `json:"kind"` // "start" or "kill"
	Engine string `json:"engine"`
	Number int    `json:"number"` // from 1, among those of its kind on its engine
}

// The kinds of trials.
const (
	start = "start"
	kill  = "kill"
)

// String is "start 17 on local".
func (t trial) String() string { return fmt.Sprintf("%s %d on %s", t.Kind, t.Number, t.Engine) }

// outcome is what came of a trial: a line of the log.
type outcome struct {
	trial
	Seed    uint64        `json:"seed"`              // of the run's plan
	Run     string        `json:"run,omitempty"`     // its id, if it lived long enough to have one
	Took    time.Duration `json:"took"`              // a start: until its end; a kill: until nothing was left
	Killed  time.Duration `json:"killed,omitempty"`  // when the harness was killed, since its start
	Last    string        `json:"last,omitempty"`    // the last line that it had printed
	Problem string        `json:"problem,omitempty"` // what was wrong
	Clash   bool          `json:"clash,omitempty"`   // somebody else had its port or name
}

// heading is the first line of a log.
type heading struct {
	Seed uint64 `json:"seed"` // of everything that is drawn
}

// journal is what was done so far, in memory and in the log.
type journal struct {
	mu   sync.Mutex
	file *os.File
	done []outcome
}

// openJournal opens a log, or begins one. A log of another seed is refused: its
// trials were others.
func openJournal(path string, seed uint64) (*journal, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open log: %w", err)
	}
	// A line that was being written when its writer died is none.
	text = text[:bytes.LastIndexByte(text, '\n')+1]
	done, err := parseLog(text, seed)
	if err != nil {
		return nil, fmt.Errorf("%w: log %s: %w", run.ErrUsage, path, err)
	}
	j := &journal{done: done}
	if j.file, err = os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644); err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	_, seekErr := j.file.Seek(int64(len(text)), 0)
	err = errors.Join(j.file.Truncate(int64(len(text))), seekErr)
	if err == nil && len(text) == 0 {
		err = j.write(heading{seed})
	}
	if err != nil {
		return nil, fmt.Errorf("open log: %w", errors.Join(err, j.file.Close()))
	}
	return j, nil
}

func parseLog(text []byte, seed uint64) ([]outcome, error) {
	if len(text) == 0 {
		return nil, nil
	}
	first, rest, _ := bytes.Cut(text, []byte("\n"))
	var h heading
	if err := json.Unmarshal(first, &h); err != nil {
		return nil, fmt.Errorf("its first line is no heading: %w", err)
	}
	if h.Seed != seed {
		return nil, fmt.Errorf("it was begun with --seed %d: go on with that, or name another log", h.Seed)
	}
	var done []outcome
	for line := range bytes.Lines(rest) {
		var o outcome
		if err := json.Unmarshal(line, &o); err != nil {
			return nil, fmt.Errorf("line %d: %w", len(done)+2, err)
		}
		done = append(done, o)
	}
	return done, nil
}

// has says whether a trial was done, in this soak or an earlier part of it.
func (j *journal) has(t trial) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.ContainsFunc(j.done, func(o outcome) bool { return o.trial == t })
}

func (j *journal) add(o outcome) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.done = append(j.done, o)
	if err := j.write(o); err != nil {
		return fmt.Errorf("write log: %w", err)
	}
	return nil
}

func (j *journal) write(v any) error {
	line, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = j.file.Write(append(line, '\n'))
	return err
}

func (j *journal) close() error { return j.file.Close() }

// of are the outcomes of a kind on an engine.
func (j *journal) of(kind, engine string) []outcome {
	j.mu.Lock()
	defer j.mu.Unlock()
	var out []outcome
	for _, o := range j.done {
		if o.Kind == kind && o.Engine == engine {
			out = append(out, o)
		}
	}
	return out
}

// summary is the last line of a soak: what was good of what was asked for.
func (j *journal) summary(asked options) string {
	parts := slices.Concat(j.counted(start, asked.starts), j.counted(kill, asked.kills))
	clashes := 0
	for _, o := range j.bad() {
		if o.Clash {
			clashes++
		}
	}
	return fmt.Sprintf("soak, seed %d: %s; %d clashes, %d problems", asked.seed, strings.Join(parts, ", "), clashes, len(j.bad()))
}

// counted says for each engine how many trials of those asked for were good.
func (j *journal) counted(kind string, asked map[string]int) []string {
	var parts []string
	for _, engine := range []string{run.Local, run.Docker} {
		if asked[engine] == 0 {
			continue
		}
		good, longest := 0, time.Duration(0)
		for _, o := range j.of(kind, engine) {
			if o.Problem == "" && o.Number <= asked[engine] {
				good, longest = good+1, max(longest, o.Took)
			}
		}
		parts = append(parts, fmt.Sprintf("%d of %d %ss on %s clean after at most %.1f s", good, asked[engine], kind, engine, longest.Seconds()))
	}
	return parts
}

func (j *journal) bad() []outcome {
	j.mu.Lock()
	defer j.mu.Unlock()
	var out []outcome
	for _, o := range j.done {
		if o.Problem != "" {
			out = append(out, o)
		}
	}
	return out
}

// problems is the error for all trials that were not good.
func (j *journal) problems() error {
	var errs []error
	for _, o := range j.bad() {
		errs = append(errs, fmt.Errorf("%s, run %s, seed %d: %s", o.trial, o.Run, o.Seed, o.Problem))
	}
	return errors.Join(errs...)
}
