// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"blackout/harness/oracle"
	"blackout/reports/objective"
)

// ctrfVersion is the version of CTRF's specification that is written.
const ctrfVersion = "0.1.0"

// The objects of a CTRF report (https://ctrf.io). Times are milliseconds, those of the
// wall clock since 1970.
type (
	ctrfReport struct {
		Format      string      `json:"reportFormat"`
		Version     string      `json:"specVersion"`
		Timestamp   string      `json:"timestamp,omitempty"` // RFC 3339: the end of the run
		GeneratedBy string      `json:"generatedBy"`
		Results     ctrfResults `json:"results"`
	}
	ctrfResults struct {
		Tool        ctrfTool        `json:"tool"`
		Summary     ctrfSummary     `json:"summary"`
		Tests       []ctrfTest      `json:"tests"`
		Environment ctrfEnvironment `json:"environment"`
		Extra       ctrfRun         `json:"extra"`
	}
	ctrfTool struct {
		Name    string `json:"name"`
		Version string `json:"version,omitempty"`
	}
	ctrfSummary struct {
		Tests    int   `json:"tests"`
		Passed   int   `json:"passed"`
		Failed   int   `json:"failed"`
		Skipped  int   `json:"skipped"`
		Pending  int   `json:"pending"`
		Other    int   `json:"other"`
		Suites   int   `json:"suites"`
		Start    int64 `json:"start"`
		Stop     int64 `json:"stop"`
		Duration int64 `json:"duration"`
	}
	ctrfTest struct {
		Name      string    `json:"name"`
		Status    string    `json:"status"`
		Duration  int64     `json:"duration"`
		Start     int64     `json:"start"`
		Stop      int64     `json:"stop"`
		Suite     []string  `json:"suite"`
		RawStatus string    `json:"rawStatus"`
		Message   string    `json:"message,omitempty"`
		Trace     string    `json:"trace,omitempty"` // the evidence, one observation a line
		Extra     ctrfExtra `json:"extra"`
	}
	ctrfExtra struct {
		Clause        string `json:"clause,omitempty"`
		Objective     string `json:"objective,omitempty"`
		Opportunities int    `json:"opportunities"` // of an objective: samples
		Unit          string `json:"unit,omitempty"`
	}
	ctrfEnvironment struct {
		ReportName string `json:"reportName"`
		AppName    string `json:"appName,omitempty"`
		Commit     string `json:"commit,omitempty"`
		OSPlatform string `json:"osPlatform,omitempty"`
		OSRelease  string `json:"osRelease,omitempty"`
	}
	ctrfRun struct {
		Run      string        `json:"run"`
		Scenario string        `json:"scenario"`
		Seed     string        `json:"seed"`
		Engine   string        `json:"engine"`
		Timers   string        `json:"timers"`
		Outcome  oracle.Status `json:"outcome"`
		Sentence string        `json:"sentence"`
	}
)

// renderCTRF writes one test per clause and objective, as JUnit's file has them. They are
// judged on all of the run, so that each test has the run's times.
func renderCTRF(m Model) ([]byte, error) {
	start, stop := m.Started.UnixMilli(), m.Started.Add(m.Duration).UnixMilli()
	e := m.Environment
	r := ctrfReport{
		Format: "CTRF", Version: ctrfVersion, GeneratedBy: "blackout",
		Results: ctrfResults{
			Tool: ctrfTool{Name: "blackout", Version: clean(e.Blackout)}, Tests: []ctrfTest{},
			Summary: ctrfSummary{Suites: len(m.Promises), Start: start, Stop: stop, Duration: m.Duration.Milliseconds()},
			Environment: ctrfEnvironment{
				ReportName: clean("blackout " + m.Scenario), AppName: clean(e.Gateway), Commit: clean(e.Blackout), OSPlatform: clean(e.OS), OSRelease: clean(e.Kernel),
			},
			Extra: ctrfRun{
				Run: clean(m.Run), Scenario: clean(m.Scenario), Seed: strconv.FormatUint(m.Seed, 10), Engine: clean(m.Engine),
				Timers: clean(m.Profile.Name), Outcome: m.Outcome.Status, Sentence: clean(m.Outcome.Sentence),
			},
		},
	}
	if !m.Started.IsZero() {
		r.Timestamp = m.Started.Add(m.Duration).Format(time.RFC3339)
	}
	for _, p := range m.Promises {
		for _, c := range clausesOf(p) {
			t := ctrfTest{Duration: m.Duration.Milliseconds(), Start: start, Stop: stop, Suite: []string{clean(m.Scenario), clean(p.Promise)}}
			t.of(c)
			r.Results.Tests = append(r.Results.Tests, t)
			r.Results.Summary.count(t.Status)
		}
	}
	for _, v := range m.Objectives {
		t := ctrfTest{Duration: m.Duration.Milliseconds(), Start: start, Stop: stop, Suite: []string{clean(m.Scenario), "objectives"}}
		t.ofObjective(v)
		r.Results.Tests = append(r.Results.Tests, t)
		r.Results.Summary.count(t.Status)
	}
	if len(m.Objectives) > 0 {
		r.Results.Summary.Suites++
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(r); err != nil {
		return nil, fmt.Errorf("encode the tests: %w", err)
	}
	return b.Bytes(), nil
}

// The statuses of a CTRF test that are used. INVALID is other: it neither failed nor
// was left out. NOT PROVEN fails, as in JUnit's file.
const (
	ctrfPassed  = "passed"
	ctrfFailed  = "failed"
	ctrfSkipped = "skipped"
	ctrfOther   = "other"
)

// of takes over a clause's verdict.
func (t *ctrfTest) of(c oracle.Clause) {
	t.Name = clean(c.ID + " " + c.Title)
	t.RawStatus = clean(string(c.Status))
	t.Message, t.Trace = clean(c.Reason), evidenceText(c)
	t.Extra = ctrfExtra{Clause: clean(c.ID), Opportunities: c.Opportunities, Unit: clean(c.Unit)}
	t.Status = ctrfStatus(known(c.Status))
}

// ofObjective takes over an objective's verdict.
func (t *ctrfTest) ofObjective(v objective.Verdict) {
	t.Name = clean(v.Name + ": " + v.Title)
	t.RawStatus = clean(string(v.Status))
	t.Message, t.Trace = clean(v.Reason), evidenceText(oracle.Clause{Evidence: v.Evidence})
	t.Extra = ctrfExtra{Objective: clean(v.Name), Opportunities: v.Samples, Unit: clean(v.SamplesName)}
	t.Status = ctrfStatus(asStatus(v.Status))
}

// ctrfStatus is the status of a test that stands for a verdict.
func ctrfStatus(s oracle.Status) string {
	switch s {
	case oracle.Held:
		return ctrfPassed
	case oracle.Violated, NotProven:
		return ctrfFailed
	case oracle.NotMeasured:
		return ctrfSkipped
	}
	return ctrfOther
}

// count counts a test by its status.
func (s *ctrfSummary) count(status string) {
	s.Tests++
	switch status {
	case ctrfPassed:
		s.Passed++
	case ctrfFailed:
		s.Failed++
	case ctrfSkipped:
		s.Skipped++
	default:
		s.Other++
	}
}
