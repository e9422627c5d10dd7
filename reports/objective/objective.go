// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package objective judges the objectives of an SLO file on a recording. Its central
// type is [SLI]: a value with a function that measures something of a [Run]. [All]
// are those that the program knows; a program of one's own adds to them (see the
// example).
//
//	err := objective.Check(doc, objective.All)   // does the file ask for what there is?
//	...
//	verdicts := objective.Judge(objective.NewRun(recording, result), doc, objective.All)
//
// A verdict says what the observations of this run prove, by a bound and never by an
// estimate. Beside it stands what the run says about outages in general, which is
// counted in outages: requests of one outage share its fate.
package objective

import (
	"time"

	"blackout/harness/history"
	"blackout/harness/oracle"
)

// Status is the verdict on an objective.
type Status string

// The verdicts on an objective.
const (
	Proven      Status = "PROVEN"       // the confidence bound carries it
	Violated    Status = "VIOLATED"     // the other bound excludes it; of an invariant, a counterexample was seen
	NotProven   Status = "NOT PROVEN"   // neither: there were too few observations
	NotMeasured Status = "NOT MEASURED" // this run gave no opportunity to
	Invalid     Status = "INVALID"      // the measurement it rests on was bad
)

// Kind is what an SLI measures, and so how an objective about it is judged.
type Kind string

// The kinds of SLIs.
const (
	// Share is good ones of all, as requests: a ratioMetric with a target.
	Share Kind = "share"
	// Values are single measurements, as the times of starts: a thresholdMetric with a
	// value, and a target for the share that must not exceed it, or an invariant.
	Values Kind = "values"
	// Count is how often something happened that should not: an invariant, whose value
	// is how often it may.
	Count Kind = "count"
	// Gate is a count of checks: it opens or not, and proves nothing of what they check.
	Gate Kind = "gate"
	// Ratio is of one percentile to another: a thresholdMetric whose value the upper
	// bound must not exceed.
	Ratio Kind = "ratio"
)

// SLI is a service level indicator: something that can be measured of a run.
type SLI struct {
	Name    string // as SLO files name it, in sli
	Kind    Kind
	Samples string // what its samples are, in the plural: "requests"
	Unit    string // of its values: "s"; empty for shares and counts

	// Phases are those that it can be measured in, the first without any being asked for.
	Phases []string
	// Parameters are those that it takes, each with what refuses a bad one.
	Parameters map[string]func(string) error
	// Rests are the checks of validity without which its figures mean nothing.
	Rests []string

	// Measure measures it. It is a pure function.
	Measure func(Run, Query) Measurement
}

// Query is what is asked of an SLI.
type Query struct {
	Phase      string
	Limit      float64 // that a value must not exceed
	Confidence float64
	parameters map[string]string
}

// Measurement is what an SLI found. Which fields count is a matter of its kind.
type Measurement struct {
	Bad, Total int     // of a share and a count
	Values     []Value // of values
	Ratio      *Degradation

	Missing string // why there is nothing, if there is nothing
	Doubt   string // why the measurement is bad, if it is
	Spared  int    // of a share's bad ones: those that the machine may have made
	Stall   string // the first of them, in words
	Note    string // a sentence that readers should know besides

	Episodes, Clean int // outages that it was measured in, and those of them without a bad sample
	Parts           []Part
	Evidence        []oracle.Evidence // the bad ones, at most oracle.MaxEvidence
}

// Value is one measurement.
type Value struct {
	At    history.Time
	Value float64 // in the SLI's unit
	Never bool    // it had not come when nobody waited any longer: it exceeds every limit
	Text  string  // a sentence about it
}

// Part is a part of what values are made of.
type Part struct {
	Name     string        `json:"name"`
	Samples  int           `json:"samples"` // that it was seen of
	Shortest time.Duration `json:"shortest_ns"`
	Median   time.Duration `json:"median_ns"`
	Longest  time.Duration `json:"longest_ns"`
}

// Verdict is the judgement of one objective. A nil figure was not measured.
type Verdict struct {
	Name        string  `json:"name"`
	Title       string  `json:"title"`
	Description string  `json:"description"`
	Indicator   string  `json:"indicator"`
	Kind        Kind    `json:"kind"`
	Phase       string  `json:"phase"`
	Goal        string  `json:"goal"` // in words
	Status      Status  `json:"status"`
	Reason      string  `json:"reason"` // one sentence: why this status
	Note        string  `json:"note"`   // what to know besides; empty if nothing
	Confidence  float64 `json:"confidence"`

	Target     *float64 `json:"target"`      // the share that must be good
	Limit      *float64 `json:"limit"`       // in the unit
	Unit       string   `json:"unit"`        // of limit and worst
	Invariant  bool     `json:"invariant"`   // there is no error budget
	MinSamples int      `json:"min_samples"` // without which nothing is proven

	Samples     int    `json:"samples"`
	SamplesName string `json:"samples_name"` // what they are
	Bad         int    `json:"bad"`          // samples that miss the goal; of a ratio 0

	// Of the share of good samples; of a ratio, of that.
	Estimate *float64 `json:"estimate"`
	Lower    *float64 `json:"lower"` // one-sided bounds, each of its own
	Upper    *float64 `json:"upper"`
	Worst    *float64 `json:"worst"`  // the highest value
	Needed   *int     `json:"needed"` // further good samples that would prove it; of NOT PROVEN only

	// Values are those of SLIs of that kind, in the unit and by time, for later runs to
	// be compared with: at most [MaxValues], evenly chosen. Nil had not come.
	Values []*float64 `json:"values"`

	General  General           `json:"in_general"`
	Parts    []Part            `json:"parts"`
	Evidence []oracle.Evidence `json:"evidence"`
}

// General is what the run says about outages like its own, which is counted in
// outages.
type General struct {
	Outages int      `json:"outages"`     // that it was measured in
	Clean   int      `json:"clean"`       // of them, without a bad sample
	Lower   *float64 `json:"clean_lower"` // lower bound of the share of such outages that are clean
	Text    string   `json:"text"`
}
