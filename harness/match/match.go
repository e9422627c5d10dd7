// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package match holds Gomega matchers for finished runs, so that what a scenario
// of your own is there to show reads like a sentence:
//
//	result, err := run.Run(ctx, scenario, options)
//	Expect(err).NotTo(HaveOccurred())
//	Expect(result).To(match.Hold("G3", "G10.1"))
//	Expect(result).To(match.HaveServedThroughout("dp-1", "dp-1>cp"))
//	Expect(result).To(match.HaveReadStoreAtMost("dp-2", 1))
//
// They take a [run.Result]; a finished run's directory, as a [Dir]; and, those
// that need no more, a *[history.Recording], an [oracle.Result], an
// [oracle.Verdict] or a [reports.Model].
//
// What was not measured is an error, which fails Expect(…).To and
// Expect(…).NotTo alike: of a node that nobody asked anything, neither is true.
package match

import (
	"fmt"
	"strings"

	"github.com/onsi/gomega/types"
)

var _ types.GomegaMatcher = (*matcher)(nil)

// matcher looks at something that has ended. Its messages are made when they are
// asked for.
type matcher struct {
	want string // "to hold G3": what stands behind Expect(…).To
	look func(actual any) (sighting, error)
	last sighting
}

// sighting is what a matcher saw.
type sighting struct {
	ok   bool
	of   string        // what it looked at
	saw  func() string // in one clause, with evidence on lines of its own
	more string        // where to read on; empty if nowhere
}

// Match implements types.GomegaMatcher.
func (m *matcher) Match(actual any) (bool, error) {
	seen, err := m.look(actual)
	if err != nil {
		return false, err
	}
	m.last = seen
	return seen.ok, nil
}

// FailureMessage implements types.GomegaMatcher.
func (m *matcher) FailureMessage(any) string { return m.message("") }

// NegatedFailureMessage implements types.GomegaMatcher.
func (m *matcher) NegatedFailureMessage(any) string { return m.message("not ") }

// MatchMayChangeInTheFuture tells Eventually that what has ended stays as it is.
func (m *matcher) MatchMayChangeInTheFuture(any) bool { return false }

func (m *matcher) message(not string) string {
	text := fmt.Sprintf("Expected %s\n%s%s,\nbut %s", m.last.of, not, m.want, m.last.saw())
	if m.last.more != "" {
		text += "\nsee " + m.last.more
	}
	return text
}

// onRun is a matcher of finished runs.
func onRun(want string, look func(subject) (sighting, error)) types.GomegaMatcher {
	return &matcher{want: want, look: func(actual any) (sighting, error) {
		run, err := subjectOf(actual)
		if err != nil {
			return sighting{}, err
		}
		seen, err := look(run)
		if err != nil {
			return sighting{}, fmt.Errorf("expected %s %s, which cannot be told: %w", run.name, want, err)
		}
		seen.of, seen.more = run.name, run.report
		return seen, nil
	}}
}

// evidence are the lines that stand below a message; no more than a few.
func evidence(lines []string) string {
	const most = 5
	var b strings.Builder
	for i, line := range lines {
		if i == most {
			fmt.Fprintf(&b, "\n    … and %d more", len(lines)-most)
			break
		}
		b.WriteString("\n    " + line)
	}
	return b.String()
}
