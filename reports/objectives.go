// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"blackout/harness/oracle"
	"blackout/reports/objective"
	"blackout/reports/slo"
	"blackout/reports/stats"
)

// SLO is the file whose objectives were judged.
type SLO struct {
	File   string `json:"file"`
	Tier   string `json:"tier"`
	Window string `json:"window"` // that its SLA speaks of; a run is shorter
	SHA256 string `json:"sha256"` // of the file
}

// ObjectiveCounts counts objectives by their verdict.
type ObjectiveCounts struct {
	Proven      int `json:"proven"`
	Violated    int `json:"violated"`
	Invalid     int `json:"invalid"`
	NotMeasured int `json:"not_measured"`
	NotProven   int `json:"not_proven"`
}

// NotProven is the status of a run whose promises were all held and of whose
// objectives none is worse than NOT PROVEN.
const NotProven = oracle.Status(objective.NotProven)

// sloOf says which file an input has; nil if it has none.
func sloOf(doc *slo.Document) *SLO {
	if doc == nil {
		return nil
	}
	sum := sha256.Sum256(doc.Source)
	return &SLO{File: doc.Name, Tier: doc.Tier, Window: doc.Window, SHA256: hex.EncodeToString(sum[:])}
}

// objectives judges those of the input's file.
func objectives(in Input, run objective.Run) []objective.Verdict {
	if in.SLO == nil {
		return []objective.Verdict{}
	}
	indicators := in.Indicators
	if indicators == nil {
		indicators = objective.All
	}
	return objective.Judge(run, *in.SLO, indicators)
}

// asStatus is an objective's status among those of promises.
func asStatus(s objective.Status) oracle.Status {
	if s == objective.Proven {
		return oracle.Held
	}
	return known(oracle.Status(s))
}

// worst orders statuses of a run: the first of them that anything has is the run's.
var worst = []oracle.Status{oracle.Violated, oracle.Invalid, oracle.NotMeasured, NotProven, oracle.Held}

// judgeObjectives adds the objectives to the outcome of the promises.
func judgeObjectives(o Outcome, m Model) Outcome {
	if m.SLO == nil {
		return o
	}
	by := map[oracle.Status][]string{}
	for _, v := range m.Objectives {
		by[asStatus(v.Status)] = append(by[asStatus(v.Status)], v.Name)
	}
	o.Objectives = ObjectiveCounts{
		Proven: len(by[oracle.Held]), Violated: len(by[oracle.Violated]), Invalid: len(by[oracle.Invalid]),
		NotMeasured: len(by[oracle.NotMeasured]), NotProven: len(by[NotProven]),
	}
	o.Sentence += " " + objectivesSentence(by, m.SLO.File, len(m.Objectives))
	o.Status = worst[slices.IndexFunc(worst, func(s oracle.Status) bool { return s == o.Status || len(by[s]) > 0 })]
	return o
}

// objectivesSentence says what became of a file's objectives, worst first.
func objectivesSentence(by map[oracle.Status][]string, file string, all int) string {
	if len(by[oracle.Held]) == all {
		return fmt.Sprintf("Proven: all of %s of %s.", count(all, "objective"), file)
	}
	var parts []string
	for _, s := range worst {
		words := strings.ToLower(string(s))
		switch {
		case len(by[s]) == 0:
		case s == oracle.Held:
			parts = append(parts, fmt.Sprintf("%d proven", len(by[s])))
		default:
			parts = append(parts, fmt.Sprintf("%d %s (%s)", len(by[s]), words, list(by[s])))
		}
	}
	return fmt.Sprintf("Of %s of %s: %s.", count(all, "objective"), file, strings.Join(parts, ", "))
}

// unproven says of each objective that is not proven why.
func unproven(m Model) []string {
	var lines []string
	for _, v := range m.Objectives {
		if v.Status != objective.Proven {
			lines = append(lines, fmt.Sprintf("%s is %s: %s.", v.Name, v.Status, strings.TrimSuffix(v.Reason, ".")))
		}
	}
	if len(lines) == 0 {
		return []string{fmt.Sprintf("All %d of %s.", len(m.Objectives), m.SLO.File)}
	}
	return lines
}

func objectiveTable(m Model) table {
	t := table{
		head: []string{"Objective", "Goal", "Verdict", "Change from last run", "Samples", "Bad", "Seen", "Proven by this run", "Proven of outages in general", "Why"},
		none: "No SLO file was given.",
	}
	for _, v := range m.Objectives {
		why := v.Reason
		if v.Note != "" {
			why += ". " + v.Note
		}
		t.rows = append(t.rows, []string{
			v.Name + ": " + v.Title, recordedOr(v.Goal), objectiveText(v.Status), m.changed(v), tally(v.Samples, v.SamplesName), strconv.Itoa(v.Bad),
			seen(v), bounds(v), inGeneral(v), why,
		})
	}
	if m.Baseline == nil {
		t.drop("Change from last run")
	}
	return t
}

// seen is the estimate, and the worst value.
func seen(v objective.Verdict) string {
	switch {
	case v.Kind == objective.Gate && v.Samples > 0:
		return tally(v.Samples, v.SamplesName)
	case v.Estimate == nil:
		return notMeasured
	case v.Kind == objective.Ratio:
		return fmt.Sprintf("ratio %.3f", *v.Estimate)
	case v.Worst != nil:
		return fmt.Sprintf("%s good, highest %.3f %s", percent(v.Estimate), *v.Worst, v.Unit)
	}
	return percent(v.Estimate) + " good"
}

// bounds is what the bounds carry.
func bounds(v objective.Verdict) string {
	switch {
	case v.Lower == nil:
		return "nothing"
	case v.Kind == objective.Ratio:
		return fmt.Sprintf("at most %.3f", roundedUp(*v.Upper))
	}
	return "at least " + proven(v.Lower) + " good"
}

// roundedUp keeps an upper bound from being printed lower than it is.
func roundedUp(v float64) float64 { return v + 0.0005 }

// inGeneral is what holds beyond the run.
func inGeneral(v objective.Verdict) string {
	if v.General.Lower == nil {
		return "nothing"
	}
	return fmt.Sprintf("at least %s clean (%d of %d were)", stats.Percent(1-*v.General.Lower), v.General.Clean, v.General.Outages)
}

// objectiveText is a status with its mark.
func objectiveText(s objective.Status) string { return marks[asStatus(s)] + " " + string(s) }

// partTable splits the times of objectives.
func partTable(m Model) table {
	t := table{
		head: []string{"Objective", "Part", "Seen of", "Shortest", "Median", "Longest"},
		none: "No objective's times were split.",
	}
	for _, v := range m.Objectives {
		for _, p := range v.Parts {
			t.rows = append(t.rows, []string{v.Name, p.Name, tally(p.Samples, v.SamplesName), duration(p.Shortest), duration(p.Median), duration(p.Longest)})
		}
	}
	return t
}

// objectiveSections are the sections of a report with an SLO file.
func objectiveSections(m Model) []section {
	if m.SLO == nil {
		return nil
	}
	note := fmt.Sprintf("Of %s, tier %s. A bound is one-sided; it describes this run, whose requests share its one outage or few. What holds of outages in general is counted in outages. "+
		"%s judged, each by itself: with many, one may be NOT PROVEN or VIOLATED by chance.", clean(m.SLO.File), clean(m.SLO.Tier), count(len(m.Objectives), "objective"))
	if m.SLO.Window != "" {
		note += fmt.Sprintf(" The SLA speaks of %s; the run lasted %s.", clean(m.SLO.Window), duration(m.Duration))
	}
	sections := []section{{"objectives", "Objectives", note, objectiveTable(m)}}
	if parts := partTable(m); len(parts.rows) > 0 {
		sections = append(sections, section{"parts", "What the times are made of", "Medians of parts do not add up to the median of the whole.", parts})
	}
	return append(sections, regressionSections(m)...)
}

// addObjective adds an objective as a test case.
func (s *junitSuite) addObjective(class string, v objective.Verdict) {
	test := junitCase{Class: class, Name: clean(v.Name + " " + v.Goal)}
	s.count(test, junitResult{
		Message: clean(string(v.Status) + ": " + v.Reason), Text: evidenceText(oracle.Clause{Evidence: v.Evidence}),
	}, asStatus(v.Status))
}

// summariseObjectives writes a line for each objective, and the first evidence against
// it.
func summariseObjectives(b *strings.Builder, m Model) {
	if m.SLO == nil {
		return
	}
	width := 0
	for _, v := range m.Objectives {
		width = max(width, len(v.Name))
	}
	fmt.Fprintf(b, "\nobjectives of %s, tier %s\n", clean(m.SLO.File), clean(m.SLO.Tier))
	for _, v := range m.Objectives {
		fmt.Fprintf(b, "%-*s  %-12s  %s: %s\n", width, clean(v.Name), v.Status, clean(recordedOr(v.Goal)), clean(v.Reason))
		if v.Status == objective.Violated && len(v.Evidence) > 0 {
			fmt.Fprintf(b, "%*s    %s\n", width, "", offset(v.Evidence[0].At)+" "+clean(v.Evidence[0].Text))
		}
	}
}
