// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package oracle judges a recording: pure functions from a history to a verdict
// per promise. Its central function is [Judge]. Nothing here runs while an
// experiment runs, so an old recording can be judged again by today's oracles.
//
// A promise is judged by its numbered clauses (docs/contract.md). Each clause
// counts its opportunities to fail and its counterexamples, and names the faults
// that it rests on: if one of those was not witnessed, the clause is INVALID
// whatever was seen. A clause that this run had no opportunity to break is NOT
// MEASURED; absence of data is never good news.
package oracle

import (
	"fmt"
	"slices"
	"strings"

	"blackout/harness/history"
)

// clause is a numbered part of a promise and how it is judged.
type clause struct {
	id    string
	title string
	unit  string
	judge func(*view) finding // nil: no scenario exercises it yet
}

// finding is what a clause's judge saw.
type finding struct {
	opportunities int
	bad           []Evidence // counterexamples: what was seen to happen
	undone        []Evidence // counterexamples in a finished run only: what was never seen to happen
	good          []Evidence // observations worth showing
	rests         []string   // edges whose cuts the clause rests on
	healed        []string   // edges whose healing it rests on
	missing       string     // why there was no opportunity, if there was none
	invalid       string     // why its measurement is bad, if it is
}

type promise struct {
	id      string
	title   string
	clauses []clause
}

// promises is the contract that is judged, in order.
var promises = []promise{asksFirst, readsOnce, importsWhole, keepsTrying, keepsServing, failsVisibly}

// Promises are the ids of the promises that can be judged.
func Promises() []string {
	ids := make([]string, len(promises))
	for i, p := range promises {
		ids[i] = p.id
	}
	return ids
}

// Judge judges the asked-for promises, by id, in the order given. The clauses in
// exercised are those that the scenario is there to exercise: if one of them was
// not measured, neither was its promise, whatever else was held.
func Judge(rec *history.Recording, ids []string, exercised ...string) (Result, error) {
	v := newView(rec)
	v.exercised = exercised
	result := Result{Validity: v.checks()}
	for _, id := range ids {
		i := slices.IndexFunc(promises, func(p promise) bool { return p.id == id })
		if i < 0 {
			return Result{}, fmt.Errorf("unknown promise %q: the promises are %s", id, strings.Join(Promises(), ", "))
		}
		result.Verdicts = append(result.Verdicts, v.judge(promises[i]))
	}
	return result, nil
}

func (v *view) judge(p promise) Verdict {
	verdict := Verdict{Promise: p.id, Title: p.title, Status: NotMeasured}
	for _, c := range p.clauses {
		judged := v.judgeClause(c)
		verdict.Clauses = append(verdict.Clauses, judged)
		verdict.Status = worse(verdict.Status, judged.Status)
	}
	if verdict.Status == Held && slices.ContainsFunc(verdict.Clauses, v.missed) {
		verdict.Status = NotMeasured
	}
	return verdict
}

// missed says whether a clause should have been measured and was not.
func (v *view) missed(c Clause) bool {
	return c.Status == NotMeasured && slices.Contains(v.exercised, c.ID)
}

// severity orders the statuses: a promise is as bad as its worst clause, and
// held if a clause was and none is worse.
var severity = map[Status]int{NotMeasured: 0, Held: 1, Invalid: 2, Violated: 3}

func worse(a, b Status) Status {
	if severity[b] > severity[a] {
		return b
	}
	return a
}

func (v *view) judgeClause(c clause) Clause {
	out := Clause{ID: c.id, Title: c.title, Unit: c.unit}
	if c.judge == nil {
		out.Status, out.Reason = NotMeasured, "this scenario does not exercise it"
		return out
	}
	f := c.judge(v)
	out.Opportunities = f.opportunities
	out.Evidence = head(slices.Concat(f.bad, f.undone, f.good))
	out.Status, out.Reason = v.status(f)
	return out
}

func (v *view) status(f finding) (Status, string) {
	if v.void != "" {
		return Invalid, v.void
	}
	for _, edge := range f.rests {
		if w := v.cuts[edge]; w != nil && !w.witnessed {
			return Invalid, fmt.Sprintf("the cut of %s was not witnessed", edge)
		}
	}
	for _, edge := range f.healed {
		if w := v.cuts[edge]; w != nil && !w.healWitnessed {
			return Invalid, fmt.Sprintf("the healing of %s was not witnessed", edge)
		}
	}
	switch {
	case f.invalid != "":
		return Invalid, f.invalid
	case len(f.bad) > 0:
		return Violated, f.bad[0].Text
	case v.unfinished != "":
		return Invalid, v.unfinished // also where something was not seen: there was no time for it
	case len(f.undone) > 0:
		return Violated, f.undone[0].Text
	case f.opportunities == 0 && f.missing == "":
		return NotMeasured, "it had no opportunity to fail in this run"
	case f.opportunities == 0:
		return NotMeasured, f.missing
	}
	return Held, ""
}

func head(e []Evidence) []Evidence {
	if len(e) > MaxEvidence {
		e = e[:MaxEvidence]
	}
	return e
}
