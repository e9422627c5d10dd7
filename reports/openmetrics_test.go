// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"blackout/harness/history"
	"blackout/harness/oracle"
)

// metricsOf renders an input and has it read by the parser of Prometheus.
func metricsOf(t *testing.T, in Input) (text string, families map[string]*dto.MetricFamily) {
	t.Helper()
	content, err := renderOpenMetrics(Build(in))
	if err != nil {
		t.Fatal(err)
	}
	var parser expfmt.TextParser
	families, err = parser.TextToMetricFamilies(bytes.NewReader(content))
	if err != nil {
		t.Fatalf("%v\n%s", err, content)
	}
	return string(content), families
}

// TestOpenMetricsForm: what the parser read and an encoder of its own writes again is the
// file, line by line.
func TestOpenMetricsForm(t *testing.T) {
	t.Parallel()
	for name, input := range inputs {
		text, families := metricsOf(t, input())
		units := map[string]string{}
		for _, line := range regexp.MustCompile(`(?m)^# UNIT (\S+) (\S+)$`).FindAllStringSubmatch(text, -1) {
			units[line[1]] = line[2]
		}
		var again bytes.Buffer
		for metric, family := range families {
			if unit, ok := units[metric]; ok {
				family.Unit = &unit
			}
			if _, err := expfmt.MetricFamilyToOpenMetrics(&again, family, expfmt.WithUnit()); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := expfmt.FinalizeOpenMetrics(&again); err != nil {
			t.Fatal(err)
		}
		got, want := strings.Split(text, "\n"), strings.Split(again.String(), "\n")
		slices.Sort(got)
		slices.Sort(want)
		for i := range min(len(got), len(want)) {
			if got[i] != want[i] {
				t.Fatalf("%s: got  %s\nwant %s", name, got[i], want[i])
			}
		}
		if len(got) != len(want) {
			t.Errorf("%s: %d lines, want %d", name, len(got), len(want))
		}
		if !strings.HasSuffix(text, "\n# EOF\n") || strings.Count(text, "# EOF") != 1 {
			t.Errorf("%s: it does not end with # EOF", name)
		}
	}
}

// TestOpenMetricsNames: a name ends with its unit, and no sample is there twice.
func TestOpenMetricsNames(t *testing.T) {
	t.Parallel()
	for name, input := range inputs {
		text, families := metricsOf(t, input())
		seen := map[string]bool{}
		for line := range strings.Lines(text) {
			if strings.HasPrefix(line, "#") {
				continue
			}
			sample := line[:strings.LastIndexByte(line, ' ')]
			if seen[sample] {
				t.Errorf("%s: %s is there twice", name, sample)
			}
			seen[sample] = true
		}
		for metric := range families {
			for suffix, unit := range map[string]string{"_seconds": inSeconds, "_bytes": inBytes, "_ratio": inRatio} {
				if has := strings.Contains(text, "# UNIT "+metric+" "+unit+"\n"); has != strings.HasSuffix(metric, suffix) {
					t.Errorf("%s: %s, and it has the unit %s: %v", name, metric, unit, has)
				}
			}
		}
	}
}

// TestOpenMetricsSamples pins what a run's figures come to, and that what was not
// measured has no sample.
func TestOpenMetricsSamples(t *testing.T) {
	t.Parallel()
	text, _ := metricsOf(t, violated())
	for _, want := range []string{
		`blackout_run_outcome{outcome="VIOLATED"} 1.0`, `blackout_run_outcome{outcome="HELD"} 0.0`,
		`blackout_promise_verdict{promise="G10",verdict="VIOLATED"} 1.0`, `blackout_clause_verdict{promise="G10",clause="G10.2",verdict="HELD"} 1.0`,
		`blackout_clause_opportunities{promise="G10",clause="G10.1",of="requests"} 468.0`,
		`blackout_requests{node="dp-1",result="eof"} 10.0`, `blackout_outages{node="dp-1",explained="false"} 1.0`, `blackout_outages{node="dp-1",explained="true"} 1.0`,
		`blackout_start_seconds{node="dp-2",start="1",until="ready"} 1.0`, `blackout_store_requests{author="",method="PUT",result="denied"} 1.0`,
		`blackout_store_sent_bytes{author="dp-2",method="GET"} 2048.0`, `blackout_validity_check{check="witnesses",result="failed"} 1.0`,
		`blackout_faults{witnessed="false"} 1.0`, `blackout_incidents{kind="environment error"} 1.0`,
		`blackout_longest_outage_seconds{node="dp-2",bound="min"} `,
	} {
		if !strings.Contains(text, "\n"+want) {
			t.Errorf("%s is not in\n%s", want, text)
		}
	}
	if strings.Contains(text, `blackout_longest_outage_seconds{node="dp-2",bound="max"}`) {
		t.Error("an outage whose end was not seen has a longest time")
	}
	bare, _ := metricsOf(t, Input{Recording: &history.Recording{Header: history.Header{
		Streams: []history.Stream{{Name: "dp-1/fresh", Node: "dp-1"}},
	}}})
	for _, absent := range []string{"blackout_availability", "blackout_latency", "blackout_prober_lag", "blackout_outages", "blackout_run_start_time", "blackout_start_seconds"} {
		if strings.Contains(bare, absent) {
			t.Errorf("%s was not measured, and is there:\n%s", absent, bare)
		}
	}
	if !strings.Contains(bare, `blackout_requests{node="dp-1",result="good"} 0.0`) {
		t.Errorf("that no request was sent is not there:\n%s", bare)
	}
}

// TestOpenMetricsObjectives: their verdicts, and what they rest on.
func TestOpenMetricsObjectives(t *testing.T) {
	t.Parallel()
	text, _ := metricsOf(t, withObjectives(sound(held()), provenOne, brokenOne, openOne, blindOne, unmeasuredOf))
	for _, want := range []string{
		`blackout_objective_verdict{objective="o0",verdict="PROVEN"} 1.0`, `blackout_objective_verdict{objective="o0",verdict="VIOLATED"} 0.0`,
		`blackout_objective_verdict{objective="o1",verdict="VIOLATED"} 1.0`, `blackout_objective_verdict{objective="o2",verdict="NOT PROVEN"} 1.0`,
		`blackout_objective_verdict{objective="o3",verdict="INVALID"} 1.0`, `blackout_objective_verdict{objective="o4",verdict="NOT MEASURED"} 1.0`,
		`blackout_objective_samples{objective="o0",of="`, `blackout_objective_samples_needed{objective="o2",of="`,
		`blackout_run_outcome{outcome="NOT PROVEN"} 0.0`, `blackout_run_outcome{outcome="VIOLATED"} 1.0`,
	} {
		if !strings.Contains(text, "\n"+want) {
			t.Errorf("%s is not in\n%s", want, text)
		}
	}
	if strings.Contains(text, `blackout_objective_samples_needed{objective="o0"`) {
		t.Error("an objective that is proven needs samples")
	}
}

func FuzzOpenMetrics(f *testing.F) {
	f.Add(hostile)
	f.Add("\\\"\n\xff\ufffe{}")
	f.Fuzz(func(t *testing.T, s string) {
		in := violated()
		in.Recording.Header.Run, in.Environment.Gateway = s, s
		in.Result.Validity = append(in.Result.Validity, oracle.Check{Name: "x" + s})
		_, families := metricsOf(t, in)
		for _, label := range families["blackout_run_identity"].GetMetric()[0].GetLabel() {
			if label.GetName() == "run" && label.GetValue() != clean(s) {
				t.Fatalf("read back %q, want %q", label.GetValue(), clean(s))
			}
		}
	})
}
