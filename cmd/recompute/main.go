// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

// Recompute computes the figures in a finished run's report.json a second time, from
// the recording beside it, and prints where the two differ (package reports/recompute):
//
//	go run ./cmd/recompute reports/out/RUN
//
// It ends with 0 if they agree, with 1 if they do not, with 5 if they cannot be compared, and
// with 64 if the command line makes no sense.
package main

import (
	"fmt"
	"os"

	"blackout/reports/recompute"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: recompute RUN")
		os.Exit(64)
	}
	differences, err := recompute.Differences(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(5)
	}
	for _, d := range differences {
		fmt.Printf("%s: reported %v, recomputed %v\n", d.Path, d.Reported, d.Recomputed)
	}
	if len(differences) > 0 {
		os.Exit(1)
	}
}
