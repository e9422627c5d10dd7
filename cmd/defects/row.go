// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"blackout/harness/defect"
	"blackout/harness/oracle"
	"blackout/harness/run"
	"blackout/reports"
)

// key is what a run's outcome rests on. Two runs of one key differ by chance alone.
type key struct {
	trial
	Engine string `json:"engine"`
	State  string `json:"state"`           // digest of the sources, but for the scenarios
	Plan   string `json:"plan"`            // digest of the plan
	Patch  string `json:"patch,omitempty"` // digest of what the defect changes
}

// row is what came of a run: a line of the log.
type row struct {
	key
	Commit   string        `json:"commit"`            // that the harness was built from
	Run      string        `json:"run"`               // its id
	Exit     int           `json:"exit"`              // the harness's exit code
	Invalid  int           `json:"invalid,omitempty"` // runs before it that were INVALID
	Violated []violation   `json:"violated,omitempty"`
	Fault    time.Duration `json:"fault_ns,omitempty"` // when the first fault was in force; 0: there was none
	Lasted   time.Duration `json:"lasted_ns"`          // by the recording
	Took     time.Duration `json:"took_ns"`            // with bring-up, clean-up and report
	Load     float64       `json:"load"`               // the machine's average of a minute at the end
}

// violation is a clause that was found VIOLATED.
type violation struct {
	Clause string        `json:"clause"`
	At     time.Duration `json:"at_ns"` // of the first counterexample
	Text   string        `json:"text"`
}

// settled says whether a run came to an outcome that another one need not be made
// for.
func (r row) settled() bool {
	return slices.Contains([]int{run.ExitHeld, run.ExitViolated, run.ExitInvalid, run.ExitNotMeasured}, r.Exit)
}

// read takes what a report says of a run.
func (r *row) read(m reports.Model) {
	r.Run, r.Lasted = m.Run, m.Duration
	for _, f := range m.Faults {
		if at := time.Duration(f.Start.From); r.Fault == 0 || at < r.Fault {
			r.Fault = at
		}
	}
	for _, p := range m.Promises {
		for _, c := range p.Clauses {
			if c.Status == oracle.Violated && len(c.Evidence) > 0 {
				r.Violated = append(r.Violated, violation{c.ID, time.Duration(c.Evidence[0].At), c.Evidence[0].Text})
			}
		}
	}
}

// promises are those that were found VIOLATED.
func (r row) promises() []string {
	var out []string
	for _, v := range r.Violated {
		if p := promiseOf(v.Clause); !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return out
}

func promiseOf(clause string) string {
	promise, _, _ := strings.Cut(clause, ".")
	return promise
}

// caught says whether a run found something VIOLATED, with an event to show for it.
func (r row) caught() bool { return r.Exit == run.ExitViolated && len(r.Violated) > 0 }

// named says whether it found what a defect breaks, by the clause that the defect
// names, and nothing that does not fall with it.
func (r row) named(p defect.Preamble) bool {
	allowed := []string{p.Promise}
	for _, clause := range p.Also {
		allowed = append(allowed, promiseOf(clause))
	}
	beyond := slices.ContainsFunc(r.promises(), func(id string) bool { return !slices.Contains(allowed, id) })
	_, broken := r.of(p.Clause)
	return r.caught() && broken && !beyond
}

// of is what was found of a clause.
func (r row) of(clause string) (violation, bool) {
	i := slices.IndexFunc(r.Violated, func(v violation) bool { return v.Clause == clause })
	if i < 0 {
		return violation{}, false
	}
	return r.Violated[i], true
}

// catch is when the first counterexample to a clause was, or to any if there is
// none to that, after the first fault: negative, if it came before. Without a fault
// it is counted from the start.
func (r row) catch(clause string) time.Duration {
	v, found := r.of(clause)
	if !found {
		v = slices.MinFunc(r.Violated, func(a, b violation) int { return cmp.Compare(a.At, b.At) })
	}
	return v.At - r.Fault
}
