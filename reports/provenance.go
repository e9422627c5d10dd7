// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"maps"
	"slices"
	"strconv"
	"time"

	"blackout/harness/history"
)

// provenanceTable says what ran where.
func provenanceTable(m Model) table {
	e, p := m.Environment, m.Profile
	t := table{head: []string{"What", "Value"}}
	add := func(name, value string) { t.rows = append(t.rows, []string{name, recordedOr(value)}) }
	add("Run", m.Run)
	add("Scenario", m.Scenario)
	add("Seed", strconv.FormatUint(m.Seed, 10))
	add("Engine", m.Engine)
	add("Blackout", e.Blackout)
	add("Gateway judged", e.Gateway)
	add("Control plane", e.Control)
	for _, program := range slices.Sorted(maps.Keys(e.Images)) {
		add("Image or binary of "+program, e.Images[program])
	}
	add("Timer profile", p.Name)
	add("Reconnect", reconnect(p))
	add("Ping every", timer(p.PingInterval))
	add("Silence limit", timer(p.Silence))
	add("Dial timeout", timer(p.DialTimeout))
	add("Wait for a configuration", timer(p.NoConfiguration))
	add("Export delay", timer(p.ExportDelay))
	if m.SLO != nil {
		add("SLO file", m.SLO.File+", tier "+m.SLO.Tier)
		add("SLO file's SHA-256", m.SLO.SHA256)
	}
	add("Host", e.Host)
	add("System", system(e))
	add("CPUs", positive(int64(e.CPUs), ""))
	add("Memory", positive(e.MemoryBytes, " bytes"))
	add("Go", e.GoVersion)
	add("Planned against real", punctuality(m))
	add("Run it again", e.Repeat)
	return t
}

// timer is a timer of the profile; nothing if it was not recorded.
func timer(d time.Duration) string {
	if d <= 0 {
		return ""
	}
	return d.String()
}

// reconnect is the span that a node's wait before reconnecting is drawn from.
func reconnect(p history.Profile) string {
	if p.ReconnectMax <= 0 {
		return ""
	}
	return p.ReconnectMin.String() + " to " + p.ReconnectMax.String()
}

// system is the operating system in one line.
func system(e Environment) string {
	if e.OS == "" {
		return ""
	}
	return e.OS + "/" + recordedOr(e.Arch) + ", kernel " + recordedOr(e.Kernel)
}

// positive is a figure of the environment; nothing if it was not recorded.
func positive(n int64, unit string) string {
	if n <= 0 {
		return ""
	}
	return strconv.FormatInt(n, 10) + unit
}

// fileTable says what lies beside the report.
func fileTable(m Model) table {
	t := table{
		head: []string{"File", "Content"},
		rows: [][]string{
			{HTMLFile, "this report"},
			{MarkdownFile, "its summary for a CI job"},
			{JSONFile, "everything in it, for programs (reports/schema/report-v1.json describes it)"},
			{JUnitFile + ", " + CTRFFile, "one test case per verdict, for CI tools"},
			{MetricsFile, "the figures as OpenMetrics text, for monitoring"},
			{"events.jsonl, requests.bin", "the recording that everything was computed from; it can be judged again"},
		},
	}
	if m.Baseline != nil {
		t.rows = append(t.rows, []string{BaselineFile, "the runs before it, which it was compared with"})
	}
	return t
}
