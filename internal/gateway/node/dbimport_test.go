// Copyright The Blackout Authors
// SPDX-License-Identifier: Apache-2.0

package node_test

import (
	"fmt"
	"strings"
	"testing"

	"blackout/internal/gateway/conf"
	"blackout/internal/gateway/node"
)

// declared is a declarative configuration of some routes to an upstream.
func declared(upstream, path string, routes int) []byte {
	var text strings.Builder
	fmt.Fprintf(&text, "_format_version: '3.0'\nservices:\n- name: all\n  url: %s%s\n  routes:\n", upstream, path)
	for i := range routes {
		fmt.Fprintf(&text, "  - {name: r%d, paths: [/r%d]}\n", i, i)
	}
	return []byte(text.String())
}

// TestImportDatabase: a control plane that starts on it hands out all that was
// imported, and a second import replaces it.
func TestImportDatabase(t *testing.T) {
	t.Parallel()
	const routes = 1203 // more than go into two transactions
	c, dir, upstream := newCluster(t), t.TempDir()+"/new", echo(t)
	config := c.config(conf.ControlPlane, dir)
	for _, path := range []string{"/gen/1", "/gen/2"} {
		if written, err := node.ImportDatabase(t.Context(), config, declared(upstream, path, routes)); err != nil || written != routes+1 {
			t.Fatalf("%d entities, %v, want %d", written, err, routes+1)
		}
	}
	c.start(conf.ControlPlane, dir, nil)
	dp := c.start(conf.DataPlane, t.TempDir(), nil)
	for _, i := range []int{0, routes / 2, routes - 1} {
		dp.awaitBody(fmt.Sprintf("/r%d/x", i), "/gen/2/x")
	}
}

func TestImportDatabaseRefuses(t *testing.T) {
	t.Parallel()
	plugin := "_format_version: '3.0'\nplugins: [{name: key-auth}]\n"
	for name, test := range map[string]struct {
		role conf.Role
		text string
		says string
	}{
		"a data plane":             {conf.DataPlane, "_format_version: '3.0'", "this node has none"},
		"what is none":             {conf.ControlPlane, "services: [{host: 7}]", "_format_version"},
		"a mistake":                {conf.ControlPlane, "_format_version: '3.0'\nservices: [{name: a, host: h, prot: tcp}]", "services.1.prot: unknown field"},
		"a plugin that it has not": {conf.ControlPlane, plugin, "plugins.1.name: plugin 'key-auth' not enabled"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := newCluster(t).config(test.role, t.TempDir())
			written, err := node.ImportDatabase(t.Context(), config, []byte(test.text))
			if err == nil || written != 0 || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%d entities, error %v, want one line with %q", written, err, test.says)
			}
		})
	}
}
