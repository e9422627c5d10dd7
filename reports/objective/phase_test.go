// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package objective

import (
	"slices"
	"testing"

	"blackout/harness/history"
	"blackout/harness/oracle"
)

// TestPhaseOf: each request is in one phase, and one that the harness itself made
// impossible in none of the gateway's.
func TestPhaseOf(t *testing.T) {
	t.Parallel()
	run := Run{
		Recording: &history.Recording{Header: history.Header{Streams: []history.Stream{{Node: "cut"}, {Node: "other"}}}},
		Episodes:  []Episode{{10, 20}, {40, 50}},
		windows:   map[string][]window{"cut": {{from: 10, to: 20}, {from: 40, to: 50, episode: 1}}},
		away:      map[string][]oracle.Absence{"cut": {{Node: "cut", From: 44, To: 46}}},
	}
	for _, c := range []struct {
		stream uint16
		at     history.Time
		want   string
	}{
		{0, 9, Steady}, {0, 10, Outage}, {0, 19, Outage}, {0, 20, Recovery}, {0, 42, Outage}, {0, 45, Away}, {0, 50, Recovery},
		{1, 9, Steady}, {1, 10, Beside}, {1, 20, Recovery}, {1, 45, Recovery},
	} {
		if got := run.PhaseOf(history.Request{Stream: c.stream, Intended: c.at, Done: c.at}); got != c.want {
			t.Errorf("stream %d at %d: %s, want %s", c.stream, c.at, got, c.want)
		}
	}
	run.Episodes, run.windows, run.away = nil, nil, nil
	if got := run.PhaseOf(history.Request{Intended: 15}); got != Steady {
		t.Errorf("without an outage: %s, want %s", got, Steady)
	}
}

// TestAnsweredWhenAway: an answer that came when a data plane that the harness had stopped
// was back says nothing about the gateway's latency.
func TestAnsweredWhenAway(t *testing.T) {
	t.Parallel()
	run := Run{
		Recording: &history.Recording{
			Header:   history.Header{Streams: []history.Stream{{Node: "cut"}}},
			Requests: []history.Request{{Intended: 12, Done: 13}, {Intended: 13, Done: 15}, {Intended: 14, Done: 18}, {Intended: 17, Done: 18}},
		},
		Episodes: []Episode{{10, 20}},
		windows:  map[string][]window{"cut": {{from: 10, to: 20}}},
		away:     map[string][]oracle.Absence{"cut": {{Node: "cut", From: 14, To: 16}}},
	}
	var got []history.Time
	for _, a := range run.answered(Outage) {
		got = append(got, a.Intended)
	}
	if !slices.Equal(got, []history.Time{12, 17}) {
		t.Errorf("answers to requests due at %v count", got)
	}
}
