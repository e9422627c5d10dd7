// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"encoding/xml"
	"fmt"
	"strconv"
	"strings"

	"blackout/harness/oracle"
)

// The elements of JUnit's XML, as CI tools read it.
type (
	junitSuites struct {
		XMLName xml.Name   `xml:"testsuites"`
		Suite   junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name       string          `xml:"name,attr"`
		Tests      int             `xml:"tests,attr"`
		Failures   int             `xml:"failures,attr"`
		Errors     int             `xml:"errors,attr"`
		Skipped    int             `xml:"skipped,attr"`
		Time       string          `xml:"time,attr"`      // seconds
		Timestamp  string          `xml:"timestamp,attr"` // UTC without a zone, as the format has it
		Properties []junitProperty `xml:"properties>property"`
		Cases      []junitCase     `xml:"testcase"`
	}
	junitProperty struct {
		Name  string `xml:"name,attr"`
		Value string `xml:"value,attr"`
	}
	junitCase struct {
		Class   string       `xml:"classname,attr"`
		Name    string       `xml:"name,attr"`
		Failure *junitResult `xml:"failure"`
		Error   *junitResult `xml:"error"`
		Skipped *junitResult `xml:"skipped"`
	}
	junitResult struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
)

// renderJUnit writes one suite for the run and one case per clause and objective.
func renderJUnit(m Model) ([]byte, error) {
	s := junitSuite{
		Name:      clean("blackout " + m.Scenario),
		Time:      strconv.FormatFloat(m.Duration.Seconds(), 'f', 3, 64),
		Timestamp: m.Started.Format("2006-01-02T15:04:05"),
		Properties: []junitProperty{
			{"run", clean(m.Run)},
			{"seed", strconv.FormatUint(m.Seed, 10)},
			{"engine", clean(m.Engine)},
			{"profile", clean(m.Profile.Name)},
			{"outcome", string(m.Outcome.Status)},
		},
	}
	for _, p := range m.Promises {
		for _, c := range clausesOf(p) {
			s.add(clean(m.Scenario+"."+p.Promise), c)
		}
	}
	if m.SLO != nil {
		s.Properties = append(s.Properties, junitProperty{"slo", clean(m.SLO.File)}, junitProperty{"tier", clean(m.SLO.Tier)})
	}
	for _, v := range m.Objectives {
		s.addObjective(clean(m.Scenario+".objectives"), v)
	}
	body, err := xml.MarshalIndent(junitSuites{Suite: s}, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode the suite: %w", err)
	}
	return append([]byte(xml.Header), append(body, '\n')...), nil
}

// clausesOf returns a promise's clauses. A promise judged as a whole is one
// clause, so that its verdict is not lost.
func clausesOf(p Promise) []oracle.Clause {
	if len(p.Clauses) > 0 {
		return p.Clauses
	}
	return []oracle.Clause{{ID: p.Promise, Title: p.Title, Status: p.Status, Reason: "judged as a whole"}}
}

// add adds a clause as a test case.
func (s *junitSuite) add(class string, c oracle.Clause) {
	test := junitCase{Class: class, Name: clean(c.ID + " " + c.Title)}
	s.count(test, junitResult{Message: clean(c.Reason), Text: evidenceText(c)}, known(c.Status))
}

// count adds a test case that stands for a verdict. What was not measured is skipped in
// JUnit's words. What is NOT PROVEN fails: a test that is skipped passes for good in
// most tools.
func (s *junitSuite) count(test junitCase, result junitResult, status oracle.Status) {
	s.Tests++
	switch status {
	case oracle.Held:
	case oracle.Violated, NotProven:
		test.Failure = &result
		s.Failures++
	case oracle.NotMeasured:
		test.Skipped = &result
		s.Skipped++
	default:
		test.Error = &result
		s.Errors++
	}
	s.Cases = append(s.Cases, test)
}

// evidenceText lists a clause's evidence, one observation a line.
func evidenceText(c oracle.Clause) string {
	var b strings.Builder
	for _, e := range c.Evidence {
		fmt.Fprintf(&b, "%s %s\n", offset(e.At), clean(e.Text))
	}
	return b.String()
}
