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
//
// A recording is read once: the events, of which what an oracle asks for is kept,
// then the requests, which pass by the clauses that want to see them. So time and
// memory grow with the recording's length and not with the number of clauses or
// nodes.
//
// An oracle that cannot fail is not believed. Every clause has a canary, a tiny
// history that breaks it and nothing else; one whose oracle does not find it
// VIOLATED is INVALID.
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
	unit  string // what its opportunities are counted in

	// judge fills in what the clause finds in the events, and asks the view to see
	// requests. What can be said only after them is left to the finding's finish.
	judge func(*view, *finding)

	// canary tells a history that breaks the clause.
	canary func(*story)
}

// finding is what a clause's judge saw.
type finding struct {
	opportunities int
	bad           evidence // counterexamples: what was seen to happen
	undone        evidence // counterexamples in a finished run only: what was never seen to happen
	good          evidence // observations worth showing
	rests         []*fault // faults that the clause rests on
	healed        []*fault // faults on whose healing it rests
	asked         []*schedule
	missing       string   // why there was no opportunity, if there was none
	invalid       string   // why its measurement is bad, if it is
	doubt         string   // why it cannot be called held, if nothing bad was seen
	spared        string   // what would be a counterexample had the machine not kept a node from running, if anything would
	finish        []func() // what is left to do when the requests have passed
}

// doubts says why the clause cannot be called held, if nobody did before.
func (f *finding) doubts(format string, args ...any) {
	if f.doubt == "" {
		f.doubt = fmt.Sprintf(format, args...)
	}
}

// later does what can only be done when the requests have passed.
func (f *finding) later(do func()) { f.finish = append(f.finish, do) }

type promise struct {
	id      string
	title   string
	clauses []clause
}

// contract is what is judged, in order.
var contract = []promise{
	asksFirst, readsOnce, importsWhole, keepsTrying, namesKeys, exports, onlyReads,
	isProtected, oneWriter, keepsServing, bootsFromBackup, staysSecure, failsVisibly,
}

// Promises are the ids of the promises that can be judged.
func Promises() []string {
	ids := make([]string, len(contract))
	for i, p := range contract {
		ids[i] = p.id
	}
	return ids
}

// Judge judges promises, by id, in the order given; without any, those that the
// recording names, with the clauses that it says its scenario exercises. The
// clauses in exercised are those that the scenario is there to exercise: if one of
// them was not measured, neither was its promise, whatever else was held.
//
// The rest of the contract is looked at all the same, for a counterexample counts
// whoever finds it: a promise that nobody asked for has a verdict, after the others,
// if it is VIOLATED.
func Judge(rec *history.Recording, ids []string, exercised ...string) (Result, error) {
	return JudgeSource(rec.Source(), ids, exercised...)
}

// JudgeSource is [Judge] for a recording that is too large to be held. It reads
// the source to its end; the error is the reading's, or names an unknown promise.
func JudgeSource(source *history.Source, ids []string, exercised ...string) (Result, error) {
	if len(ids) == 0 {
		ids, exercised = source.Header.Promises, source.Header.Exercises
	}
	asked, err := promises(ids)
	if err != nil {
		return Result{}, err
	}
	return court{promises: asked, beside: others(ids), exercised: exercised}.judge(source)
}

// others are the promises that are not among some ids.
func others(ids []string) []promise {
	return slices.DeleteFunc(slices.Clone(contract), func(p promise) bool { return slices.Contains(ids, p.id) })
}

// promises are those of some ids.
func promises(ids []string) ([]promise, error) {
	var out []promise
	for _, id := range ids {
		i := slices.IndexFunc(contract, func(p promise) bool { return p.id == id })
		if i < 0 {
			return nil, fmt.Errorf("unknown promise %q: the promises are %s", id, strings.Join(Promises(), ", "))
		}
		out = append(out, contract[i])
	}
	return out, nil
}

// court judges promises.
type court struct {
	promises  []promise
	beside    []promise // those that nobody asked for
	exercised []string
}

func (c court) judge(source *history.Source) (Result, error) {
	v, findings, err := c.hear(source)
	if err != nil {
		return Result{}, err
	}
	result := Result{Validity: v.checks(), Belied: v.belied()}
	void, unfinished := v.usable()
	for i, p := range slices.Concat(c.promises, c.beside) {
		verdict := Verdict{Promise: p.id, Title: p.title, Status: NotMeasured}
		for k, clause := range p.clauses {
			judged := clause.conclude(findings[i][k], v, void, unfinished)
			if !clause.findsCanary() {
				judged = blind(judged)
			}
			verdict.Clauses = append(verdict.Clauses, judged)
			verdict.Status = worse(verdict.Status, judged.Status)
		}
		if verdict.Status == Held && slices.ContainsFunc(verdict.Clauses, c.missed) {
			verdict.Status = NotMeasured
		}
		if i < len(c.promises) || verdict.Status == Violated {
			result.Verdicts = append(result.Verdicts, verdict)
		}
	}
	return result, nil
}

// hear reads a recording and lets every clause's judge see it.
func (c court) hear(source *history.Source) (*view, [][]*finding, error) {
	v, err := newView(source)
	if err != nil {
		return nil, nil, err
	}
	all := slices.Concat(c.promises, c.beside)
	findings := make([][]*finding, len(all))
	for i, p := range all {
		for _, clause := range p.clauses {
			f := &finding{}
			clause.judge(v, f)
			findings[i] = append(findings[i], f)
		}
	}
	if err := v.pass(source); err != nil {
		return nil, nil, err
	}
	for _, f := range slices.Concat(findings...) {
		for _, finish := range f.finish {
			finish()
		}
	}
	return v, findings, nil
}

// missed says whether a clause should have been measured and was not.
func (c court) missed(judged Clause) bool {
	return judged.Status == NotMeasured && slices.Contains(c.exercised, judged.ID)
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

// conclude says what a finding comes to.
func (c clause) conclude(f *finding, v *view, void, unfinished string) Clause {
	out := Clause{ID: c.id, Title: c.title, Unit: c.unit, Opportunities: f.opportunities}
	out.Evidence = slices.Concat(f.bad.first, f.undone.first, f.good.first)
	out.Evidence = out.Evidence[:min(len(out.Evidence), MaxEvidence)]
	out.Status, out.Reason = f.status(v, void, unfinished)
	return out
}

func (f *finding) status(v *view, void, unfinished string) (Status, string) {
	if void == "" {
		void = f.unfounded(v)
	}
	switch {
	case void != "":
		return Invalid, void
	case f.bad.count > 0:
		return Violated, f.bad.first[0].Text
	case unfinished != "":
		return Invalid, unfinished // also where something was not seen: there was no time for it
	case f.doubt != "":
		return Invalid, f.doubt
	case f.undone.count > 0:
		return Violated, f.undone.first[0].Text
	case f.spared != "":
		return Invalid, f.spared
	case len(v.faults) == 0:
		return NotMeasured, "no fault was in force" + v.unstaged()
	case f.opportunities == 0:
		return NotMeasured, f.missing + v.unstaged()
	}
	return Held, ""
}

// unfounded says why what a finding rests on was bad; empty if it was not.
func (f *finding) unfounded(v *view) string {
	for _, cut := range f.rests {
		switch {
		case !cut.witnessed:
			return fmt.Sprintf("the fault %s was not witnessed", cut)
		case cut.belied != "":
			return fmt.Sprintf("the fault %s was not in force all the time: %s", cut, cut.belied)
		}
	}
	for _, cut := range f.healed {
		if !cut.healWitnessed {
			return fmt.Sprintf("the healing of %s was not witnessed", cut)
		}
	}
	if f.invalid != "" {
		return f.invalid
	}
	for _, s := range f.asked {
		if why := s.unsound(v.end); why != "" {
			return why
		}
	}
	return ""
}

// unstaged names the faults that could not be staged, for a clause that had no
// opportunity: it may have needed one of them.
func (v *view) unstaged() string {
	if len(v.ends.unstaged) == 0 {
		return ""
	}
	var faults []string
	for _, e := range v.ends.unstaged {
		faults = append(faults, fmt.Sprintf("%s on %s%s (%s)", e.Text, e.Edge, e.Node, e.Error))
	}
	slices.Sort(faults)
	return "; could not be staged here: " + strings.Join(slices.Compact(faults), ", ")
}
