// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"blackout/harness"
	"blackout/harness/label"
	"blackout/harness/topology"
	"blackout/scenarios"
)

func listCommand() *cobra.Command {
	var markdown bool
	c := &cobra.Command{
		Use:   "list",
		Short: "List the scenarios, their labels and the promises they judge",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if markdown {
				return catalogue(c.OutOrStdout())
			}
			for _, s := range scenarios.All {
				if _, err := fmt.Fprintf(c.OutOrStdout(), "%-22s [%s] %v  %s\n", s.Name, label.Join(s.Labels), s.Promises, s.Summary); err != nil {
					return err
				}
			}
			return nil
		},
	}
	c.Flags().BoolVar(&markdown, "markdown", false, "write docs/scenarios.md")
	return c
}

// catalogueSeed is the seed of the plans that the catalogue tells of. Other seeds
// may draw other faults, where a scenario draws their kinds.
const catalogueSeed = 7

// catalogue writes the scenarios by family: what each is there for, the faults of
// its plan, and how long that lasts.
func catalogue(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, `# The scenarios

Written by `+"`make docs`"+` from the code; do not edit. Nodes and faults are those of seed %d with the timer profile `+"`fast`"+`; **planned** is the length of
that plan, to which bring-up and clean-up come; what whole runs took is in [defects.md](defects.md). **Judged** are the promises that a run is
asked for, and the clauses that it must exercise, or the promise is NOT MEASURED; a run that finds another one VIOLATED says so too. The clauses
are those of [contract.md](contract.md), the faults those of [faults.md](faults.md).
`, catalogueSeed)
	for _, f := range scenarios.Families {
		fmt.Fprintf(&b, "\n## %s: %s\n\n", f.Label, f.Asks)
		if len(f.Scenarios) == 0 {
			b.WriteString("None.\n")
			continue
		}
		b.WriteString("| scenario | labels | judged | faults | planned |\n|---|---|---|---|---|\n")
		for _, s := range f.Scenarios {
			line, err := catalogued(s)
			if err != nil {
				return err
			}
			b.WriteString(line)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// catalogued is a scenario's line.
func catalogued(s harness.Scenario) (string, error) {
	p, err := s.NewPlan(catalogueSeed, topology.Profiles["fast"])
	if err != nil {
		return "", err
	}
	var kinds []string
	for _, f := range harness.Faults(p) {
		if k := "`" + string(f.Kind) + "`"; !slices.Contains(kinds, k) {
			kinds = append(kinds, k)
		}
	}
	slices.Sort(kinds)
	return fmt.Sprintf("| **%s**: %s | %s | %s | %s | %s |\n", s.Name, s.Summary, label.Join(s.Labels), judges(s), strings.Join(kinds, ", "), p.Length().Round(time.Second)), nil
}

// judges is "G1.1/3, G2.2, G13" of a scenario: clauses that it exercises, and promises
// of which it exercises none in particular.
func judges(s harness.Scenario) string {
	var parts []string
	for _, promise := range s.Promises {
		var numbers []string
		for _, c := range s.Exercises {
			if number, of := strings.CutPrefix(c, promise+"."); of {
				numbers = append(numbers, number)
			}
		}
		part := promise
		if len(numbers) > 0 {
			part += "." + strings.Join(numbers, "/")
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ", ")
}
