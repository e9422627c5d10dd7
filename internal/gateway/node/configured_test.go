// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package node_test

import (
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"blackout/internal/gateway/conf"
	"blackout/internal/gateway/node"
)

// TestTellsWhenItIsConfigured: it is told once that the first configuration is read,
// whatever became of that, and whichever the node is.
func TestTellsWhenItIsConfigured(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		role conf.Role
		sent string // by the control plane; empty: none is there
		end  bool   // it is told at the node's end, and not before
	}{
		"good":            {role: conf.DataPlane, sent: table(echo(t), "/gen/1")},
		"refused":         {role: conf.DataPlane, sent: `{"_format_version":"3.0","services":[{"id":1}]}`},
		"none":            {role: conf.DataPlane, end: true},
		"a control plane": {role: conf.ControlPlane},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t)
			if test.sent != "" {
				publish(t, bareControlPlane(t, c), test.sent)
			}
			var told atomic.Int64
			n := c.launch(node.Options{Config: c.config(test.role, t.TempDir()), Rand: rand.New(rand.NewPCG(1, 2)), Hostname: "host",
				Log: slog.New(c.log), Getenv: c.getenv, Configured: func() { told.Add(1) }}, name)
			if !test.end {
				eventually(t, "it is told", func() bool { return told.Load() == 1 })
			} else if told.Load() != 0 {
				t.Error("told before the end")
			}
			n.end()
			eventually(t, "it is told once", func() bool { return told.Load() == 1 })
		})
	}
}
