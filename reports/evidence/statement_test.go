// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"bytes"
	"maps"
	"slices"
	"testing"

	"blackout/harness/history"
	"blackout/harness/oracle"
	"blackout/reports"
	"blackout/reports/objective"
)

// small is a statement about one file.
func small() Statement {
	return Statement{
		Type: statementType, PredicateType: predicateType, Subject: []Resource{{Name: "report.json", Digest: Digest{digest}}},
		Predicate: TestResult{Result: Passed, Configuration: []Resource{}, PassedTests: []string{"G1.1"}, WarnedTests: []string{}, FailedTests: []string{}},
	}
}

// TestOutcomes: what has not passed is said to have failed.
func TestOutcomes(t *testing.T) {
	t.Parallel()
	clause := func(id string, s oracle.Status) oracle.Clause { return oracle.Clause{ID: id, Status: s} }
	promise := func(id string, s oracle.Status, missed []string, clauses ...oracle.Clause) reports.Promise {
		return reports.Promise{Verdict: oracle.Verdict{Promise: id, Status: s, Clauses: clauses}, Missed: missed}
	}
	held := promise("G1", oracle.Held, nil, clause("G1.1", oracle.Held), clause("G1.2", oracle.NotMeasured))
	for name, c := range map[string]struct {
		outcome        oracle.Status
		with           reports.Promise
		result         string
		passed, failed []string
	}{
		"held":            {oracle.Held, held, Passed, []string{"G1.1", "G1.1"}, nil},
		"violated":        {oracle.Violated, promise("G2", oracle.Violated, nil, clause("G2.1", oracle.Violated)), Failed, []string{"G1.1"}, []string{"G2.1"}},
		"invalid":         {oracle.Invalid, promise("G2", oracle.Invalid, nil, clause("G2.1", oracle.Invalid)), Failed, []string{"G1.1"}, []string{"G2.1"}},
		"in part":         {oracle.NotMeasured, promise("G2", oracle.NotMeasured, []string{"G2.2"}, clause("G2.1", oracle.Held), clause("G2.2", oracle.NotMeasured)), Failed, []string{"G1.1", "G2.1"}, []string{"G2.2"}},
		"never exercised": {oracle.NotMeasured, promise("G2", oracle.NotMeasured, nil, clause("G2.1", oracle.NotMeasured)), Failed, []string{"G1.1"}, []string{"G2"}},
		"unknown":         {"PERHAPS", promise("G2", "PERHAPS", nil), Failed, []string{"G1.1"}, []string{"G2"}},
	} {
		r := resultOf(reports.Model{Outcome: reports.Outcome{Status: c.outcome}, Promises: []reports.Promise{held, c.with}})
		if r.Result != c.result || !slices.Equal(r.PassedTests, c.passed) || !slices.Equal(r.FailedTests, c.failed) || len(r.WarnedTests) > 0 {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

// TestObjectives: those that are not proven have not passed, whatever the reason.
func TestObjectives(t *testing.T) {
	t.Parallel()
	m := reports.Model{Outcome: reports.Outcome{Status: reports.NotProven}}
	for _, s := range []objective.Status{objective.Proven, objective.NotProven, objective.Violated, objective.Invalid, objective.NotMeasured, "PERHAPS"} {
		m.Objectives = append(m.Objectives, objective.Verdict{Name: string(s), Status: s})
	}
	r := resultOf(m)
	if r.Result != Failed || !slices.Equal(r.PassedTests, []string{"objective:PROVEN"}) || len(r.FailedTests) != 5 {
		t.Errorf("%+v", r)
	}
}

// TestStatementForm pins the envelope's payload, which other programs read.
func TestStatementForm(t *testing.T) {
	t.Parallel()
	got, err := encode(small())
	if err != nil {
		t.Fatal(err)
	}
	want := `{"_type":"https://in-toto.io/Statement/v1","subject":[{"name":"report.json","digest":{"sha256":"` + digest + `"}}],` +
		`"predicateType":"https://in-toto.io/attestation/test-result/v0.1","predicate":{"result":"PASSED","configuration":[],` +
		`"passedTests":["G1.1"],"warnedTests":[],"failedTests":[]}}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	// The example of DSSE's own text.
	if got := preAuthentication("http://example.com/HelloWorld", []byte("hello world")); !bytes.Equal(got, []byte("DSSEv1 29 http://example.com/HelloWorld 11 hello world")) {
		t.Errorf("PAE is %q", got)
	}
}

func TestAbout(t *testing.T) {
	t.Parallel()
	got := about(reports.Model{Run: "r", Scenario: "s", Seed: 1<<64 - 1, Engine: "local", Profile: history.Profile{Name: "kong"},
		Environment: reports.Environment{Gateway: "g", Blackout: "b"}, Outcome: reports.Outcome{Status: oracle.Invalid}})
	want := map[string]string{"run": "r", "scenario": "s", "seed": "18446744073709551615", "engine": "local", "timers": "kong",
		"gateway": "g", "blackout": "b", "outcome": "INVALID"}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
