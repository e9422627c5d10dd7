// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package objective

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"blackout/harness/history"
	"blackout/harness/oracle"
)

// Run is what SLIs are measured on: the recording, and what oracles make of it.
type Run struct {
	oracle.Observed
	Recording *history.Recording
	Validity  []oracle.Check
	Episodes  []Episode // the outages, by time

	windows map[string][]window // by data plane
	away    map[string][]oracle.Absence

	compared func() latencies // those of the steady phase and of the outage
}

// Episode is a time in which the control plane was gone for at least one data plane.
type Episode struct{ From, To history.Time }

// window is a time in which it was gone for one data plane.
type window struct {
	from, to history.Time
	episode  int
	doubt    string
}

// NewRun arranges a recording. What cannot be read has a reason in Void.
func NewRun(rec *history.Recording, result oracle.Result) Run {
	run := Run{Recording: rec, Validity: result.Validity, windows: make(map[string][]window), away: make(map[string][]oracle.Absence)}
	if slices.ContainsFunc(rec.Requests, func(q history.Request) bool { return int(q.Stream) >= len(rec.Header.Streams) }) {
		run.Void = "the recording is damaged: a request belongs to no stream of its header"
		return run
	}
	observed, err := oracle.Observe(rec)
	if err != nil {
		run.Void = "the recording cannot be read: " + err.Error()
		return run
	}
	run.Observed = observed
	for _, o := range run.Outages { // they are sorted
		if last := len(run.Episodes) - 1; last >= 0 && o.Inject <= run.Episodes[last].To {
			run.Episodes[last].To = max(run.Episodes[last].To, o.Heal)
		} else {
			run.Episodes = append(run.Episodes, Episode{o.Inject, o.Heal})
		}
		run.windows[o.Node] = append(run.windows[o.Node], window{o.Inject, o.Heal, len(run.Episodes) - 1, o.Doubt})
	}
	for _, a := range run.Away {
		run.away[a.Node] = append(run.away[a.Node], a)
	}
	run.compared = sync.OnceValue(run.latencies) // several objectives compare them
	return run
}

// unsound says which of some checks failed, or could not be made; empty if none.
func (r Run) unsound(checks []string) string {
	for _, name := range checks {
		i := slices.IndexFunc(r.Validity, func(c oracle.Check) bool { return c.Name == name })
		switch {
		case i < 0:
			return "nobody checked: " + name
		case !r.Validity[i].OK:
			return "check " + name + ": " + r.Validity[i].Text
		}
	}
	return ""
}

// EpisodeAt is the index of the outage that a moment lies in, or -1.
func (r Run) EpisodeAt(t history.Time) int {
	return slices.IndexFunc(r.Episodes, func(e Episode) bool { return e.From <= t && t < e.To })
}

// windowAt is the outage that a data plane was in at a moment.
func (r Run) windowAt(node string, t history.Time) (window, bool) {
	for _, w := range r.windows[node] {
		if w.from <= t && t < w.to {
			return w, true
		}
	}
	return window{}, false
}

// in says whether a moment belongs to a phase for a data plane, and to which outage, or
// -1. The steady phase ends with the first outage of the run.
func (r Run) in(phase, node string, t history.Time) (w window, ok bool) {
	out, episodes := false, len(r.Episodes)
	if episodes > 0 && r.Episodes[0].From <= t && t < r.Episodes[episodes-1].To {
		w, out = r.windowAt(node, t)
	}
	if !out {
		w.episode = -1
	}
	if episodes == 0 {
		return w, phase == "steady" || phase == "run"
	}
	switch phase {
	case "outage":
		return w, out
	case "steady":
		return w, t < r.Episodes[0].From
	case "recovery":
		return w, !out && t >= r.Episodes[0].To
	}
	return w, true
}

// isAway says whether the harness kept a data plane from answering at a time.
func (r Run) isAway(node string, from, to history.Time) bool {
	return slices.ContainsFunc(r.away[node], func(a oracle.Absence) bool { return a.From <= to && from <= a.To })
}

// excuse says what of the machine's kept a node from answering a request, or by its
// deadline, "" for nothing. A failure that the client hid has no such excuse.
func (r Run) excuse(node string, a history.Request, deadline time.Duration) string {
	if a.Class != history.Timeout && (a.Class != history.Good || a.Done.Sub(a.Intended) <= deadline) {
		return ""
	}
	return r.KeptFrom(node, a.Intended, a.Done)
}

// firsts keeps the earliest pieces of evidence.
type firsts struct{ seen []oracle.Evidence }

func (f *firsts) add(e oracle.Evidence) {
	if len(f.seen) == oracle.MaxEvidence && e.At >= f.seen[len(f.seen)-1].At {
		return
	}
	i, _ := slices.BinarySearchFunc(f.seen, e, func(a, b oracle.Evidence) int { return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.Text, b.Text)) })
	f.seen = slices.Insert(f.seen, i, e)
	f.seen = f.seen[:min(len(f.seen), oracle.MaxEvidence)]
}

// tally counts the outages that something was measured in, and those with a bad sample.
type tally struct{ seen, spoilt map[int]bool }

func newTally() tally { return tally{make(map[int]bool), make(map[int]bool)} }

func (t tally) add(episode int, bad bool) {
	if episode < 0 {
		return
	}
	t.seen[episode] = true
	if bad {
		t.spoilt[episode] = true
	}
}

// into enters the counts.
func (t tally) into(m *Measurement) { m.Episodes, m.Clean = len(t.seen), len(t.seen)-len(t.spoilt) }
