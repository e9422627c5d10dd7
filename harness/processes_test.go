// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"errors"
	"maps"
	"testing"

	"blackout/harness/engine"
)

// handled is a node of which the engine says more or less.
type handled struct {
	stub
	handle engine.Handle
	err    error
}

func (h handled) Handle(context.Context) (engine.Handle, error) { return h.handle, h.err }

// TestProcesses: only what runs on this machine is sampled there.
func TestProcesses(t *testing.T) {
	t.Parallel()
	c, _ := recorded(t)
	c.has.addNode(handled{stub{name: "dp-1"}, engine.Handle{"engine": "local", "pid": "42"}, nil})
	c.has.addNode(handled{stub{name: "dp-2"}, engine.Handle{"engine": "docker", "container": "0123"}, nil})
	c.has.addNode(handled{stub{name: "dp-3", ended: true}, engine.Handle{"engine": "local", "pid": "43"}, nil})
	c.has.addNode(handled{stub{name: "dp-4"}, nil, errors.New("it does not tell")})
	if got, want := c.processes(t.Context()), map[string]int{"dp-1": 42}; !maps.Equal(got, want) {
		t.Errorf("processes %v, want %v", got, want)
	}
}
