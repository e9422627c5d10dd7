// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"cmp"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"blackout/harness/history"
	"blackout/reports/objective"
)

// large is from how many requests on memory is looked after.
const large = 1 << 20

// Build computes the model. It is a pure function of its input, which must
// have a recording, and leaves the input as it is.
func Build(in Input) Model {
	run := objective.NewRun(in.Recording, in.Result)
	var judged []objective.Verdict
	judging := beside(func() { judged = objectives(in, run) }) // half of the work
	r := arrange(in.Recording)
	m := Model{
		Schema:      Schema,
		Run:         r.header.Run,
		Scenario:    r.header.Scenario,
		Seed:        r.header.Seed,
		Engine:      r.header.Engine,
		Profile:     r.header.Profile,
		Started:     r.header.Started.UTC(),
		Duration:    r.end.Sub(0),
		Promises:    promises(in.Result, in.Exercises),
		Validity:    in.Result.Validity,
		Phases:      r.phases(),
		Steps:       r.steps(),
		Faults:      disbelieve(r.faults(), in.Result.Belied),
		Traffic:     r.traffic(),
		Generations: r.generations(),
		Nodes:       r.nodes(),
		Starts:      r.starts(),
		Store:       r.storeRequests(),
		Incidents:   r.incidents(),
		Timeline:    r.timeline(),
		Environment: in.Environment,
	}
	judging()
	if len(in.Recording.Requests) > large {
		runtime.GC() // what was garbage until here is enough for what follows
	}
	m.SLO, m.Objectives = sloOf(in.SLO), judged
	m.Observations = observations(r, run, in.SLO, &m)
	m.LatestStep = latest(m.Steps)
	m.Outages = r.outages(m.Faults)
	m.Connections = r.connections(m.Faults)
	m.Outcome = judgeObjectives(judge(m), m)
	m.Baseline = lastRuns(m, in.Baseline)
	m.Answers = answers(m)
	return m
}

// beside does something beside its caller, and returns what waits for its end. If it
// panics, as an indicator of one's own may, so does the wait: in the caller's goroutine,
// where it can be recovered.
func beside(do func()) (wait func()) {
	var panicked any
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { panicked = recover() }()
		do()
	}()
	return func() {
		if <-done; panicked != nil {
			panic(panicked)
		}
	}
}

// recorded is a recording arranged for the computations of this package.
type recorded struct {
	header  history.Header
	events  []history.Event      // by At
	streams [][]*history.Request // by Intended; index is the stream's; of the recording, which may be large
	strays  int                  // requests of streams that the header does not name
	end     history.Time         // the last thing recorded
	roles   map[string]string    // node to role
}

// arrange sorts a copy of the recording: events are recorded in the order of
// writing, and those mapped from a meter's clock are written late.
func arrange(rec *history.Recording) recorded {
	r := recorded{
		header:  rec.Header,
		events:  slices.Clone(rec.Events),
		streams: perStream(rec),
		roles:   make(map[string]string, len(rec.Header.Nodes)),
	}
	for _, n := range rec.Header.Nodes {
		r.roles[n.Name] = n.Role
	}
	slices.SortStableFunc(r.events, func(a, b history.Event) int { return cmp.Compare(a.At, b.At) })
	for _, e := range r.events {
		r.end = max(r.end, e.At, e.Until)
	}
	for i := range rec.Requests {
		q := &rec.Requests[i]
		r.end = max(r.end, q.Done)
		if int(q.Stream) >= len(r.streams) {
			r.strays++
			continue
		}
		r.streams[q.Stream] = append(r.streams[q.Stream], q)
	}
	for _, s := range r.streams {
		slices.SortStableFunc(s, func(a, b *history.Request) int { return cmp.Compare(a.Intended, b.Intended) })
	}
	return r
}

// perStream makes room for the requests of each stream.
func perStream(rec *history.Recording) [][]*history.Request {
	counts := make([]int, len(rec.Header.Streams))
	for i := range rec.Requests {
		if stream := int(rec.Requests[i].Stream); stream < len(counts) {
			counts[stream]++
		}
	}
	streams := make([][]*history.Request, len(counts))
	for i, n := range counts {
		streams[i] = make([]*history.Request, 0, n)
	}
	return streams
}

// of are the events of some kinds: those of the recording itself, which may be large.
func (r recorded) of(kinds ...history.Kind) []*history.Event {
	var found []*history.Event
	for i, e := range r.events {
		if slices.Contains(kinds, e.Kind) {
			found = append(found, &r.events[i])
		}
	}
	return found
}

// phases returns the phases in order; the last one lasts to the end.
func (r recorded) phases() []Phase {
	phases := []Phase{}
	for _, e := range r.of(history.PhaseBegin) {
		if n := len(phases); n > 0 {
			phases[n-1].To = e.At
		}
		phases = append(phases, Phase{Name: e.Text, From: e.At, To: r.end})
	}
	return phases
}

// incidents collects what did not go as planned.
func (r recorded) incidents() []Incident {
	incidents := []Incident{}
	if r.strays > 0 {
		incidents = append(incidents, Incident{Kind: "recording",
			Text: "requests of no stream of the header, counted nowhere: " + strconv.Itoa(r.strays)})
	}
	for _, e := range r.events {
		if kind, text := incident(e); kind != "" {
			incidents = append(incidents, Incident{At: e.At, Kind: kind, Node: e.Node, Text: text})
		}
	}
	return incidents
}

// The kinds of incidents that have an owner other than the gateway.
const (
	harnessError     = "harness error"
	environmentError = "environment error"
)

// incident names an event that did not go as planned; other events have no
// kind.
func incident(e history.Event) (kind, text string) {
	switch {
	case e.Kind == history.WaitTimeout:
		return "wait timed out", e.Text
	case e.Kind == history.NodeExit:
		return "process ended", fmt.Sprintf("ended by itself with code %d", e.Code)
	case e.Kind == history.HarnessError:
		return harnessError, strings.TrimSpace(e.Edge + " " + e.Error)
	case e.Kind == history.EnvironmentError:
		return environmentError, e.Error
	case e.Kind == history.Interrupted:
		return "interrupted", e.Text
	case e.Kind == history.ChangeUnknown:
		return "change unknown", fmt.Sprintf("generation %d: %s", e.Generation, e.Error)
	case e.Kind == history.StepEnd && e.Error != "":
		return "step failed", fmt.Sprintf("step %d (%s): %s", e.Step, e.Text, e.Error)
	}
	return "", ""
}

// peer is the node that an edge such as "dp-1>cp" leads to.
func peer(edge string) string {
	_, to, _ := strings.Cut(edge, ">")
	return to
}
