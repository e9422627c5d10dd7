// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package scenarios holds the experiments, one file or more per family. Each is a
// value: a topology, steps, and the promises it judges. To add one, write its plan
// from the actions of package harness and list it in its family.
package scenarios

import (
	"fmt"
	"strings"

	"blackout/harness"
	"blackout/harness/label"
	"blackout/harness/plan"
)

// Family are scenarios that ask about one thing.
type Family struct {
	Label     label.Label // the first label of each of its scenarios
	Asks      string      // one line
	Scenarios []harness.Scenario
}

// Families are all families in the order in which they are listed.
var Families = []Family{
	{label.Outage, "what a control plane that is gone does to data planes that run", outages},
	{label.ScaleOut, "what data planes come to that are added while it is gone", scaleOuts},
	{label.Storage, "what an object store does to them that is ill, locked or empty", storages},
	{label.Export, "what backup nodes write, when, and who of several", exports},
	{label.ControlPlane, "what a control plane does that is there and does not do its work", controlPlanes},
	{label.Integrity, "what becomes of data that is damaged, foreign or secret", integrities},
	{label.Limits, "what size and number do", limits},
	{label.Nightly, "what all of this does together and for long", nightlies},
}

// All are the scenarios by the order in which they are listed.
var All = all()

func all() []harness.Scenario {
	var scenarios []harness.Scenario
	for _, f := range Families {
		scenarios = append(scenarios, f.Scenarios...)
	}
	return scenarios
}

// Find returns the scenario of a name. The error names the valid ones.
func Find(name string) (harness.Scenario, error) {
	names := make([]string, len(All))
	for i, s := range All {
		if s.Name == name {
			return s, nil
		}
		names[i] = s.Name
	}
	return harness.Scenario{}, fmt.Errorf("unknown scenario %q: the scenarios are %s", name, strings.Join(names, ", "))
}

// bringUp plans for a topology that comes up, serves a first generation and, before
// anything goes wrong, a second one that is in the bucket, too.
func bringUp(t *plan.Timetable, serving []string, routes int) {
	t.Phase(plan.BringUp,
		harness.BringUp{},
		harness.Configure{Generation: 1, Routes: routes},
		harness.AwaitServing{Nodes: serving, Generation: 1, Steady: true},
		harness.Change{Generation: 2},
		harness.AwaitServing{Nodes: serving, Generation: 2, Steady: true},
		harness.AwaitSnapshot{Generation: 2, Steady: true},
	)
}
