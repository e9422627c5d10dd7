// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"blackout/harness/oracle"
	"blackout/reports"
	"blackout/reports/objective"
)

// What a statement says of itself.
const (
	statementType = "https://in-toto.io/Statement/v1"
	predicateType = "https://in-toto.io/attestation/test-result/v0.1"
)

// Statement is an in-toto Statement v1 with a test result v0.1 as its predicate.
type Statement struct {
	Type          string     `json:"_type"`
	Subject       []Resource `json:"subject"` // by name, no name twice
	PredicateType string     `json:"predicateType"`
	Predicate     TestResult `json:"predicate"`
}

// Resource is a file of the run's directory, by its path there, or a program that ran,
// as "image:gateway".
type Resource struct {
	Name        string            `json:"name"`
	Digest      Digest            `json:"digest"`
	Annotations map[string]string `json:"annotations,omitempty"` // of report.json: which run it is of, and its outcome
}

// Digest is the digest of a resource, in lower-case hexadecimal.
type Digest struct {
	SHA256 string `json:"sha256"`
}

// The results that the predicate has.
const (
	Passed = "PASSED"
	Failed = "FAILED"
)

// TestResult is the predicate. A test is a clause of a promise, by its id, or an objective,
// as "objective:availability".
type TestResult struct {
	Result        string     `json:"result"`        // Passed if every promise asked for was HELD and every objective PROVEN, else Failed: what could not be measured has not passed
	Configuration []Resource `json:"configuration"` // by name: the plan, SLO files and baseline, as far as there were any
	PassedTests   []string   `json:"passedTests"`   // HELD or PROVEN
	WarnedTests   []string   `json:"warnedTests"`   // always empty: no verdict means "passed, but"
	FailedTests   []string   `json:"failedTests"`   // VIOLATED, INVALID, NOT PROVEN, and NOT MEASURED although asked for
}

// configures reports whether a file says what a run was asked for: its plan, its SLO file
// or files, its baseline.
func configures(name string) bool {
	return name == "plan.json" || name == "slo.yaml" || name == "baseline.json" || strings.HasPrefix(name, "slo/")
}

// state is the statement about a directory.
func (f *folder) state() (Statement, error) {
	if err := f.complete(); err != nil {
		return Statement{}, err
	}
	s := Statement{Type: statementType, PredicateType: predicateType, Predicate: resultOf(f.report)}
	subjects := maps.Clone(f.digests)
	images, _ := f.images()
	maps.Copy(subjects, images)
	for _, name := range slices.Sorted(maps.Keys(subjects)) {
		r := Resource{Name: name, Digest: Digest{subjects[name]}}
		if name == reports.JSONFile {
			r.Annotations = about(f.report)
		}
		s.Subject = append(s.Subject, r)
		if configures(name) {
			s.Predicate.Configuration = append(s.Predicate.Configuration, Resource{Name: name, Digest: r.Digest})
		}
	}
	if err := s.check(); err != nil {
		return Statement{}, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return s, nil
}

// about says which run a report is of.
func about(m reports.Model) map[string]string {
	return map[string]string{
		"run": m.Run, "scenario": m.Scenario, "seed": strconv.FormatUint(m.Seed, 10), "engine": m.Engine, "timers": m.Profile.Name,
		"gateway": m.Environment.Gateway, "blackout": m.Environment.Blackout, "outcome": string(m.Outcome.Status),
	}
}

// resultOf is a report's outcome as a test result.
func resultOf(m reports.Model) TestResult {
	r := TestResult{Result: Failed, Configuration: []Resource{}, PassedTests: []string{}, WarnedTests: []string{}, FailedTests: []string{}}
	if m.Outcome.Status == oracle.Held {
		r.Result = Passed
	}
	for _, p := range m.Promises {
		failed := len(r.FailedTests)
		for _, c := range p.Clauses {
			switch {
			case c.Status == oracle.Held:
				r.PassedTests = append(r.PassedTests, c.ID)
			case c.Status != oracle.NotMeasured || slices.Contains(p.Missed, c.ID):
				r.FailedTests = append(r.FailedTests, c.ID)
			}
		}
		// A promise that was not held and has no clause to show for it.
		if p.Status != oracle.Held && len(r.FailedTests) == failed {
			r.FailedTests = append(r.FailedTests, p.Promise)
		}
	}
	for _, v := range m.Objectives {
		if v.Status == objective.Proven {
			r.PassedTests = append(r.PassedTests, objectivePrefix+v.Name)
			continue
		}
		r.FailedTests = append(r.FailedTests, objectivePrefix+v.Name)
	}
	return r
}

// objectivePrefix is what the name of an objective has in front of it as a test.
const objectivePrefix = "objective:"

var sha256Form = regexp.MustCompile(`^[0-9a-f]{64}$`)

// check refuses a statement that Sign would not make.
func (s Statement) check() error {
	switch {
	case s.Type != statementType:
		return fmt.Errorf("the statement is of type %q and not %s", s.Type, statementType)
	case s.PredicateType != predicateType:
		return fmt.Errorf("the statement's predicate is %q and not %s", s.PredicateType, predicateType)
	case s.Predicate.Result != Passed && s.Predicate.Result != Failed:
		return fmt.Errorf("the statement's result is %q, neither %s nor %s", s.Predicate.Result, Passed, Failed)
	case len(s.Subject) == 0:
		return errors.New("the statement is about nothing")
	}
	for i, r := range s.Subject {
		switch {
		case !fs.ValidPath(r.Name):
			return fmt.Errorf("the statement names %q, which is no file of a run's directory", r.Name)
		case i > 0 && r.Name <= s.Subject[i-1].Name:
			return fmt.Errorf("the statement names %q twice, or out of order", r.Name)
		case !sha256Form.MatchString(r.Digest.SHA256):
			return fmt.Errorf("the statement's digest of %q is no SHA-256", r.Name)
		}
	}
	return nil
}
