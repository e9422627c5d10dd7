// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"blackout/fixtures"
	"blackout/harness/engine"
	"blackout/harness/history"
	"blackout/harness/plan"
	"blackout/harness/topology"
)

// stub is a node that listens where a test's server does.
type stub struct {
	engine.Node // what a test does not need is not there
	name        string
	address     string
	ended       bool
}

func (s stub) Name() string                                     { return s.name }
func (s stub) Endpoint(context.Context, string) (string, error) { return s.address, nil }
func (s stub) State(context.Context) (engine.State, error) {
	return engine.State{Running: !s.ended, ExitCode: 3}, nil
}
func (s stub) Stop(context.Context, time.Duration) error { return nil }
func (s stub) Log(context.Context) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader("panic: x\n")), nil
}

// recorded is a cluster that does nothing but record, and its events.
func recorded(t *testing.T) (*Cluster, func() []history.Event) {
	t.Helper()
	dir := t.TempDir()
	rec, err := history.Create(dir, history.Header{Streams: make([]history.Stream, 8)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { rec.Close() })
	c := &Cluster{
		rec: rec, has: newInventory(), slots: newSlots(nil), authors: map[string]string{"key-1": "dp-1"},
		topology: topology.Topology{Nodes: []topology.Node{{Name: "cp", Role: topology.ControlPlane}}},
		progress: func(string, ...any) {},
	}
	return c, func() []history.Event {
		if err := rec.Close(); err != nil {
			t.Fatal(err)
		}
		loaded, err := history.Load(dir)
		if err != nil {
			t.Fatal(err)
		}
		return loaded.Events
	}
}

func TestAwait(t *testing.T) {
	t.Parallel()
	c, _ := recorded(t)
	var errNotYet = errors.New("not yet")
	t.Run("until it holds", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			start, looks := time.Now(), 0
			err := await(t.Context(), time.Minute, "it holds", func(context.Context) error {
				if looks++; looks < 5 {
					return errNotYet
				}
				return nil
			})
			if err != nil || looks != 5 || time.Since(start) != 4*awaitInterval {
				t.Errorf("%v after %d looks, %s", err, looks, time.Since(start))
			}
		})
	})
	t.Run("not beyond its bound", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			err := await(t.Context(), time.Minute, "it holds", func(context.Context) error { return errNotYet })
			if !errors.Is(err, errNotYet) || !strings.Contains(err.Error(), "it holds: not within 1m0s") {
				t.Errorf("error %v does not say what was waited for, how long, and what was seen last", err)
			}
			if time.Since(start) != time.Minute {
				t.Errorf("it waited %s", time.Since(start))
			}
		})
	})
	t.Run("the last look counts, not the one that was cut short", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			first := true
			err := await(t.Context(), time.Second, "it holds", func(ctx context.Context) error {
				if first {
					first = false
					return errNotYet
				}
				<-ctx.Done()
				return ctx.Err()
			})
			if !errors.Is(err, errNotYet) {
				t.Errorf("error %v", err)
			}
		})
	})
	t.Run("no longer than the node lives", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			err := await(t.Context(), time.Hour, "dp-1 serves", func(ctx context.Context) error {
				return c.running(ctx, stub{name: "dp-1", ended: true})
			})
			if !errors.Is(err, engine.ErrEnded) || !strings.Contains(err.Error(), "dp-1, with code 3") || time.Since(start) > 0 {
				t.Errorf("error %v after %s", err, time.Since(start))
			}
		})
	})
	t.Run("no longer than the run", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			start := time.Now()
			if err := await(ctx, time.Hour, "it holds", func(context.Context) error { return errNotYet }); err == nil || time.Since(start) != time.Second {
				t.Errorf("error %v after %s", err, time.Since(start))
			}
		})
	})
}

// TestExpectRecordsAndGoesOn: a gateway that does not do what it should is a
// result; the end of the run is not.
func TestExpectRecordsAndGoesOn(t *testing.T) {
	t.Parallel()
	never := func(context.Context) error { return errors.New("still 503") }
	c, events := recorded(t)
	if err := c.expect(t.Context(), 2*awaitInterval, "dp-1", "dp-1 serves", never); err != nil {
		t.Errorf("error %v", err)
	}
	interrupted := errors.New("interrupt")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(interrupted)
	if err := c.expect(ctx, time.Minute, "dp-1", "dp-1 serves", never); !errors.Is(err, interrupted) {
		t.Errorf("error %v, want the cause of the run's end", err)
	}
	got := events()
	if len(got) != 1 || got[0].Kind != history.WaitTimeout || got[0].Node != "dp-1" || !strings.Contains(got[0].Text, "still 503") {
		t.Errorf("recorded %+v, want one time-out that says what was seen", got)
	}
}

func TestAwaitAnswer(t *testing.T) {
	t.Parallel()
	looks := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if looks++; looks < 3 || r.URL.Path != "/health" {
			w.WriteHeader(http.StatusServiceUnavailable) // an open port alone says nothing
		}
	}))
	defer server.Close()
	c, _ := recorded(t)
	if err := c.awaitAnswer(t.Context(), stub{name: "store", address: server.Listener.Addr().String()}, "api", "/health"); err != nil || looks != 3 {
		t.Errorf("%v after %d looks", err, looks)
	}
}

// TestChange: a lost acknowledgement is neither success nor failure.
func TestChange(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		send  error
		kinds []history.Kind
		err   error
	}{
		"acknowledged": {nil, []history.Kind{history.ChangeSent, history.ChangeAcked}, nil},
		"lost":         {io.ErrUnexpectedEOF, []history.Kind{history.ChangeSent, history.ChangeUnknown}, nil},
		"refused":      {fmt.Errorf("put: %w", adminError{400, "status 400"}), []history.Kind{history.ChangeSent}, ErrUnsteady},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cluster, events := recorded(t)
			err := cluster.change(t.Context(), 4, func(context.Context) error { return c.send })
			if !errors.Is(err, c.err) {
				t.Errorf("error %v, want %v", err, c.err)
			}
			got := events()
			if len(got) != len(c.kinds) {
				t.Fatalf("events %+v, want %v", got, c.kinds)
			}
			for i, e := range got {
				if e.Kind != c.kinds[i] || e.Generation != 4 {
					t.Errorf("event %+v, want %s of generation 4", e, c.kinds[i])
				}
			}
		})
	}
}

func TestAdmin(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPut || r.Header.Get("Content-Type") != "application/json" {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, "schema violation")
		}
	}))
	c, _ := recorded(t)
	c.has.addNode(stub{name: "cp", address: server.Listener.Addr().String()})
	if err := c.admin(t.Context(), http.MethodPut, "/services/probed", service{Path: "/gen/1"}); err != nil {
		t.Error(err)
	}
	var refused adminError
	if err := c.admin(t.Context(), http.MethodPatch, "/services/probed", service{}); !errors.As(err, &refused) || !strings.Contains(err.Error(), "schema violation") {
		t.Errorf("error %v, want a refusal with its text", err)
	}
	server.Close()
	if err := c.admin(t.Context(), http.MethodPut, "/services/probed", service{}); err == nil || errors.As(err, &refused) {
		t.Errorf("error %v: no answer is not a refusal", err)
	}
}

// TestStreamsAndNodesOfAPlan: the recording's header must know what comes later.
func TestStreamsAndNodesOfAPlan(t *testing.T) {
	t.Parallel()
	p := plan.Plan{
		Topology: topology.Topology{Nodes: []topology.Node{{Name: "cp", Role: topology.ControlPlane}, {Name: "dp-1", Role: topology.DataPlane, Import: true}}},
		Steps: []plan.Step{
			{Action: StartTraffic{Nodes: []string{"dp-1"}}},
			{Action: ScaleOut{Nodes: []topology.Node{{Name: "dp-2", Role: topology.DataPlane, Export: true}}}},
			{Action: StartTraffic{Nodes: []string{"dp-2"}}},
		},
	}
	streams := Streams(p)
	if len(streams) != 4 {
		t.Fatalf("%d streams, want two for each data plane", len(streams))
	}
	for i, s := range streams {
		if want := []string{"dp-1", "dp-1", "dp-2", "dp-2"}[i]; s.Node != want || s.Fresh != (i%2 == 1) || s.Interval <= 0 || s.Timeout <= s.Interval {
			t.Errorf("stream %d: %+v", i, s)
		}
	}
	c := &Cluster{plan: p}
	for i := range c.plan.Steps {
		c.plan.Steps[i].Number = i + 1
	}
	c.plan.Steps = append(c.plan.Steps, plan.Step{Number: 4, Action: StartTraffic{Nodes: []string{"dp-2", "dp-1"}, Rate: 10}})
	c.step = 4
	if again := c.streamsTo("dp-1"); len(again) != 2 || again[6].Interval != 100*time.Millisecond || !again[7].Fresh {
		t.Errorf("traffic that starts again has streams %+v", again)
	}
	c.step = 1
	if first := c.streamsTo("dp-1"); len(first) != 2 || first[0] != streams[0] || first[1] != streams[1] {
		t.Errorf("the first traffic has streams %+v", first)
	}
	nodes := Nodes(p)
	if len(nodes) != 3 || nodes[2] != (history.Node{Name: "dp-2", Role: "data_plane", Export: true, Version: version}) || !nodes[1].Import {
		t.Errorf("nodes %+v", nodes)
	}
	if len(p.Topology.Nodes) != 2 {
		t.Error("the plan's topology was changed")
	}
}

func TestRecordDeaths(t *testing.T) {
	t.Parallel()
	c, events := recorded(t)
	c.has.addNode(stub{name: "dp-1"})
	c.has.addNode(stub{name: "dp-2", ended: true})
	c.has.addNode(stub{name: "dp-3", ended: true})
	c.has.markStopped("dp-3")
	if err := c.recordDeaths(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := events()
	if len(got) != 1 || got[0].Kind != history.NodeExit || got[0].Node != "dp-2" || got[0].Code != 3 {
		t.Errorf("recorded %+v, want the end of dp-2 with code 3", got)
	}
}

// TestDeathIsRecordedBeforeAStop: a node that is ended or started again had perhaps
// ended by itself.
func TestDeathIsRecordedBeforeAStop(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		node    stub
		stopped bool
		kinds   []history.Kind
	}{
		"runs":                 {stub{name: "dp-1"}, false, []history.Kind{history.NodeStop}},
		"ended by itself":      {stub{name: "dp-1", ended: true}, false, []history.Kind{history.NodeExit, history.NodeStop}},
		"ended by the harness": {stub{name: "dp-1", ended: true}, true, []history.Kind{history.NodeStop}},
	} {
		cluster, events := recorded(t)
		cluster.has.addNode(c.node)
		if c.stopped {
			cluster.has.markStopped("dp-1")
		}
		if err := cluster.stopNode(t.Context(), "dp-1", "it goes"); err != nil {
			t.Fatal(err)
		}
		var kinds []history.Kind
		for _, e := range events() {
			kinds = append(kinds, e.Kind)
			if e.Kind == history.NodeExit && (e.Code != 3 || e.Text != "panic: x") {
				t.Errorf("%s: recorded %+v", name, e)
			}
		}
		if !slices.Equal(kinds, c.kinds) {
			t.Errorf("%s: recorded %v, want %v", name, kinds, c.kinds)
		}
	}
}

// TestTargetBeforeAConfiguration: a node is watched before anything is loaded.
func TestTargetBeforeAConfiguration(t *testing.T) {
	t.Parallel()
	c, _ := recorded(t)
	c.has.addNode(stub{name: "dp-1", address: "127.0.0.1:1"})
	target, err := c.target(t.Context(), "dp-1")
	if err != nil || len(target.Paths) != 1 || target.Paths[0] != fixtures.ProbedPath {
		t.Errorf("%+v, %v", target, err)
	}
}

// TestTrafficFindsARestartedNode, and does not ask the engine at every dial.
func TestTrafficFindsARestartedNode(t *testing.T) {
	t.Parallel()
	c, _ := recorded(t)
	c.has.addNode(stub{name: "dp-1", address: "first:1"})
	endpoint, err := c.trafficTo(t.Context(), "dp-1", portProxy)
	want := func(address string) {
		t.Helper()
		if got, err := endpoint.Find(t.Context()); err != nil || got != address {
			t.Errorf("found at %s, %v; want %s", got, err, address)
		}
	}
	if err != nil || endpoint.Address != "first:1" {
		t.Fatalf("endpoint = %+v, %v", endpoint, err)
	}
	c.has.nodes["dp-1"] = stub{name: "dp-1", address: "second:1"} // the engine is not asked
	want("first:1")
	_, life := c.has.address(port{"dp-1", portProxy})
	c.has.markStarted("dp-1")
	c.has.setAddress(port{"dp-1", portProxy}, life, "late:1") // what was found in its former life
	want("second:1")
	c.has.addNode(stub{name: "dp-1", address: "third:1"})
	want("third:1")
}

func TestSampledRoutes(t *testing.T) {
	t.Parallel()
	if few := fixtures.Routes(10); len(sampled(few)) != len(few) {
		t.Errorf("of %d routes, %d are probed", len(few), len(sampled(few)))
	}
	many := fixtures.Routes(9_999)
	some := sampled(many)
	if len(some) != maxProbed || some[0].Name != many[0].Name || some[maxProbed-1].Name != many[9_999].Name || some[1].Name == some[2].Name {
		t.Errorf("%d routes from %s to %s", len(some), some[0].Name, some[len(some)-1].Name)
	}
}
