// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package oracle

import (
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"blackout/harness/history"
)

// view is a recording, indexed.
type view struct {
	rec    *history.Recording
	events map[history.Kind][]history.Event // by kind, ordered by time
	cuts   map[string]*window               // by edge
	planes []history.Node                   // the data planes
	end    history.Time

	exercised []string // clauses that the scenario is there to exercise

	void       string // why nothing of this run counts, if so
	unfinished string // why nothing of it can be called held, if so
}

// window is the cut of an edge. Its edges are intervals: it was not in force
// before inject, was from active to heal, and was not after healed. A moment that
// was not recorded is the end of the run.
type window struct {
	edge                         string
	mode                         string
	inject, active, heal, healed history.Time
	witnessed, healWitnessed     bool
}

func newView(rec *history.Recording) *view {
	v := &view{rec: rec, events: make(map[history.Kind][]history.Event), cuts: make(map[string]*window)}
	events := slices.Clone(rec.Events)
	slices.SortStableFunc(events, func(a, b history.Event) int { return int(min(max(a.At-b.At, -1), 1)) })
	for _, e := range events {
		v.events[e.Kind] = append(v.events[e.Kind], e)
		v.end = max(v.end, e.At)
		v.addCut(e)
	}
	for _, n := range rec.Header.Nodes {
		if n.Role == "data_plane" {
			v.planes = append(v.planes, n)
		}
	}
	v.void, v.unfinished = v.usable()
	return v
}

func (v *view) addCut(e history.Event) {
	if e.Kind == history.FaultInject {
		const never = history.Time(math.MaxInt64)
		v.cuts[e.Edge] = &window{edge: e.Edge, mode: e.Text, inject: e.At, active: never, heal: never, healed: never}
		return
	}
	w := v.cuts[e.Edge]
	if w == nil {
		return
	}
	switch e.Kind {
	case history.FaultActive:
		w.active = e.At
	case history.FaultWitness:
		w.witnessed = e.OK
	case history.FaultHeal:
		w.heal = min(w.heal, e.At)
	case history.FaultHealed:
		w.healed = min(w.healed, e.At)
	case history.HealWitness:
		w.healWitnessed = e.OK
	}
}

// cpCut is the cut of a node's edge to the control plane, or nil.
func (v *view) cpCut(node string) *window {
	for edge, w := range v.cuts {
		if from, to, _ := strings.Cut(edge, ">"); from == node && to == v.controlPlane() {
			return w
		}
	}
	return nil
}

func (v *view) storeCut(node string) *window { return v.cuts[storeEdge(node)] }

func storeEdge(node string) string { return node + ">store" }

func (v *view) controlPlane() string {
	for _, n := range v.rec.Header.Nodes {
		if n.Role == "control_plane" {
			return n.Name
		}
	}
	return ""
}

// of returns the events of a kind and a node.
func (v *view) of(kind history.Kind, node string) []history.Event {
	var out []history.Event
	for _, e := range v.events[kind] {
		if e.Node == node {
			out = append(out, e)
		}
	}
	return out
}

// start is when a node's process was started, and whether it was.
func (v *view) start(node string) (history.Time, bool) {
	starts := v.of(history.NodeStart, node)
	if len(starts) == 0 {
		return 0, false
	}
	return starts[0].At, true
}

// newcomers are the data planes that were started while their edge to the control
// plane was cut, with that cut.
func (v *view) newcomers() []newcomer {
	var out []newcomer
	for _, n := range v.planes {
		at, started := v.start(n.Name)
		if w := v.cpCut(n.Name); started && w != nil && w.inject < at && at < w.heal {
			out = append(out, newcomer{n, at, w})
		}
	}
	return out
}

type newcomer struct {
	history.Node
	start history.Time
	cut   *window
}

// residents are the data planes that ran before their edge was cut, with that cut.
func (v *view) residents() []newcomer {
	var out []newcomer
	for _, n := range v.planes {
		at, started := v.start(n.Name)
		if w := v.cpCut(n.Name); started && w != nil && at < w.inject {
			out = append(out, newcomer{n, at, w})
		}
	}
	return out
}

// attemptsSince are when a node itself tried an edge. Before its start nobody but
// the harness can have done so.
func (v *view) attemptsSince(start history.Time, edge, node string) []history.Time {
	var out []history.Time
	for _, e := range v.events[history.EdgeConnect] {
		if e.Edge == edge && e.Node == node && e.At >= start {
			out = append(out, e.At)
		}
	}
	return out
}

// firstServed is when a node's probed route was first seen to answer well: a 200
// that shows no generation is somebody else's answer.
func (v *view) firstServed(node string) (history.Time, bool) {
	for _, e := range v.of(history.ServeChange, node) {
		if e.Code == http.StatusOK && e.Generation > 0 {
			return e.At, true
		}
	}
	return 0, false
}

// watched says whether anybody looked at a node's readiness.
func (v *view) watched(node string) bool { return len(v.of(history.ReadyChange, node)) > 0 }

// readyBefore says whether a node was seen ready before a moment.
func (v *view) readyBefore(node string, before history.Time) bool {
	return slices.ContainsFunc(v.of(history.ReadyChange, node), func(e history.Event) bool {
		return e.Code == http.StatusOK && e.Until < before
	})
}

// readyAtTheEnd says whether a node was ready when it was last looked at.
func (v *view) readyAtTheEnd(node string) bool {
	looks := v.of(history.ReadyChange, node)
	return len(looks) > 0 && looks[len(looks)-1].Code == http.StatusOK
}

// requests calls f for each request to a node.
func (v *view) requests(node string, f func(history.Request)) {
	for _, r := range v.rec.Requests {
		if v.rec.Header.Streams[r.Stream].Node == node {
			f(r)
		}
	}
}

// planted are the generations that the harness put into the bucket.
func (v *view) planted() map[int]bool {
	out := make(map[int]bool)
	for _, e := range v.events[history.Planted] {
		out[e.Generation] = true
	}
	return out
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }
