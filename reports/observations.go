// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package reports

import (
	"time"

	"blackout/harness/history"
	"blackout/reports/objective"
	"blackout/reports/slo"
)

// Observations are the figures that rest on what oracles observed: outages of the control plane,
// new data planes, exports. They are null where a recording cannot be read that far.
type Observations struct {
	ControlPlaneOutages []ControlPlaneOutage `json:"control_plane_outages"`
	Staleness           *Staleness           `json:"staleness"`
	StoreReads          []StoreRead          `json:"store_reads_after_boot"`
	LatencyByPhase      []PhaseLatency       `json:"latency_by_phase"`
	TrafficByPhase      []PhaseTraffic       `json:"traffic_by_phase"`
	Budgets             []Budget             `json:"error_budgets"` // of the objectives that have one
	Measurement         Measurement          `json:"measurement"`
}

// ControlPlaneOutage is a time in which the control plane was gone for at least one data
// plane, from the first call that put a fault in force to the last one that healed it.
// Phases of traffic are told by them.
type ControlPlaneOutage struct {
	From       history.Time `json:"from_ns"`
	To         history.Time `json:"to_ns"`
	DataPlanes int          `json:"data_planes"` // that it cut off
	Doubt      string       `json:"doubt"`       // why it cannot be believed; empty if it can
}

// Length is how long the outage lasted.
func (o ControlPlaneOutage) Length() time.Duration { return o.To.Sub(o.From) }

// observations computes what rests on a run that was arranged for objectives, and adds to
// the model's starts what was learnt of them.
func observations(r recorded, run objective.Run, doc *slo.Document, m *Model) Observations {
	f := Observations{Measurement: r.measurement()}
	if run.End == 0 { // nothing, or damaged
		return f
	}
	f.ControlPlaneOutages = controlPlaneOutages(run)
	f.Staleness = r.staleness(run, m.Nodes)
	f.StoreReads = r.storeReads(run)
	f.LatencyByPhase = latencyByPhase(run)
	f.TrafficByPhase = trafficByPhase(run)
	f.Budgets = budgets(doc, m.Objectives, f.ControlPlaneOutages)
	learnGone(run, m.Starts)
	return f
}

func controlPlaneOutages(run objective.Run) []ControlPlaneOutage {
	out := make([]ControlPlaneOutage, 0, len(run.Episodes))
	for _, e := range run.Episodes {
		out = append(out, ControlPlaneOutage{From: e.From, To: e.To, DataPlanes: run.DataPlanes(e), Doubt: run.Doubt(e)})
	}
	return out
}

// learnGone notes when new data planes could know that their control plane was gone: by
// the timers of the run, or when they asked the store, if that was earlier.
func learnGone(run objective.Run, starts []Start) {
	for i := range starts {
		s := &starts[i]
		for _, b := range run.Starts {
			if b.Node != s.Node || b.At != s.At {
				continue
			}
			gone := b.Outage.Detection
			if b.Asked != nil {
				gone = min(gone, b.Asked.Sub(b.At))
			}
			s.Gone = &gone
		}
	}
}
