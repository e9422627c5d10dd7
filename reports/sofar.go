// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"crypto/sha256"
	_ "embed" // what the page of a run that goes on has besides
	"encoding/base64"
	"fmt"
	"html/template"
	"slices"
	"strings"

	"blackout/harness/history"
	"blackout/harness/oracle"
	"blackout/reports/objective"
)

// What a run that goes on comes to. No file of a report holds any of these.
const (
	Running oracle.Status = "RUNNING"         // of the run
	Open    oracle.Status = "OPEN"            // of what was not seen to break so far
	Broken  oracle.Status = "VIOLATED SO FAR" // of the run, and of what was seen to break
)

//go:embed page/live.js
var liveScript string

//go:embed page/live.css
var liveStyle string

// shown is a status as a page shows it: of a run that goes on, too.
func shown(s oracle.Status) oracle.Status {
	switch s {
	case Running, Open, Broken:
		return s
	}
	return known(s)
}

// live is what the page of a run that goes on has besides.
type live struct {
	Broken, Open int // promises and objectives
}

// LivePolicy is what the policy of such a page allows besides: its one script, by its
// hash, which may ask the page's own server, and nobody else.
var LivePolicy = func() string {
	sum := sha256.Sum256([]byte(liveScript))
	return fmt.Sprintf("script-src 'sha256-%s'; connect-src 'self'", base64.StdEncoding.EncodeToString(sum[:]))
}()

// Policy is LivePolicy.
func (*live) Policy() string { return LivePolicy }

// Script is the page's own.
func (*live) Script() template.JS { return template.JS(liveScript) }

// style is what the page's style has besides.
func (l *live) style() template.CSS {
	if l == nil {
		return ""
	}
	return template.CSS(liveStyle)
}

// SoFar renders the page of a run that goes on: report.html of what was recorded so
// far, with a script that replaces its content when the server has something newer.
// The input's Result is of the recording as if the run had been ended early. Nothing in
// it is final: what it calls VIOLATED is shown as VIOLATED SO FAR, all else as OPEN.
func SoFar(in Input) ([]byte, error) {
	in.Result.Validity = dueChecks(in)
	m := Build(in)
	var l live
	for i, v := range m.Objectives {
		m.Objectives[i].Status, m.Objectives[i].Reason = objective.Status(l.count(oracle.Status(v.Status))), soFar(v.Reason)
	}
	m.Answers = answers(m)
	for i, a := range m.Answers {
		if a.Question == questionNew {
			m.Answers[i].Lines = []string{"It is told when the run has ended."}
		}
	}
	var names []string
	for i, p := range m.Promises {
		if m.Promises[i] = openPromise(p); l.count(p.Status) == Broken {
			names = append(names, p.Promise)
		}
	}
	m.Outcome = Outcome{Status: Running, Sentence: "Nothing was seen to break so far. There is no verdict before the run has ended."}
	if l.Broken > 0 {
		m.Outcome.Status, m.Outcome.Sentence = Broken, brokenSoFar(names, m.Objectives)+" The run goes on; its verdict is given when it has ended."
	}
	return renderPage(m, &l)
}

// dueChecks are the checks of the measurement without the failure of those whose time
// has not come.
func dueChecks(in Input) []oracle.Check {
	has := func(kind history.Kind) bool {
		return in.Recording != nil && slices.ContainsFunc(in.Recording.Events, func(e history.Event) bool { return e.Kind == kind })
	}
	early := map[string]string{oracle.CheckFinished: "the run goes on"}
	if !has(history.TrafficBegin) {
		for _, name := range []string{oracle.CheckSent, oracle.CheckQuiet, oracle.CheckSchedule} {
			early[name] = "no traffic has begun yet"
		}
	}
	if !has(history.FaultInject) {
		early[oracle.CheckWitnessed] = "no fault is in force yet"
	} else if n := unwitnessed(in.Recording.Events); n > 0 && len(in.Result.Belied) == 0 {
		early[oracle.CheckWitnessed] = count(n, "fault") + " not looked at yet"
	}
	checks := slices.Clone(in.Result.Validity)
	for i, c := range checks {
		if text := early[c.Name]; text != "" && !c.OK {
			checks[i] = oracle.Check{Name: c.Name, Unmeasured: true, Text: text}
		}
	}
	return checks
}

// unwitnessed is how many faults nobody has looked at yet; 0 also if one was looked at
// and not seen.
func unwitnessed(events []history.Event) int {
	waiting := make(map[int]bool)
	for _, e := range events {
		switch {
		case e.Kind == history.FaultInject:
			waiting[e.Fault] = true
		case e.Kind == history.FaultWitness && !e.OK:
			return 0
		case e.Kind == history.FaultWitness:
			delete(waiting, e.Fault)
		}
	}
	return len(waiting)
}

// count counts a status as what it is so far.
func (l *live) count(s oracle.Status) oracle.Status {
	if s == oracle.Violated {
		l.Broken++
		return Broken
	}
	l.Open++
	return Open
}

// openPromise is a promise as it stands so far.
func openPromise(p Promise) Promise {
	var aside live
	p.Status = aside.count(p.Status)
	p.NotExercised, p.Missed = nil, nil // the run may exercise them yet
	p.Clauses = slices.Clone(p.Clauses)
	for i, c := range p.Clauses {
		p.Clauses[i].Status = aside.count(c.Status)
		if c.Status != oracle.Violated {
			p.Clauses[i].Reason = soFar(c.Reason)
		}
	}
	return p
}

// soFar is the reason for a status of a run that goes on.
func soFar(reason string) string {
	if reason == "" || reason == oracle.NotCarriedOut {
		return ""
	}
	return "so far: " + reason
}

// brokenSoFar names what was seen to break.
func brokenSoFar(promises []string, objectives []objective.Verdict) string {
	var parts []string
	if len(promises) > 0 {
		parts = append(parts, fmt.Sprintf("%s broken: %s", count(len(promises), "promise"), list(promises)))
	}
	var missed []string
	for _, v := range objectives {
		if oracle.Status(v.Status) == Broken {
			missed = append(missed, v.Name)
		}
	}
	if len(missed) > 0 {
		parts = append(parts, fmt.Sprintf("%s missed: %s", count(len(missed), "objective"), list(missed)))
	}
	return "So far " + strings.Join(parts, "; ") + "."
}
