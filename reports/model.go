// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"time"

	"blackout/harness/history"
	"blackout/harness/oracle"
	"blackout/reports/objective"
)

// Schema is the version of report.json's shape.
const Schema = 1

// Model is everything a report says, computed once by [Build]. Times are
// nanoseconds since the start of the run, as in the recording. A nil pointer is
// a figure that was not measured.
type Model struct {
	Schema      int                 `json:"schema"`
	Run         string              `json:"run"`
	Scenario    string              `json:"scenario"`
	Seed        uint64              `json:"seed,string"` // a string: JSON numbers lose digits above 2^53 in many readers
	Engine      string              `json:"engine"`
	Profile     history.Profile     `json:"profile"`
	Started     time.Time           `json:"started"` // wall clock, UTC
	Duration    time.Duration       `json:"duration_ns"`
	Outcome     Outcome             `json:"outcome"`
	Answers     []Answer            `json:"answers"`
	Promises    []Promise           `json:"promises"`
	SLO         *SLO                `json:"slo"` // null: no file was given, and no objective judged
	Objectives  []objective.Verdict `json:"objectives"`
	Validity    []oracle.Check      `json:"validity"`
	Phases      []Phase             `json:"phases"`
	Steps       []Step              `json:"steps"`       // those with a planned time
	LatestStep  *Step               `json:"latest_step"` // the one that began the longest after its planned time
	Faults      []Fault             `json:"faults"`
	Outages     []Outage            `json:"outages"`
	Traffic     []Traffic           `json:"traffic"`
	Generations []Generation        `json:"generations"`
	Nodes       []NodeHistory       `json:"nodes"`
	Starts      []Start             `json:"starts"`
	Store       []StoreAuthor       `json:"store_requests"`
	Connections []ConnectionCount   `json:"connections"`
	Incidents   []Incident          `json:"incidents"`
	Timeline    []Bucket            `json:"timeline"`
	Baseline    *LastRuns           `json:"baseline"` // null: no baseline was kept with the run
	Environment Environment         `json:"environment"`
	Observations
}

// Outcome is the run's overall verdict. Counts are of promises, those of objectives
// apart.
type Outcome struct {
	Status      oracle.Status `json:"status"` // one of promises, or NotProven
	Sentence    string        `json:"sentence"`
	Held        int           `json:"held"`
	Violated    int           `json:"violated"`
	Invalid     int           `json:"invalid"`
	NotMeasured int           `json:"not_measured"`

	Objectives ObjectiveCounts `json:"objectives"`
}

// Answer answers one of the questions that a reader comes with.
type Answer struct {
	Question string   `json:"question"`
	Lines    []string `json:"lines"` // never empty
}

// Promise is a verdict, and what a reader of its one line must know besides.
type Promise struct {
	oracle.Verdict
	Opportunities int      `json:"opportunities"` // of all clauses, in their own units
	NotExercised  []string `json:"not_exercised"` // ids of the clauses that are NOT MEASURED
	Missed        []string `json:"missed"`        // those of them that are known to be what the scenario is there to exercise
}

// Interval is the span in which an edge of something lies: edges that were
// observed from outside are never points.
type Interval struct {
	From history.Time `json:"from_ns"`
	To   history.Time `json:"to_ns"`
}

// Phase is a phase of the scenario, from its begin to the begin of the next.
type Phase struct {
	Name string       `json:"name"`
	From history.Time `json:"from_ns"`
	To   history.Time `json:"to_ns"`
}

// Step is when a step began beside when the plan wanted it begun.
type Step struct {
	Step    int           `json:"step"`
	Text    string        `json:"text"`
	Planned history.Time  `json:"planned_ns"`
	Began   history.Time  `json:"began_ns"`
	Late    time.Duration `json:"late_ns"`
}

// Fault is one fault on one edge or node. Its edges are the spans of the calls that
// put it in force and healed it.
type Fault struct {
	Edge          string    `json:"edge"`           // that it acts on; empty if it acts on a node
	Node          string    `json:"node,omitempty"` // that it acts on
	Mode          string    `json:"mode"`
	Start         Interval  `json:"start"`
	Active        bool      `json:"active"`         // the call that put it in force returned
	End           *Interval `json:"end"`            // null: not healed within the recording
	Witnessed     bool      `json:"witnessed"`      // a witness saw it in force, and nothing recorded shows the contrary
	Witness       string    `json:"witness"`        // what was seen; empty: nobody looked
	HealWitnessed *bool     `json:"heal_witnessed"` // null: nobody looked
	HealWitness   string    `json:"heal_witness"`   // what was seen after healing
}

// Outage is a span in which a stream got no good answers. Windows separated by
// fewer than three good answers are one outage of several runs.
type Outage struct {
	Stream    string         `json:"stream"`
	Node      string         `json:"node"`
	Start     Interval       `json:"start"`
	End       Interval       `json:"end"`
	OpenStart bool           `json:"open_start"` // the stream saw no good answer before it
	OpenEnd   bool           `json:"open_end"`   // the stream saw no good answer after it
	Min       time.Duration  `json:"min_ns"`     // it lasted at least this long
	Max       time.Duration  `json:"max_ns"`     // and at most this long, unless open
	Failed    int            `json:"failed"`     // requests
	Classes   map[string]int `json:"classes"`    // failed requests by class
	Runs      int            `json:"runs"`       // unbroken runs of failures in it; more than one is flapping
	Causes    []string       `json:"causes"`     // the witnessed faults that overlap it; empty: UNEXPLAINED
	Suspects  []string       `json:"suspects"`   // the faults that overlap it and were not witnessed: they explain nothing
}

// Explained reports whether a witnessed fault overlaps the outage.
func (o Outage) Explained() bool { return len(o.Causes) > 0 }

// Traffic sums up the probes of one node, over all of its streams.
type Traffic struct {
	Node           string         `json:"node"`
	Streams        int            `json:"streams"`
	Resolution     time.Duration  `json:"resolution_ns"` // the shortest probe interval: a shorter outage can be missed
	Requests       int            `json:"requests"`
	Good           int            `json:"good"`
	Failures       map[string]int `json:"failures"` // by class
	Masked         int            `json:"masked"`   // failures that the HTTP client hid by sending again
	NewConnections int            `json:"new_connections"`
	Availability   *float64       `json:"availability"` // good/requests
	LowerBound     *float64       `json:"availability_lower_95"`
	Latency        Latency        `json:"latency"` // of good answers, from the intended time of sending
	Service        Latency        `json:"service"` // of good answers, from the time of sending
	LagP99         *time.Duration `json:"lag_p99_ns"`
}

// Failed is the number of requests that failed.
func (t Traffic) Failed() int { return t.Requests - t.Good }

// Latency is a distribution in three figures. P99 is not measured below
// a hundred answers, because it would be their maximum under another name.
type Latency struct {
	P50 *time.Duration `json:"p50_ns"`
	P99 *time.Duration `json:"p99_ns"`
	Max *time.Duration `json:"max_ns"`
}

// Generation is one configuration generation as a node's answers showed it.
type Generation struct {
	Node       string       `json:"node"`
	Generation int          `json:"generation"`
	Answers    int          `json:"answers"`
	First      history.Time `json:"first_ns"`
	Last       history.Time `json:"last_ns"`
}

// NodeHistory is what was seen of a node over time: spans of readiness and of
// the generation served, and its starts and unasked-for ends.
type NodeHistory struct {
	Node   string         `json:"node"`
	Role   string         `json:"role"`
	Ready  []Span         `json:"ready"`
	Serves []Span         `json:"serves"`
	Starts []history.Time `json:"starts_ns"`
	Exits  []history.Time `json:"exits_ns"`
}

// Span is a stretch of time in which a node's state stayed the same.
type Span struct {
	From       history.Time `json:"from_ns"`
	To         history.Time `json:"to_ns"`
	Code       int          `json:"code"`       // HTTP status; 0: no answer
	Generation int          `json:"generation"` // 0: none, or not a span of serving
}

// Start is one start of a data plane. The durations count from the call that
// started the process.
type Start struct {
	Node       string         `json:"node"`
	At         history.Time   `json:"at_ns"`
	Dial       *time.Duration `json:"control_plane_dial_ns"` // first connection attempt at a control plane
	Gone       *time.Duration `json:"control_plane_gone_ns"` // it could know that its control plane was gone; of a start that could be served from the store only
	StoreRead  *time.Duration `json:"store_read_ns"`         // its first GET at the store began
	StoreDone  *time.Duration `json:"store_done_ns"`         // and ended
	Ready      *time.Duration `json:"ready_ns"`              // readiness was first seen at 200
	FirstGood  *time.Duration `json:"first_good_ns"`         // the first good answer was complete
	Generation *int           `json:"generation"`            // that the first good answer carried
}

// StoreAuthor counts the store requests of one node with one method.
type StoreAuthor struct {
	Author    string       `json:"author"` // empty: the store could not say who
	Method    string       `json:"method"`
	Requests  int          `json:"requests"`
	Succeeded int          `json:"succeeded"` // status 2xx or 304
	Denied    int          `json:"denied"`    // status 401 or 403
	Failed    int          `json:"failed"`    // anything else
	Bytes     int64        `json:"bytes"`     // sent to the client
	First     history.Time `json:"first_ns"`
	Last      history.Time `json:"last_ns"`
}

// ConnectionCount counts the connection attempts that reached one edge.
type ConnectionCount struct {
	Edge      string         `json:"edge"`
	Attempts  *int           `json:"attempts"`
	Faulted   *int           `json:"attempts_under_fault"` // also null if the edge had no fault
	MinGap    *time.Duration `json:"min_gap_ns"`           // between successive attempts
	MedianGap *time.Duration `json:"median_gap_ns"`
	Offered   *int64         `json:"offered_bytes"` // before the fault point
	Passed    *int64         `json:"passed_bytes"`  // behind it, in the directions that it acts on; also null without a fault behind which a second meter stands
}

// Incident is something that did not go as planned: a wait that timed out, a
// step that failed, a process that ended by itself, an error of the harness or
// of its environment.
type Incident struct {
	At   history.Time `json:"at_ns"`
	Kind string       `json:"kind"`
	Node string       `json:"node"`
	Text string       `json:"text"`
}

// Bucket is a slice of the timeline, by the intended time of sending.
type Bucket struct {
	From     history.Time   `json:"from_ns"`
	To       history.Time   `json:"to_ns"`
	Requests int            `json:"requests"`
	P50      *time.Duration `json:"p50_ns"` // of good answers, from the intended time
	P99      *time.Duration `json:"p99_ns"` // nearest rank; the maximum where there are few
	Failures map[string]int `json:"failures"`
}
