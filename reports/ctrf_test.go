// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"blackout/harness/oracle"
)

// ctrfOf renders an input and reads it back.
func ctrfOf(t *testing.T, in Input) (content []byte, r ctrfReport) {
	t.Helper()
	content, err := renderCTRF(Build(in))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(content, &r); err != nil {
		t.Fatal(err)
	}
	return content, r
}

func TestCTRFMatchesItsSchema(t *testing.T) {
	t.Parallel()
	matchSchema(t, "testdata/ctrf-schema.json", renderCTRF)
}

// TestCTRFStatuses: one test per clause, and what was not judged is neither passed nor
// failed.
func TestCTRFStatuses(t *testing.T) {
	t.Parallel()
	in := violated()
	in.Result.Verdicts = append(in.Result.Verdicts, oracle.Verdict{Promise: "G1", Title: "as a whole", Status: oracle.Violated},
		oracle.Verdict{Promise: "G3", Clauses: []oracle.Clause{{ID: "G3.1", Title: "without a status"}}})
	in.Result.Verdicts[0].Clauses[0].Reason = hostile
	_, r := ctrfOf(t, in)
	s := r.Results.Summary
	if s.Tests != 8 || s.Passed != 2 || s.Failed != 2 || s.Skipped != 2 || s.Other != 2 || s.Pending != 0 || len(r.Results.Tests) != s.Tests || s.Suites != 5 {
		t.Errorf("%+v, want 8 tests: 2 passed, 2 failed, 2 skipped, 2 other, of 5 suites", s)
	}
	if s.Stop-s.Start != s.Duration || s.Duration == 0 || s.Start != in.Recording.Header.Started.UnixMilli() {
		t.Errorf("from %d to %d, lasting %d ms", s.Start, s.Stop, s.Duration)
	}
	broken := r.Results.Tests[1]
	if broken.Status != "failed" || broken.RawStatus != "VIOLATED" || broken.Suite[1] != "G10" || broken.Extra.Clause != "G10.1" ||
		!strings.Contains(broken.Message, "10 of 100 requests") || !strings.Contains(broken.Trace, "+6.000 s") {
		t.Errorf("the broken clause is %+v", broken)
	}
	if r.Results.Extra.Seed != "18446744073709551615" || r.Results.Extra.Outcome != oracle.Violated {
		t.Errorf("the run is %+v", r.Results.Extra)
	}
	if got := r.Results.Tests[0].Message; got != clean(hostile) {
		t.Errorf("a hostile reason is %q", got)
	}
}

// TestCTRFObjectives: one test per objective, of a suite of their own.
func TestCTRFObjectives(t *testing.T) {
	t.Parallel()
	_, r := ctrfOf(t, withObjectives(sound(held()), provenOne, brokenOne, openOne, blindOne, unmeasuredOf))
	var got []string
	for _, test := range r.Results.Tests {
		if test.Extra.Objective != "" {
			got = append(got, test.Suite[1]+" "+test.Extra.Objective+" "+test.Status+" "+test.RawStatus)
		}
	}
	want := []string{"objectives o0 passed PROVEN", "objectives o1 failed VIOLATED", "objectives o2 failed NOT PROVEN", "objectives o3 other INVALID", "objectives o4 skipped NOT MEASURED"}
	if !slices.Equal(got, want) || r.Results.Summary.Suites != 3 || r.Results.Summary.Tests != len(r.Results.Tests) {
		t.Errorf("got %q of %+v, want %q", got, r.Results.Summary, want)
	}
}
