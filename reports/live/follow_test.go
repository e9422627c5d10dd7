// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package live

import (
	"path/filepath"
	"slices"
	"testing"
	"time"

	"blackout/harness/history"
	"blackout/harness/oracle"
)

// written is what of a recording was on disk when its first n events were.
func written(whole *history.Recording, n int) *history.Recording {
	rec := &history.Recording{Header: whole.Header, Events: slices.Clone(whole.Events[:n]), Damage: "it has no end: its harness died"}
	flushed := newest(rec) - history.Time(250*time.Millisecond)
	for _, q := range whole.Requests {
		if q.Done <= flushed {
			rec.Requests = append(rec.Requests, q)
		}
	}
	return rec
}

// TestGoodRunIsNeverBrokenSoFar judges a run in which everything was held, as it was
// recorded, at many moments: what is not on disk yet is no counterexample, and no fault
// of the measurement.
func TestGoodRunIsNeverBrokenSoFar(t *testing.T) {
	t.Parallel()
	whole, err := history.Load(filepath.Join("..", "..", "fixtures", "recordings", "v2"))
	if err != nil {
		t.Fatal(err)
	}
	ends := slices.IndexFunc(whole.Events, func(e history.Event) bool { return e.Kind == history.RunEnd })
	judged, measured := 0, 0
	for n := 1; n < ends; n += 23 {
		rec := written(whole, n)
		endEarly(rec)
		result, err := oracle.Judge(rec, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range result.Verdicts {
			for _, c := range v.Clauses {
				if c.Status == oracle.Violated {
					t.Errorf("after %d events %s is violated: %s", n, c.ID, c.Reason)
				}
				judged += c.Opportunities
			}
		}
		for _, c := range result.Validity {
			if len(rec.Requests) > 0 && c.Name == oracle.CheckSchedule {
				measured++
				if !c.OK {
					t.Errorf("after %d events: %s: %s", n, c.Name, c.Text)
				}
			}
		}
	}
	if judged == 0 || measured == 0 {
		t.Errorf("%d opportunities and %d schedules were judged: nothing was tested", judged, measured)
	}
}

// TestEndedRunIsNotCut: what has ended is judged to its end.
func TestEndedRunIsNotCut(t *testing.T) {
	t.Parallel()
	rec := &history.Recording{Header: header, Events: []history.Event{{At: 1e9, Kind: history.NodeStart}, {At: 2e9, Kind: history.RunEnd, OK: true}}}
	endEarly(rec)
	if len(rec.Events) != 2 || !rec.Events[1].OK {
		t.Errorf("%+v", rec.Events)
	}
}
