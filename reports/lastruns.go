// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"blackout/harness/oracle"
)

// lastSection is the section of a page about the runs before.
type lastSection struct {
	section
	Trends []spark // with this run as the newest
}

// lastRunsSection shows the runs before, newest first.
func lastRunsSection(m Model) lastSection {
	s := lastSection{section: section{"last", "Last runs", "", table{none: "No baseline was kept with the run."}}}
	if m.Baseline == nil {
		return s
	}
	s.Note = fmt.Sprintf("Runs of the same scenario, timers, engine and gateway that began before this one, at most %d, as they were when it ended.", baselineRuns)
	s.Table = lastTable(m.Baseline.Runs)
	if len(m.Baseline.Runs) > 0 {
		s.Trends = trends(seriesUpTo(indexed("", m), m.Baseline.Runs).runs)
		s.Note += " In the drawings the oldest is on the left, this one on the right, and each scale is that of its own figures."
	}
	if n := len(m.Baseline.NotRead) + m.Baseline.More; n > 0 {
		s.Note += fmt.Sprintf(" Not read: %s%s.", clean(strings.Join(m.Baseline.NotRead, "; ")), more(m.Baseline.More))
	}
	return s
}

// more says how many of a list are left out.
func more(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(" and %d more", n)
}

func lastTable(runs []IndexedRun) table {
	promises := promisesOf(runs)
	t := table{
		head: []string{"Run", "Outcome", "Promises that were not HELD", "Availability", "RTO", "Recovery", "Seed", "Commit", "Started"},
		none: "There was no earlier run to compare with.",
	}
	for _, r := range runs {
		row := rowOf(r, nil)
		cells := []string{r.Run, statusText(r.Outcome.Status), notHeld(r, promises)}
		cells = append(cells, row.Figures...)
		t.rows = append(t.rows, append(cells, strconv.FormatUint(r.Seed, 10), recordedOr(r.Blackout), row.Started))
	}
	return t
}

// notHeld names the promises of a run that were not HELD, worst first.
func notHeld(r IndexedRun, promises []string) string {
	var parts []string
	for _, status := range worst[:len(worst)-1] {
		of := slices.DeleteFunc(slices.Clone(promises), func(p string) bool { return r.Promises[p] != status })
		if len(of) > 0 {
			parts = append(parts, string(status)+": "+list(of))
		}
	}
	if len(parts) == 0 && slices.ContainsFunc(promises, func(p string) bool { return r.Promises[p] == oracle.Held }) {
		return "none"
	}
	if len(parts) == 0 {
		return "none was judged"
	}
	return strings.Join(parts, "; ")
}

// regressionSections is the section about what got worse, of a report with objectives and
// a baseline.
func regressionSections(m Model) []section {
	if m.SLO == nil || m.Baseline == nil {
		return nil
	}
	note := fmt.Sprintf("%s Each SLI against that of all runs before together, where SLO file and, for times, host are the same: is it worse than chance explains? Regressed: p below %g after Holm's correction for %s. "+
		"The tests take samples as independent; those of one run share its fate, so a difference between two machines' moods can look like one of the gateway's. A regression changes neither verdict nor exit code.",
		clean(m.Baseline.Regression.sentence()), regressionLevel, count(len(m.Baseline.Regression.Compared), "SLI"))
	return []section{{"regression", "Against the last runs", note, m.regressionTable()}}
}
