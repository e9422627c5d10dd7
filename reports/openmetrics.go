// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"blackout/harness/oracle"
	"blackout/reports/objective"
)

// family is a metric with its samples. Every metric is a gauge, the only type that
// OpenMetrics and the older format of Prometheus have in common for figures that are
// final; without a time of its own, a sample is of the run.
type family struct {
	name, unit, help string // of the help no character needs escaping
	samples          []string
}

// add adds a sample; labels are names and values in turns.
func (f *family) add(value float64, labels ...string) {
	var b strings.Builder
	b.WriteString(f.name)
	for i := 0; i+1 < len(labels); i += 2 {
		separator := byte(',')
		if i == 0 {
			separator = '{'
		}
		b.WriteByte(separator)
		b.WriteString(labels[i] + `="` + labelEscapes.Replace(clean(labels[i+1])) + `"`)
	}
	if len(labels) > 0 {
		b.WriteByte('}')
	}
	b.WriteString(" " + openMetricsNumber(value) + "\n")
	f.samples = append(f.samples, b.String())
}

// measured adds a sample of a duration in seconds, if it was measured.
func (f *family) measured(d *time.Duration, labels ...string) {
	if d != nil {
		f.add(d.Seconds(), labels...)
	}
}

// share adds a sample of a share of 1, if it was measured.
func (f *family) share(share *float64, labels ...string) {
	if share != nil {
		f.add(*share, labels...)
	}
}

var labelEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

// openMetricsNumber is a value as OpenMetrics writes it: never without a point or an
// exponent.
func openMetricsNumber(v float64) string {
	s := strconv.FormatFloat(v, 'g', -1, 64)
	if !strings.ContainsAny(s, ".eIN") {
		s += ".0"
	}
	return s
}

// renderOpenMetrics writes the figures as OpenMetrics text, which readers of the older
// format of Prometheus take, too. A figure that was not measured has no sample.
func renderOpenMetrics(m Model) ([]byte, error) {
	var b strings.Builder
	for _, part := range [][]family{runMetrics(m), verdictMetrics(m), objectiveMetrics(m), trafficMetrics(m), outageMetrics(m), startMetrics(m), storeMetrics(m)} {
		for _, f := range part {
			if len(f.samples) == 0 {
				continue
			}
			b.WriteString("# HELP " + f.name + " " + f.help + "\n# TYPE " + f.name + " gauge\n")
			if f.unit != "" {
				b.WriteString("# UNIT " + f.name + " " + f.unit + "\n")
			}
			b.WriteString(strings.Join(f.samples, ""))
		}
	}
	b.WriteString("# EOF\n")
	return []byte(b.String()), nil
}

// The units, which the names of their metrics end with.
const (
	inSeconds = "seconds"
	inBytes   = "bytes"
	inRatio   = "ratio"
)

// runMetrics say which run it was, and how it ended.
func runMetrics(m Model) []family {
	identity := family{name: "blackout_run_identity", help: "Which run the figures are of; always 1."}
	identity.add(1, "run", m.Run, "scenario", m.Scenario, "seed", strconv.FormatUint(m.Seed, 10), "engine", m.Engine, "timers", m.Profile.Name,
		"gateway", m.Environment.Gateway, "blackout", m.Environment.Blackout)
	started := family{name: "blackout_run_start_time_seconds", unit: inSeconds, help: "Wall clock at the start of the run, since 1970."}
	if !m.Started.IsZero() {
		started.add(float64(m.Started.UnixMilli()) / 1e3)
	}
	lasted := family{name: "blackout_run_duration_seconds", unit: inSeconds, help: "Time from the start of the run to the last that was recorded."}
	lasted.add(m.Duration.Seconds())
	outcome := family{name: "blackout_run_outcome", help: "1 for the outcome of the run, 0 for those that it did not have."}
	stated(&outcome, slices.Concat(statuses, []oracle.Status{NotProven}), known(m.Outcome.Status), "outcome")
	faults := family{name: "blackout_faults", help: "Faults that were injected, by whether a witness saw them in force."}
	seen := map[bool]int{}
	for _, f := range m.Faults {
		seen[f.Witnessed]++
	}
	for _, witnessed := range []bool{false, true} {
		faults.add(float64(seen[witnessed]), "witnessed", strconv.FormatBool(witnessed))
	}
	incidents := family{name: "blackout_incidents", help: "What did not go as planned, by kind."}
	kinds := map[string]int{}
	for _, i := range m.Incidents {
		kinds[i.Kind]++
	}
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		incidents.add(float64(kinds[kind]), "kind", kind)
	}
	return []family{identity, started, lasted, outcome, faults, incidents}
}

// statuses are the verdicts on a promise, in the order in which they are shown.
var statuses = []oracle.Status{oracle.Held, oracle.Violated, oracle.Invalid, oracle.NotMeasured}

// stated adds a sample for each status; the one that is has 1.
func stated[S ~string](f *family, all []S, is S, label string, labels ...string) {
	for _, s := range all {
		value := 0.0
		if s == is {
			value = 1
		}
		f.add(value, append(slices.Clone(labels), label, string(s))...)
	}
}

// verdictMetrics are the verdicts, and whether the measurement can be believed.
func verdictMetrics(m Model) []family {
	promise := family{name: "blackout_promise_verdict", help: "1 for the verdict on a promise, 0 for those that it did not get."}
	clause := family{name: "blackout_clause_verdict", help: "1 for the verdict on a clause of a promise, 0 for those that it did not get."}
	opportunities := family{name: "blackout_clause_opportunities", help: "How often a clause could have failed, in units of its own."}
	for _, p := range m.Promises {
		stated(&promise, statuses, known(p.Status), "verdict", "promise", p.Promise)
		for _, c := range p.Clauses {
			stated(&clause, statuses, known(c.Status), "verdict", "promise", p.Promise, "clause", c.ID)
			opportunities.add(float64(c.Opportunities), "promise", p.Promise, "clause", c.ID, "of", c.Unit)
		}
	}
	validity := family{name: "blackout_validity_check", help: "1 for what came of a check of the measurement itself, 0 for what did not."}
	for _, c := range m.Validity {
		result := "failed"
		switch {
		case c.OK:
			result = "passed"
		case c.Unmeasured:
			result = notMeasured
		}
		for _, r := range []string{"passed", "failed", notMeasured} {
			value := 0.0
			if r == result {
				value = 1
			}
			validity.add(value, "check", c.Name, "result", r)
		}
	}
	return []family{promise, clause, opportunities, validity}
}

// objectiveStatuses are the verdicts on an objective, in the order in which they are shown.
var objectiveStatuses = []objective.Status{objective.Proven, objective.Violated, objective.Invalid, objective.NotMeasured, objective.NotProven}

// objectiveMetrics are the verdicts on objectives, and what they rest on.
func objectiveMetrics(m Model) []family {
	verdict := family{name: "blackout_objective_verdict", help: "1 for the verdict on an objective of the SLO file, 0 for those that it did not get."}
	samples := family{name: "blackout_objective_samples", help: "What an objective was judged on, in units of its own."}
	bad := family{name: "blackout_objective_samples_bad", help: "Those of the samples that miss the goal."}
	needed := family{name: "blackout_objective_samples_needed", help: "Further good samples that would prove it; of NOT PROVEN only."}
	for _, v := range m.Objectives {
		status := v.Status
		if !slices.Contains(objectiveStatuses, status) {
			status = objective.Invalid
		}
		stated(&verdict, objectiveStatuses, status, "verdict", "objective", v.Name)
		samples.add(float64(v.Samples), "objective", v.Name, "of", v.SamplesName)
		if v.Kind != objective.Ratio {
			bad.add(float64(v.Bad), "objective", v.Name, "of", v.SamplesName)
		}
		if v.Needed != nil {
			needed.add(float64(*v.Needed), "objective", v.Name, "of", v.SamplesName)
		}
	}
	return []family{verdict, samples, bad, needed}
}

// trafficMetrics are the figures of the probes.
func trafficMetrics(m Model) []family {
	requests := family{name: "blackout_requests", help: "Probes of a node, by what came of them: good, or the class of the failure."}
	masked := family{name: "blackout_requests_masked", help: "Failures that the HTTP client hid by sending again."}
	available := family{name: "blackout_availability_ratio", unit: inRatio, help: "Good probes of all; absent: not measured."}
	bound := family{name: "blackout_availability_lower_bound_ratio", unit: inRatio, help: "One-sided lower bound of the availability, 95%, Clopper-Pearson, of this run; absent: not measured."}
	latency := family{name: "blackout_latency_seconds", unit: inSeconds, help: "Latency of good answers from the intended time of sending; absent: not measured."}
	service := family{name: "blackout_service_seconds", unit: inSeconds, help: "Latency of good answers from the time of sending; absent: not measured."}
	lag := family{name: "blackout_prober_lag_seconds", unit: inSeconds, help: "How late probes were sent, 99th percentile; absent: not measured."}
	for _, t := range m.Traffic {
		requests.add(float64(t.Good), "node", t.Node, "result", "good")
		for _, class := range classOrder(t.Failures) {
			requests.add(float64(t.Failures[class]), "node", t.Node, "result", class)
		}
		masked.add(float64(t.Masked), "node", t.Node)
		available.share(t.Availability, "node", t.Node)
		bound.share(t.LowerBound, "node", t.Node)
		for _, d := range []struct {
			of     *family
			figure Latency
		}{{&latency, t.Latency}, {&service, t.Service}} {
			d.of.measured(d.figure.P50, "node", t.Node, "statistic", "p50")
			d.of.measured(d.figure.P99, "node", t.Node, "statistic", "p99")
			d.of.measured(d.figure.Max, "node", t.Node, "statistic", "max")
		}
		lag.measured(t.LagP99, "node", t.Node)
	}
	return []family{requests, masked, available, bound, latency, service, lag}
}

// outageMetrics count the outages of each probed node, and its longest.
func outageMetrics(m Model) []family {
	outages := family{name: "blackout_outages", help: "Spans without a good answer from a probed node, by whether a witnessed fault explains them."}
	longest := family{name: "blackout_longest_outage_seconds", unit: inSeconds,
		help: "The longest outage of a probed node: it lasted at least min and at most max; without max, its end or beginning was not seen."}
	for _, t := range m.Traffic {
		if t.Requests == 0 {
			continue // nobody could have seen one
		}
		explained := map[bool]int{}
		var worst *Outage
		for i, o := range m.Outages {
			if o.Node != t.Node {
				continue
			}
			explained[o.Explained()]++
			if worst == nil || o.Min > worst.Min {
				worst = &m.Outages[i]
			}
		}
		for _, e := range []bool{false, true} {
			outages.add(float64(explained[e]), "node", t.Node, "explained", strconv.FormatBool(e))
		}
		if worst == nil {
			continue
		}
		longest.add(worst.Min.Seconds(), "node", t.Node, "bound", "min")
		if !worst.OpenStart && !worst.OpenEnd {
			longest.add(worst.Max.Seconds(), "node", t.Node, "bound", "max")
		}
	}
	return []family{outages, longest}
}

// startMetrics are the parts of every start of a data plane. Starts of a node are
// numbered from 1.
func startMetrics(m Model) []family {
	parts := family{name: "blackout_start_seconds", unit: inSeconds, help: "Time from the call that started a data plane's process until something of it was seen; absent: not measured."}
	numbers := map[string]int{}
	for _, s := range m.Starts {
		numbers[s.Node]++
		of := []string{"node", s.Node, "start", strconv.Itoa(numbers[s.Node]), "until"}
		for _, part := range []struct {
			until string
			took  *time.Duration
		}{
			{"control plane dialled", s.Dial}, {"store read begun", s.StoreRead}, {"store read ended", s.StoreDone},
			{"ready", s.Ready}, {"first good answer", s.FirstGood},
		} {
			parts.measured(part.took, append(slices.Clone(of), part.until)...)
		}
	}
	return []family{parts}
}

// storeMetrics count the store's requests.
func storeMetrics(m Model) []family {
	requests := family{name: "blackout_store_requests", help: "Requests to the object store, by author, method and what came of them; an empty author is one that the store could not name."}
	sent := family{name: "blackout_store_sent_bytes", unit: inBytes, help: "What the object store sent in answer to them."}
	for _, a := range m.Store {
		of := []string{"author", a.Author, "method", a.Method}
		for _, r := range []struct {
			result string
			n      int
		}{{"succeeded", a.Succeeded}, {"denied", a.Denied}, {"failed", a.Failed}} {
			requests.add(float64(r.n), append(slices.Clone(of), "result", r.result)...)
		}
		sent.add(float64(a.Bytes), of...)
	}
	return []family{requests, sent}
}
