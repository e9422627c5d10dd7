// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"blackout/harness/database"
	"blackout/harness/engine"
	"blackout/harness/fault"
	"blackout/harness/history"
	"blackout/harness/topology"
)

// TestDatabaseThatIsAFileIsNotCut: what rests on the fault is not measured, and the
// run goes on.
func TestDatabaseThatIsAFileIsNotCut(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		missing error
		says    string
	}{
		"the topology asks for none": {nil, "asks for no PostgreSQL"},
		"there is none":              {fmt.Errorf("%w: apt-get install postgresql", engine.ErrUnsupported), "apt-get install postgresql"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cluster, events := recorded(t)
			cluster.missing, cluster.counting = c.missing, true
			cut := fault.Spec{Kind: fault.Exit, Edge: topology.DatabaseEdge("cp")}
			if err := cluster.inject(t.Context(), []fault.Spec{cut}); err != nil {
				t.Fatal(err)
			}
			got := events()
			checkKinds(t, got, history.FaultUnstaged)
			if e := got[0]; e.Edge != "cp>database" || e.Text != "exit" || !strings.Contains(e.Error, c.says) {
				t.Errorf("recorded %+v, want that cp>database is not cut since %s", e, c.says)
			}
		})
	}
}

// TestDatabaseIsDoneWithout where there is no PostgreSQL, or no way to one.
func TestDatabaseIsDoneWithout(t *testing.T) {
	t.Setenv(database.Variable, t.TempDir())
	for name, host := range map[string]Host{
		"no way to this machine": {Missing: fmt.Errorf("%w: containers cannot reach this machine", engine.ErrUnsupported)},
		"no PostgreSQL":          {},
	} {
		c, _ := recorded(t)
		c.host = host
		if err := c.startDatabase(t.Context()); err != nil || c.database != nil || !errors.Is(c.missing, engine.ErrUnsupported) {
			t.Errorf("%s: %v, a database %v, missing since %v", name, err, c.database, c.missing)
		}
		env := make(map[string]string)
		if err := errors.Join(c.openDatabaseEdge(t.Context()), c.giveDatabase(t.Context(), topology.Node{Name: "cp", Role: topology.ControlPlane}, env)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if env["KONG_DATABASE"] != "sqlite" {
			t.Errorf("%s: the control plane is given %v, want a file", name, env)
		}
	}
}
