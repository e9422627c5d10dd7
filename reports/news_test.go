// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"blackout/harness/oracle"
	"blackout/reports/objective"
)

// verdicts are statuses by their letters.
var verdicts = map[rune]oracle.Status{'H': oracle.Held, 'V': oracle.Violated, 'I': oracle.Invalid, 'N': oracle.NotMeasured}

// judgedAs is a run whose promise G10 came to the last of some verdicts, after runs that
// came to those before it, the oldest first.
func judgedAs(letters string) Input {
	input := func(letter rune) Input {
		in := held()
		in.Result.Verdicts = slices.Clone(in.Result.Verdicts)
		in.Result.Verdicts[1].Status = verdicts[letter]
		return in
	}
	all := []rune(letters)
	var runs []Model
	for i := len(all) - 2; i >= 0; i-- {
		runs = append(runs, daysBefore(len(all)-1-i, input(all[i]), nil))
	}
	return withBaseline(input(all[len(all)-1]), runs...)
}

// TestNews: what is new, of a promise whose verdicts are given oldest first.
func TestNews(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		letters string
		is      Standing
		last    string
		since   string
		runs    int
		least   bool
		says    string
	}{
		{"V", NoBaseline, "", "", 0, false, "no run before judged it"},
		{"H", NoBaseline, "", "", 0, false, "no run before judged it"},
		{"NIV", NoBaseline, "", "", 0, false, "no run before judged it"},
		{"HV", New, "run-001", "held-1", 1, false, "G10 is new: it was HELD in the last run that judged it, run-001 of 2026-02-28"},
		{"VHNIV", New, "run-003", "held-1", 1, false, "G10 is new"},
		{"HVV", Still, "run-001", "run-001", 2, false, "VIOLATED since run-001"},
		{"HVNVIV", Still, "run-002", "run-004", 3, false, "VIOLATED since run-004 of 2026-02-25T12:00:00Z, in 3 runs that judged it"},
		{"VHVHVV", Still, "run-001", "run-001", 2, false, "since run-001"},
		{"VNV", Still, "run-002", "run-002", 2, true, "VIOLATED at least since run-002"},
		{"HVH", Fixed, "run-001", "run-001", 1, false, "is HELD again: it was VIOLATED in run-001"},
		{"HVNVH", Fixed, "run-001", "run-003", 2, false, "since run-003 of 2026-02-26T12:00:00Z, in 2 runs that judged it, last in run-001"},
		{"VVH", Fixed, "run-001", "run-002", 2, true, "at least since run-002"},
		{"VHNH", Unchanged, "run-002", "", 0, false, "as in the last run that judged it, run-002"},
		{"HI", NotJudged, "run-001", "", 0, false, "is INVALID now and says nothing: it was HELD"},
		{"HVVN", NotJudged, "run-001", "run-002", 2, false, "is NOT MEASURED now and says nothing: it was VIOLATED since run-002"},
	} {
		m := Build(judgedAs(c.letters))
		got := m.Baseline.News[1]
		want := News{Of: "G10", Now: m.Promises[1].Status, Is: c.is, Last: c.last, Since: c.since, Runs: c.runs, Least: c.least, Text: got.Text}
		if got != want || !strings.Contains(got.Text, c.says) {
			t.Errorf("%s: %+v\nwant %+v, %q", c.letters, got, want, c.says)
		}
		shown := strings.Contains(strings.Join(isNew(m), " "), got.Text)
		if tells := m.Promises[1].Status == oracle.Violated || c.since != ""; shown != tells && c.letters != "V" && c.letters != "H" {
			t.Errorf("%s: the answer is %q", c.letters, isNew(m))
		}
	}
}

// answerTo is the answer to a question.
func answerTo(t *testing.T, m Model, question string) string {
	t.Helper()
	for _, a := range m.Answers {
		if a.Question == question {
			return strings.Join(a.Lines, " ")
		}
	}
	t.Fatalf("nobody answers %q", question)
	return ""
}

func TestIsItNew(t *testing.T) {
	t.Parallel()
	for letters, want := range map[string]string{
		"H":  "Unknown: the baseline has no earlier run",
		"HH": "Nothing is VIOLATED, nor was in the last of 1 earlier run that judged it. Regressed: unknown",
		"HV": "G10 is new",
	} {
		if got := answerTo(t, Build(judgedAs(letters)), "Is it new?"); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %q, want %q", letters, got, want)
		}
	}
	if got := answerTo(t, Build(held()), "Is it new?"); got != "Unknown: no baseline was kept with the run." {
		t.Errorf("without a baseline: %q", got)
	}
	unread := judgedAs("HH")
	unread.Baseline.NotRead, unread.Baseline.More = []string{"x/report.json: torn"}, 3
	if got := answerTo(t, Build(unread), "Is it new?"); !strings.Contains(got, "4 reports could not be read when the baseline was gathered, first: x/report.json: torn.") {
		t.Errorf("with reports that could not be read: %q", got)
	}
}

// TestChange: an objective beside the same in the last run that can be compared.
func TestChange(t *testing.T) {
	t.Parallel()
	in := withObjectives(sound(held()), brokenOne)
	in.SLO.Source = []byte("the file")
	better := withObjectives(sound(held()), provenOne)
	better.SLO.Source = in.SLO.Source
	before := daysBefore(1, better, nil)
	kind := func(kind objective.Kind) func(*Model) {
		return func(m *Model) { m.Objectives[0].Kind = kind }
	}
	for _, c := range []struct {
		name   string
		before []Model
		now    func(*Model)
		want   string
	}{
		{"worse", []Model{before}, nil, "was PROVEN; -5.0000 percentage points good"},
		{"as it was", []Model{Build(in)}, nil, "same verdict, same figure"},
		{"no run", nil, nil, "no comparable run"},
		{"another file", []Model{daysBefore(1, better, func(m *Model) { m.SLO.SHA256 = "other" })}, nil, "no comparable run"},
		{"another file between", []Model{daysBefore(1, in, func(m *Model) { m.SLO.SHA256 = "other" }), before}, nil, "was PROVEN; -5.0000 percentage points good"},
		{"no file", []Model{daysBefore(1, held(), nil)}, nil, "no comparable run"},
		{"not measured", []Model{daysBefore(1, better, func(m *Model) { m.Objectives[0].Estimate, m.Objectives[0].Status = nil, objective.NotMeasured })}, nil, "was NOT MEASURED; figure not compared: not measured"},
		{"times on another host", []Model{daysBefore(1, better, func(m *Model) { m.Environment.Host = "ci-2" })}, kind(objective.Values), "was PROVEN; figure not compared: another host, or not recorded"},
		{"a share on another host", []Model{daysBefore(1, better, func(m *Model) { m.Environment.Host = "ci-2" })}, kind(objective.Share), "was PROVEN; -5.0000 percentage points good"},
		{"a ratio", []Model{before}, kind(objective.Ratio), "was PROVEN; ratio -0.050"},
		{"a gate", []Model{before}, kind(objective.Gate), "was PROVEN"},
	} {
		m := Build(in)
		if c.now != nil {
			c.now(&m)
		}
		m.Baseline = lastRuns(m, withBaseline(in, c.before...).Baseline)
		if got := m.changed(m.Objectives[0]); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	m := Build(withBaseline(in, before))
	if news := m.Baseline.News[len(m.Baseline.News)-1]; news.Of != "objective o0" || news.Is != New {
		t.Errorf("the news of the objective: %+v", news)
	}
	if got := answerTo(t, m, "Is it new?"); !strings.Contains(got, "objective o0 is new: it was PROVEN") {
		t.Errorf("the answer: %q", got)
	}
	if m := Build(in); m.changed(m.Objectives[0]) != "no baseline" {
		t.Errorf("without a baseline: %q", m.changed(m.Objectives[0]))
	}
}

// TestAnswerKeepsTheRegression: many broken promises do not push out what got worse.
func TestAnswerKeepsTheRegression(t *testing.T) {
	t.Parallel()
	in := held()
	in.Result.Verdicts = nil
	for i := range 9 {
		in.Result.Verdicts = append(in.Result.Verdicts, oracle.Verdict{Promise: fmt.Sprintf("G%d", i+1), Status: oracle.Violated})
	}
	lines := isNew(Build(withBaseline(in, daysBefore(1, held(), nil))))
	if at := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, "Regressed") }); at < 0 || at > 4 {
		t.Errorf("%q", lines)
	}
}
