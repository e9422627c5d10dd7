// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"blackout/harness/journal"
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

// log is what was done so far.
type log struct {
	*journal.Journal[heading, outcome]
}

// openLog opens a log, or begins one. A log of another seed is refused: its trials
// were others.
func openLog(path string, seed uint64) (*log, error) {
	j, err := journal.Open[heading, outcome](path, heading{seed})
	if other, begun := errors.AsType[journal.OtherHeading[heading]](err); begun {
		return nil, fmt.Errorf("%w: log %s: it was begun with --seed %d: go on with that, or name another log", run.ErrUsage, path, other.Found.Seed)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", run.ErrUsage, err)
	}
	return &log{j}, nil
}

// has says whether a trial was done, in this soak or an earlier part of it.
func (l *log) has(t trial) bool {
	return slices.ContainsFunc(l.All(), func(o outcome) bool { return o.trial == t })
}

// of are the outcomes of a kind on an engine.
func (l *log) of(kind, engine string) []outcome {
	var out []outcome
	for _, o := range l.All() {
		if o.Kind == kind && o.Engine == engine {
			out = append(out, o)
		}
	}
	return out
}

// summary is the last line of a soak: what was good of what was asked for.
func (l *log) summary(asked options) string {
	parts := slices.Concat(l.counted(start, asked.starts), l.counted(kill, asked.kills))
	clashes := 0
	for _, o := range l.bad() {
		if o.Clash {
			clashes++
		}
	}
	return fmt.Sprintf("soak, seed %d: %s; %d clashes, %d problems", asked.seed, strings.Join(parts, ", "), clashes, len(l.bad()))
}

// counted says for each engine how many trials of those asked for were good.
func (l *log) counted(kind string, asked map[string]int) []string {
	var parts []string
	for _, engine := range []string{run.Local, run.Docker} {
		if asked[engine] == 0 {
			continue
		}
		good, longest := 0, time.Duration(0)
		for _, o := range l.of(kind, engine) {
			if o.Problem == "" && o.Number <= asked[engine] {
				good, longest = good+1, max(longest, o.Took)
			}
		}
		parts = append(parts, fmt.Sprintf("%d of %d %ss on %s clean after at most %.1f s", good, asked[engine], kind, engine, longest.Seconds()))
	}
	return parts
}

func (l *log) bad() []outcome {
	var out []outcome
	for _, o := range l.All() {
		if o.Problem != "" {
			out = append(out, o)
		}
	}
	return out
}

// problems is the error for all trials that were not good.
func (l *log) problems() error {
	var errs []error
	for _, o := range l.bad() {
		errs = append(errs, fmt.Errorf("%s, run %s, seed %d: %s", o.trial, o.Run, o.Seed, o.Problem))
	}
	return errors.Join(errs...)
}
