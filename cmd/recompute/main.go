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
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"blackout/reports/recompute"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: recompute RUN")
		os.Exit(64)
	}
	found, err := differences(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(5)
	}
	for _, d := range found {
		fmt.Printf("%s: reported %v, recomputed %v\n", d.Path, d.Reported, d.Recomputed)
	}
	if len(found) > 0 {
		os.Exit(1)
	}
}

// differences are between the report in a run's directory and the recording there.
func differences(dir string) (found []recompute.Difference, err error) {
	report, err := os.ReadFile(filepath.Join(dir, "report.json"))
	if err != nil {
		return nil, fmt.Errorf("read report: %w", err)
	}
	r, err := recompute.Open(dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	return r.Differences(report)
}
