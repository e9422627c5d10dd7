// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"blackout/harness/history"
	"blackout/harness/plan"
	"blackout/harness/traffic"
)

// TestStreamsOfAPlan: a plan may say what its nodes are probed with, and the
// header says what came of it.
func TestStreamsOfAPlan(t *testing.T) {
	t.Parallel()
	own := history.Stream{Name: "h2c", Interval: 10 * time.Millisecond, Timeout: time.Second, Protocol: traffic.H2C, Workers: 7}
	got := Streams(plan.Plan{Steps: []plan.Step{
		{Action: StartTraffic{Nodes: []string{"dp-1"}, Streams: []history.Stream{own}}},
		{Action: StartTraffic{Nodes: []string{"dp-2"}}},
	}})
	own.Name, own.Node = "dp-1 h2c", "dp-1"
	if len(got) != 3 || got[0] != own {
		t.Fatalf("streams %+v, want the plan's own first: %+v", got, own)
	}
	for i, s := range got[1:] {
		want := history.Stream{
			Name: "dp-2 " + []string{"keep-alive", "fresh"}[i], Node: "dp-2", Fresh: i == 1, Interval: 20 * time.Millisecond, Timeout: 2 * time.Second,
			Workers: traffic.Workers(s), Protocol: traffic.HTTP1,
		}
		if s != want {
			t.Errorf("stream %+v, want %+v", s, want)
		}
	}
}

// TestStreamsThatBeginTwice have two places in the header.
func TestStreamsThatBeginTwice(t *testing.T) {
	t.Parallel()
	c, _ := recorded(t)
	again := StartTraffic{Nodes: []string{"dp-1"}, Rate: 10}
	c.plan = plan.Plan{Steps: []plan.Step{
		{Number: 1, Action: again}, {Number: 2, Action: StartTraffic{Nodes: []string{"dp-2", "dp-1"}}}, {Number: 3, Action: again},
	}}
	for step, want := range map[int][]uint16{1: {0, 1}, 2: {4, 5}, 3: {6, 7}} {
		c.step = step
		streams := c.streamsTo("dp-1")
		if got := slices.Sorted(maps.Keys(streams)); !slices.Equal(got, want) {
			t.Errorf("step %d: streams %v, want %v", step, got, want)
		}
		for _, s := range streams {
			if s.Interval == time.Second/10 != (step != 2) || s.Workers != traffic.Workers(s) {
				t.Errorf("step %d: %+v", step, s)
			}
		}
	}
}

// TestTraffic: it begins and ends with all of its nodes' streams, open loop
// unless a control says otherwise.
func TestTraffic(t *testing.T) {
	t.Parallel()
	for _, control := range []Control{NoControl, NoTraffic, ClosedLoop} {
		t.Run(string(control), func(t *testing.T) {
			t.Parallel()
			var answered atomic.Int64
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				answered.Add(1)
				fmt.Fprint(w, `{"path":"/gen/1"}`)
			}))
			defer server.Close()
			c, events := recorded(t)
			start := StartTraffic{Nodes: []string{"dp-1"}}
			c.control, c.plan, c.step = control, plan.Plan{Steps: []plan.Step{{Number: 1, Action: start}}}, 1
			c.has.addNode(stub{name: "dp-1", address: server.Listener.Addr().String()})
			if err := start.Do(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			for limit := time.After(20 * time.Second); control != NoTraffic && answered.Load() < 20; {
				select {
				case <-time.After(time.Millisecond):
				case <-limit:
					t.Fatal("no traffic")
				}
			}
			if err := (StopTraffic{}).Do(t.Context(), c); err != nil || c.probers != nil {
				t.Errorf("%v; %d probers are left", err, len(c.probers))
			}
			count := make(map[history.Kind]int)
			for _, e := range events() {
				count[e.Kind]++
			}
			want := 2
			if control == NoTraffic {
				want = 0
			}
			if count[history.TrafficBegin] != want || count[history.TrafficEnd] != want || (answered.Load() > 0) != (want > 0) {
				t.Errorf("%d answers; events %v", answered.Load(), count)
			}
		})
	}
}
