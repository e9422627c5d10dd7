// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package objective

import (
	"testing"

	"blackout/harness/history"
	"blackout/reports/slo"
)

// BenchmarkJudge judges every objective of the good tape, each of whose 6 200 requests
// is repeated until there are 3.6 million, as many as an hour of a thousand a second has.
func BenchmarkJudge(b *testing.B) {
	t := newTape()
	var all []history.Request
	for _, q := range t.rec.Requests {
		for range 3_600_000 / len(t.rec.Requests) {
			all = append(all, q)
		}
	}
	t.rec.Requests = all
	run, err := t.run()
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		Judge(run, slo.Document{Objectives: goodGoals}, All)
	}
}
