// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"cmp"
	"time"

	"blackout/reports/objective"
	"blackout/reports/slo"
)

// Budget is the error budget of an objective about a share of good samples: in this run,
// and what outages like its own cost of the window that the SLA speaks of.
type Budget struct {
	Objective  string  `json:"objective"`
	Target     float64 `json:"target"`
	Confidence float64 `json:"confidence"`

	Samples     int     `json:"samples"`
	SamplesName string  `json:"samples_name"`
	Bad         int     `json:"bad"`
	Allowed     float64 `json:"allowed"` // bad ones that the target allows among so many samples

	Used    *float64 `json:"used"`         // bad by allowed; null: nothing was measured
	Share   *float64 `json:"bad_share"`    // of the samples
	AtMost  *float64 `json:"bad_at_most"`  // one-sided upper bound of it
	Missing string   `json:"missing"`      // why there is no cost; empty if there is one
	Window  string   `json:"window"`       // of the SLA, as its file writes it
	Length  *int64   `json:"window_ns"`    // how long that is
	Failing *int64   `json:"allowance_ns"` // how long nothing may be good in the window, at an even rate of samples

	Outages int   `json:"outages"` // of the control plane, that it was measured in
	Like    *Cost `json:"outage_like_this"`
	Hour    *Cost `json:"outage_of_60_min"`
}

// Cost is what one outage costs of the window's budget, as a share of it: 1 uses it up.
type Cost struct {
	Outage   time.Duration `json:"outage_ns"` // how long it lasts
	Measured float64       `json:"measured"`  // at the share of bad samples that was seen
	AtMost   float64       `json:"at_most"`   // at the upper bound of that share
}

// longOutage is the outage whose cost is told besides that of the run's own.
const longOutage = time.Hour

// budgets are those of the objectives that are shares with a target, in their order.
func budgets(doc *slo.Document, verdicts []objective.Verdict, outages []ControlPlaneOutage) []Budget {
	rows := []Budget{}
	for _, v := range verdicts {
		if v.Kind != objective.Share || v.Target == nil || v.Invariant {
			continue
		}
		rows = append(rows, budget(doc, v, outages))
	}
	return rows
}

func budget(doc *slo.Document, v objective.Verdict, outages []ControlPlaneOutage) Budget {
	may := 1 - *v.Target
	b := Budget{
		Objective: v.Name, Target: *v.Target, Confidence: v.Confidence,
		Samples: v.Samples, SamplesName: v.SamplesName, Bad: v.Bad, Allowed: may * float64(v.Samples),
		Window: doc.Window, Outages: len(outages),
	}
	if doc.Length > 0 {
		length, failing := int64(doc.Length), int64(may*float64(doc.Length))
		b.Length, b.Failing = &length, &failing
	}
	if v.Samples > 0 && v.Lower != nil && v.Status != objective.Invalid {
		used, share, most := float64(v.Bad)/b.Allowed, float64(v.Bad)/float64(v.Samples), 1-*v.Lower
		b.Used, b.Share, b.AtMost = &used, &share, &most
	}
	if b.Missing = b.missing(v); b.Missing == "" {
		b.Like, b.Hour = b.cost(mean(outages)), b.cost(longOutage)
	}
	return b
}

// missing says why nothing can be said of what an outage costs.
func (b Budget) missing(v objective.Verdict) string {
	switch {
	case b.Used == nil:
		return cmp.Or(v.Reason, "nothing was measured")
	case v.Phase != objective.Outage:
		return "the objective is not measured during outages alone"
	case b.Length == nil:
		return "the SLO file names no window"
	case b.Outages == 0:
		return "the control plane was never gone"
	}
	return ""
}

// cost is what an outage of a length costs. Samples are taken to come at an even rate
// all through the window, and nothing else to fail in it.
func (b Budget) cost(outage time.Duration) *Cost {
	budget := (1 - b.Target) * float64(*b.Length)
	return &Cost{Outage: outage, Measured: *b.Share * float64(outage) / budget, AtMost: *b.AtMost * float64(outage) / budget}
}

// mean is how long outages, of which there is at least one, lasted on average.
func mean(outages []ControlPlaneOutage) time.Duration {
	sum := time.Duration(0)
	for _, o := range outages {
		sum += o.Length()
	}
	return sum / time.Duration(max(len(outages), 1))
}
