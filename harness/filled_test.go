// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"blackout/harness/engine"
	"blackout/harness/history"
	"blackout/harness/topology"
)

// oneOff is an engine whose processes end at once with a code.
type oneOff struct {
	engine.Engine
	code    int
	started []engine.Process
}

func (e *oneOff) Start(_ context.Context, at engine.Site, process engine.Process) (engine.Node, error) {
	e.started = append(e.started, process)
	return finished{stub{name: at.Name(), ended: true}, e.code}, fmt.Errorf("start %s: %w", at.Name(), engine.ErrEnded)
}

// finished is a node whose process has ended with a code.
type finished struct {
	stub
	code int
}

func (f finished) State(context.Context) (engine.State, error) {
	return engine.State{ExitCode: f.code}, nil
}

// TestFillDatabase: it is filled by the gateway itself, with the node's own settings,
// and a gateway that cannot leaves the run unsteady.
func TestFillDatabase(t *testing.T) {
	t.Parallel()
	for _, code := range []int{0, 1} {
		e := &oneOff{code: code}
		c, events := recorded(t)
		c.engine = e
		n := topology.Node{Name: "cp", Role: topology.ControlPlane, Routes: 3}
		c.has.addSite(place{name: n.Name})
		c.has.addSite(numbered80{place{name: topology.Upstream}})
		err := c.fillDatabase(t.Context(), n, engine.Process{Env: map[string]string{"KONG_ROLE": "control_plane"}})
		if (err == nil) != (code == 0) || err != nil && (!errors.Is(err, ErrUnsteady) || !strings.Contains(err.Error(), "ended with code 1: panic: x")) {
			t.Errorf("code %d: error %v", code, err)
		}
		if len(e.started) != 1 || !slices.Equal(e.started[0].Args, []string{"config", "db_import", "/data/fill.json"}) || e.started[0].Env["KONG_ROLE"] != "control_plane" {
			t.Fatalf("started %+v", e.started)
		}
		var filled struct{ Services []struct{ Routes []any } }
		if err := json.Unmarshal(e.started[0].Files["fill.json"], &filled); err != nil || len(filled.Services) != 1 || len(filled.Services[0].Routes) != n.Routes+1 {
			t.Errorf("filled with %+v, %v", filled, err)
		}
		var kinds []history.Kind
		for _, event := range events() {
			kinds = append(kinds, event.Kind)
		}
		if want := []history.Kind{history.ChangeSent, history.ChangeAcked}[:2-code]; !slices.Equal(kinds, want) {
			t.Errorf("recorded %v, want %v", kinds, want)
		}
	}
}
