// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package objective

import (
	"slices"

	"blackout/harness/history"
)

// The phases that a request can have been due in, for the data plane that it was sent
// to. They are those of the objectives, not those that a scenario announces.
const (
	Steady   = "steady"   // before the first outage of the run; all of a run without one
	Outage   = "outage"   // the control plane of this data plane was gone
	Recovery = "recovery" // after the first outage, and in none
	Beside   = "beside"   // the control plane was gone for others only
	Away     = "away"     // the harness had ended or frozen the data plane
)

// Phases are all of them, in the order in which reports show them.
var Phases = []string{Steady, Outage, Beside, Recovery, Away}

// AnswerDeadline is how long after its request was due an answer counts as good, where
// no file says otherwise.
const AnswerDeadline = answerDeadline

// PhaseOf is the phase that a request was due in.
func (r Run) PhaseOf(a history.Request) string {
	node := r.Recording.Header.Streams[a.Stream].Node
	if r.isAway(node, a.Intended, a.Done) {
		return Away
	}
	return r.phaseAt(node, a.Intended)
}

// phaseAt is the phase of a data plane at a moment, whatever the harness did to it.
func (r Run) phaseAt(node string, t history.Time) string {
	for _, phase := range []string{Outage, Steady, Recovery} {
		if _, in := r.in(phase, node, t); in {
			return phase
		}
	}
	return Beside
}

// LatenciesByPhase are the times of good answers in nanoseconds, from when the requests
// were due, by the phase of the data plane; in no order. Those of the steady phase were
// complete before the first fault of any kind, as for the SLI latency-ratio.
func (r Run) LatenciesByPhase() map[string][]float64 {
	first := r.firstFault()
	phases := make([]uint8, len(r.Recording.Requests)) // of Phases, from 1; 0: of none
	counts := make([]int, 1+len(Phases))
	for i, a := range r.Recording.Requests {
		if a.Class != history.Good {
			continue
		}
		phase := r.phaseAt(r.Recording.Header.Streams[a.Stream].Node, a.Intended)
		if phase != Steady || a.Done < first {
			phases[i] = uint8(1 + slices.Index(Phases, phase))
			counts[phases[i]]++
		}
	}
	sets := make([][]float64, len(counts))
	for phase, n := range counts {
		sets[phase] = make([]float64, 0, n)
	}
	for i, a := range r.Recording.Requests {
		if phase := phases[i]; phase > 0 {
			sets[phase] = append(sets[phase], float64(a.Done.Sub(a.Intended)))
		}
	}
	all := make(map[string][]float64)
	for i, name := range Phases {
		if len(sets[i+1]) > 0 {
			all[name] = sets[i+1]
		}
	}
	return all
}

// Doubt is why an outage of the run cannot be believed; empty if it can.
func (r Run) Doubt(e Episode) string {
	for _, o := range r.Outages {
		if o.Inject >= e.From && o.Inject <= e.To && o.Doubt != "" {
			return o.Doubt
		}
	}
	return ""
}

// DataPlanes is how many data planes an outage of the run cut off.
func (r Run) DataPlanes(e Episode) int {
	cut := make(map[string]bool)
	for _, o := range r.Outages {
		if o.Inject >= e.From && o.Inject <= e.To {
			cut[o.Node] = true
		}
	}
	return len(cut)
}
