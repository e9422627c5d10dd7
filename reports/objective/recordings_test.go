// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package objective

import (
	"path/filepath"
	"testing"

	"blackout/harness/history"
	"blackout/harness/oracle"
	"blackout/reports/slo"
)

// judged judges a kept recording by the file of a tier.
func judged(t *testing.T, recording, tier string) map[string]Status {
	t.Helper()
	rec, err := history.Load(filepath.Join("../../fixtures/recordings", recording))
	if err != nil {
		t.Fatal(err)
	}
	result, err := oracle.Judge(rec, []string{"G10"})
	if err != nil {
		t.Fatal(err)
	}
	doc, err := slo.Read(filepath.Join("../../fixtures/slo", tier+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := Check(doc, All); err != nil {
		t.Fatal(err)
	}
	statuses := make(map[string]Status)
	for _, v := range Judge(NewRun(rec, result), doc, All) {
		statuses[v.Name] = v.Status
	}
	return statuses
}

// TestKeptRecordings: what a run of the schemas so far proves, tier by tier. It is the
// longer the tier the less. Both recordings are older than the check of the machine.
func TestKeptRecordings(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		recording, tier string
		all             Status
		but             map[string]Status
	}{
		{"v2", "ci", Proven, map[string]Status{
			"data-plane-rto": NotProven, "snapshot-staleness-max": NotProven, "measurement-validity": NotMeasured,
		}},
		{"v2", "nightly", NotProven, map[string]Status{"measurement-validity": NotMeasured}},
		{"v2", "evidence", NotProven, map[string]Status{"measurement-validity": NotMeasured}},
		{"v1", "ci", Proven, map[string]Status{
			"data-plane-rto": NotProven, "snapshot-staleness-max": NotProven, "store-reads-after-boot": NotProven, "measurement-validity": NotMeasured,
		}},
	} {
		for name, got := range judged(t, c.recording, c.tier) {
			want, ok := c.but[name]
			if !ok {
				want = c.all
			}
			if got != want {
				t.Errorf("recording %s by %s: %s is %s, want %s", c.recording, c.tier, name, got, want)
			}
		}
	}
}
