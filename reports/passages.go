// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"fmt"
	"strings"
)

// passage is a section of the page with a drawing, or with more tables below its own.
type passage struct {
	section
	Chart  *chart
	Folded string // the summary behind which the table is folded; empty: it is not
	More   []fold
}

// fold is a further table of a passage. Folded ones stay so in print.
type fold struct {
	section
	Open bool
}

// openChanges is of how many changes the table is not folded.
const openChanges = 8

// passages are what follows the timeline, in reading order.
func passages(m Model, spans int) []passage {
	return []passage{
		{section: section{"outages", "Outages", "Each edge is the span in which it lies. Windows separated by fewer than three good answers are one outage.", outageTable(m)}, More: []fold{
			{section{"faults", "Faults", "Each edge is the span of the call that put the fault in force or healed it.", faultTable(m)}, false},
			{section{"incidents", "Incidents", "Waits that timed out, steps that failed, processes that ended by themselves, errors of the harness and of its environment.", incidentTable(m)}, true},
		}},
		{section: section{"starts", "Data plane starts", startsNote, startTable(m)}, Chart: drawWaterfall(m.Starts, spans), Folded: "The starts in figures", More: []fold{
			{section{"connections", "Connection attempts per edge", "Attempts that reached the edge's meter; under a disabled proxy none can. " +
				"Bytes offered are of both directions. Bytes passed are those behind a fault, in the direction that it cuts: only reset and truncate have a meter there.", connectionTable(m)}, false},
		}},
		{section: section{"staleness", "Staleness", stalenessNote, levelTable(m)}, Chart: drawStaleness(m, spans), Folded: "The steps in figures", More: []fold{
			{section{"changes", "Changes", changesNote, changeTable(m)}, len(changeTable(m).rows) <= openChanges},
			{section{"generations", "Generations served", "Which configuration generation each node's answers carried.", generationTable(m)}, false},
		}},
		{section: section{"store-reads", "Store reads after boot", storeReadsNote, storeReadTable(m)}, More: []fold{
			{section{"store", "Store requests by author", "Every node has a store credential of its own.", storeTable(m)}, false},
		}},
		latencyPassage(m),
		{section: section{"errors", "Errors and masked failures", errorsNote, errorTable(m)}, More: []fold{
			{section{"phases", "Every data plane in every phase", "", phaseTable(m)}, false},
		}},
		budgetPassage(m),
		{section: section{"validity", "Measurement quality", "What each part of the measurement was tested for, and how well the harness kept its own schedule.", validityTable(m)}, More: []fold{
			{section{"measurement", "The harness in figures", "", measurementTable(m)}, true},
			{section{"steps", "Planned against real", "When each step began, and when the plan wanted it begun. A step is never early; one that waits for the gateway can make those after it late.", stepTable(m)}, false},
		}},
		{section: section{"provenance", "Provenance", "", provenanceTable(m)}},
		{section: section{"method", "Method and definitions", "", methodTable(m)}},
		{section: section{"files", "Files", "", fileTable(m)}},
	}
}

// latencyPassage is the section about latency.
func latencyPassage(m Model) passage {
	return passage{section: section{"latency", "Latency by percentile", latencyNote(m), percentileTable(m)},
		Chart: drawPercentiles(m.LatencyByPhase), Folded: "Latency in figures",
		More: []fold{{section{"traffic", "Traffic per node", "Latency counts from the intended time of sending, service from the time of sending; both are of good answers. " +
			"The lower bound is one-sided, 95% Clopper-Pearson; it describes this run, not outages in general. An outage shorter than the probe interval can be missed.", trafficTable(m)}, true}},
	}
}

// budgetPassage is the section about error budgets.
func budgetPassage(m Model) passage {
	p := passage{section: section{"budget", "Error budget", "", budgetTable(m)}}
	if len(m.Budgets) > 0 {
		p.Note = budgetNote
	}
	return p
}

// The notes of passages that are the same for every run.
const (
	startsNote = "Times count from the call that started the process. A part that was not seen is not zero: it is part of the next one that was."

	stalenessNote = "In the store is what an independent reader found there, from when it was found. Served is what each data plane answered; a gap is a time in which it gave no good answer."

	changesNote = "Times count from the acknowledgement. A change is in the store when the upload that brought it ended; data planes are those that served when it was acknowledged."

	storeReadsNote = "From when a data plane that may import was first seen to be ready until it ended. Two witnesses: the store's record of requests by credential, and the meter on the data plane's own edge. " +
		"The meter is read ten times a second, so that what moved just before readiness was seen, and the closing of that connection, may be among its bytes."

	errorsNote = "Good is an answer of the expected status and body within a second of when its request was due. Masked is a failure that the HTTP client hid by sending the request again: it counts in the strict availability and not in the client's. " +
		"Requests to a data plane that the harness itself had ended or frozen stand apart."

	budgetNote = "Of each objective that is a share of good samples. What an outage costs is told twice: at the share of bad samples that was seen, and at the highest that this run does not exclude. " +
		"Where nothing failed, the first is 0 and the second is what the number of samples leaves open. Both take it that requests come at an even rate and that nothing else fails in the window."
)

// latencyNote says what the phases are.
func latencyNote(m Model) string {
	note := "Of good answers, from when their requests were due. A percentile is shown only where the answers carry an upper bound of it (95%, one-sided, by order statistics): p99 takes 299 of them, p99.9 takes 2995. The highest of n answers is no percentile. "
	return note + outagesText(m)
}

// outagesText says when the control plane was gone.
func outagesText(m Model) string {
	if m.ControlPlaneOutages == nil {
		return "When the control plane was gone cannot be read from the recording."
	}
	if len(m.ControlPlaneOutages) == 0 {
		return "The control plane was never gone: all of the run is before."
	}
	var spans []string
	doubt := ""
	for _, o := range m.ControlPlaneOutages {
		spans = append(spans, between(Interval{o.From, o.To}))
		if o.Doubt != "" {
			doubt = " Not to be believed: " + o.Doubt + "."
		}
	}
	const most = 3
	if n := len(spans) - most; n > 0 {
		spans = append(spans[:most], fmt.Sprintf("and %s", count(n, "other time")))
	}
	return "The control plane was gone " + strings.Join(spans, ", ") + "." + doubt
}
