// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package oracle

import "blackout/harness/history"

// Status is the verdict on a promise or on one of its clauses.
type Status string

// The verdicts on a promise, from DESIGN.md. The zero value is none of them.
const (
	Held        Status = "HELD"         // it had opportunities to fail and did not
	Violated    Status = "VIOLATED"     // one counterexample is enough
	NotMeasured Status = "NOT MEASURED" // this run never exercised it
	Invalid     Status = "INVALID"      // the measurement it rests on was bad
)

// Verdict is the judgement of one promise.
type Verdict struct {
	Promise string   `json:"promise"` // "G4"
	Title   string   `json:"title"`
	Status  Status   `json:"status"`
	Clauses []Clause `json:"clauses"`
}

// Clause is the judgement of one numbered clause of a promise.
type Clause struct {
	ID            string     `json:"id"` // "G4.1"
	Title         string     `json:"title"`
	Status        Status     `json:"status"`
	Opportunities int        `json:"opportunities"`      // how often it could have failed
	Unit          string     `json:"unit,omitempty"`     // what was counted: "requests", "connection attempts"
	Reason        string     `json:"reason,omitempty"`   // one sentence: why this status; always set unless Held
	Evidence      []Evidence `json:"evidence,omitempty"` // counterexamples first, at most MaxEvidence
}

// MaxEvidence bounds the evidence kept per clause; Opportunities and Reason
// carry the totals.
const MaxEvidence = 5

// Evidence is one observation that a clause's status rests on.
type Evidence struct {
	At   history.Time `json:"t"`
	Node string       `json:"node,omitempty"`
	Edge string       `json:"edge,omitempty"`
	Kind history.Kind `json:"kind,omitempty"` // of the event, or [Answer]; empty: something that did not happen
	Text string       `json:"text"`           // a sentence that names the node
}

// Answer is the kind of evidence that is a request and what came of it.
const Answer history.Kind = "request"

// Result is everything that oracles say about a run.
type Result struct {
	Validity []Check   `json:"validity"` // of the measurement itself
	Verdicts []Verdict `json:"verdicts"` // one per promise asked for, in order, then others that are violated

	// Belied are the faults that were witnessed and that the rest of the recording
	// contradicts, in the order of their injection.
	Belied []Belied `json:"belied,omitempty"`
}

// Belied is a fault that was not in force all the time.
type Belied struct {
	Edge   string       `json:"edge"`
	Inject history.Time `json:"inject"` // when its injection began
	Text   string       `json:"text"`   // what shows it
}

// Check is one test of whether the measurement can be believed. One that could
// not be made is no good news: it is not OK either.
type Check struct {
	Name       string `json:"name"`
	OK         bool   `json:"ok"`
	Unmeasured bool   `json:"unmeasured,omitempty"` // nobody looked
	Text       string `json:"text"`                 // what was measured against what limit
}
