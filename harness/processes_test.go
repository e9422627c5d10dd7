// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"errors"
	"maps"
	"testing"
)

// placed is a node with a process id, or without one that could be told.
type placed struct {
	stub
	pid int
	err error
}

func (p placed) Process(context.Context) (int, error) { return p.pid, p.err }

// TestProcesses: only what runs on this machine is sampled there.
func TestProcesses(t *testing.T) {
	t.Parallel()
	c, _ := recorded(t)
	c.has.addNode(placed{stub{name: "dp-1"}, 42, nil})
	c.has.addNode(placed{stub{name: "dp-2"}, 0, errors.New("it does not tell")})
	if got, want := c.processes(t.Context()), map[string]int{"dp-1": 42}; !maps.Equal(got, want) {
		t.Errorf("processes %v, want %v", got, want)
	}
}
