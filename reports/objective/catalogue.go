// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package objective

import (
	"time"

	"blackout/harness/oracle"
)

// All are the SLIs that the program knows.
var All = []SLI{
	{
		Name: "proxy-availability", Kind: Share, Samples: "requests", Phases: []string{"outage", "steady", "recovery", "run"},
		Parameters: map[string]func(string) error{"deadline": duration},
		Rests:      []string{oracle.CheckSent, oracle.CheckSchedule, oracle.CheckClock},
		Measure:    func(r Run, q Query) Measurement { return availability(r, q, true) },
	},
	{
		Name: "client-availability", Kind: Share, Samples: "requests", Phases: []string{"outage", "steady", "recovery", "run"},
		Parameters: map[string]func(string) error{"deadline": duration},
		Rests:      []string{oracle.CheckSent, oracle.CheckSchedule, oracle.CheckClock},
		Measure:    func(r Run, q Query) Measurement { return availability(r, q, false) },
	},
	{
		Name: "data-plane-rto", Kind: Values, Samples: "starts", Unit: "s", Phases: []string{"outage"},
		Rests: []string{oracle.CheckClock}, Measure: recoveryTimes,
	},
	{
		Name: "snapshot-staleness", Kind: Values, Samples: "changes", Unit: "s", Phases: []string{"steady"},
		Parameters: map[string]func(string) error{"beyond": oneOf(exportDelay)},
		Rests:      []string{oracle.CheckClock}, Measure: staleness,
	},
	{
		Name: "recovery-point", Kind: Values, Samples: "outages", Unit: "s", Phases: []string{"outage"},
		Parameters: map[string]func(string) error{"beyond": oneOf(exportDelay)},
		Rests:      []string{oracle.CheckClock}, Measure: recoveryPoints,
	},
	{
		Name: "recovery-time", Kind: Values, Samples: "returns", Unit: "s", Phases: []string{"recovery"},
		Rests: []string{oracle.CheckClock}, Measure: returns,
	},
	{
		Name: "store-reads-after-boot", Kind: Count, Samples: "data-plane seconds", Phases: []string{"run"},
		Rests: []string{oracle.CheckClock}, Measure: storeReads,
	},
	{
		Name: "latency-ratio", Kind: Ratio, Samples: "seconds", Phases: []string{"outage"},
		Parameters: map[string]func(string) error{"percentile": between(0, 100), "baseline": between(1, 100)},
		Rests:      []string{oracle.CheckSent, oracle.CheckSchedule, oracle.CheckOnTime, oracle.CheckThrottled, oracle.CheckClock},
		Measure:    latencyRatio,
	},
	{
		Name: "wrong-configuration", Kind: Count, Samples: "answers", Phases: []string{"run"},
		Parameters: map[string]func(string) error{"grace": duration},
		Rests:      []string{oracle.CheckSent, oracle.CheckClock}, Measure: wrongConfigurations,
	},
	{
		Name: "measurement-validity", Kind: Gate, Samples: "checks", Phases: []string{"run"}, Measure: validity,
	},
}

// The parameters of SLIs, where a file says nothing.
const (
	answerDeadline = time.Second // after which an answer comes too late
	applyGrace     = time.Second // for which the workers of a data plane may serve two configurations
)

// exportDelay is the value of the parameter beyond: times count from the end of the
// export delay of the run's timers.
const exportDelay = "export-delay"

// validity is whether the measurement can be trusted: a gate, which never says more of
// the gateway than that. A check that failed makes it INVALID.
func validity(r Run, _ Query) Measurement {
	m := Measurement{Missing: "nobody checked the measurement"}
	for _, c := range r.Validity {
		switch {
		case c.OK:
			m.Total++
		case c.Unmeasured:
			m.Note = "Not checked: " + c.Name + "."
		case m.Doubt == "":
			m.Doubt = "check " + c.Name + ": " + c.Text
		}
	}
	if m.Note != "" {
		m.Total, m.Missing = 0, "not every check could be made"
	}
	return m
}
