// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Package scenarios holds the experiments, one file per family. Each is a value:
// a topology, steps, and the promises it judges. To add one, write its plan from
// the actions of package harness and list it in [All].
package scenarios

import (
	"fmt"
	"strings"

	"blackout/harness"
)

// All are the scenarios by the order in which they are listed.
var All = []harness.Scenario{
	outageScaleOut,
	databaseOutage,
	nemesis,
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
